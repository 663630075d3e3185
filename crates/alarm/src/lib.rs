//! From log events to somebody who is woken: once for an outage, not once for each of its events.
//!
//! Every process already says what should wake somebody, as one named event of level WARN or ERROR (the names
//! stand in [`catalogue`]). [`listen`] is a layer of the log that hears those events, whatever the log's own filter
//! leaves out. [`board`] folds them: by name, and in it by subject (an endpoint, a group). [`send`] carries what the
//! board says to a signed webhook, to a command, and to the log. Replicas of one service lay what they see side by side
//! in its database, and one of them tells (`shared`).
//!
//! The invariant: however often an event repeats, and for however many subjects, a name is told at most once an
//! interval; and what was told as firing is told as resolved once it ends.

pub mod board;
pub mod catalogue;
mod config;
mod listen;
mod notice;
mod run;
mod send;
mod shared;

pub use config::Config;
pub use listen::{Ears, Heard, listen};
pub use notice::{Notice, Process, State, Subject};
pub use run::run;
