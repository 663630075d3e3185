//! What an operator's commands do at an embedded broker.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

mod browse;
mod dead;
mod halves;
mod init;
mod stage;
