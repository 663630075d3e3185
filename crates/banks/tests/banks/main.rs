//! The banks over HTTP, as their callers meet them: bank1 with a broker (or without), bank2 with signed requests.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

mod bank1;
mod bank2;
mod commit_on_the_wire;
mod counted;
mod support;
mod wire;
