//! What crosses HTTP, as both ends see it: one type a body, used by server and command line alike.
//!
//! Requests refuse unknown fields; answers ignore them, so that an older reader can talk to a newer
//! server. Times end in `_ms` and are UTC milliseconds since 1970, except `took_ms`, a span.

pub mod bank1;
pub mod bank2;
pub mod endpoint;
pub mod erasure;
pub mod letters;
pub mod notifier;
pub mod pending;
mod problem;

pub use bank1::{Account, Accounts, ResultView};
pub use problem::Problem;

/// The most numbers that one request may ask about.
pub const MOST_TX_NOS: usize = 500;
