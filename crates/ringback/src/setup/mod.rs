//! What a system needs at the broker before its first message, and how it comes to be there: the core of
//! `ringback init`.
//!
//! [`wanted`] reads it out of `ringback.toml`, [`plan`] compares it with what was found and says what to do (both
//! pure), [`carry_out`] does it. The invariants: nothing is changed that could lose a message (a topic keeps its type
//! and never has fewer queues), a second run finds nothing to do, nothing is received, and no group is left without its
//! place: a group of Apache RocketMQ that polls for the first time when a topic has a history may begin near its end.

pub mod carry_out;
pub mod databases;
pub mod found;
pub mod plan;
pub mod wanted;

pub use found::Found;
pub use plan::{Action, Change, History, Step, plan};
pub use wanted::{Wanted, wanted};
