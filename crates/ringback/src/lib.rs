//! ringback
