//! The promises of this crate, on real SQLite files.

mod migrate;
mod open;
mod transactions;
