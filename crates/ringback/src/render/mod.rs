//! render/mod
