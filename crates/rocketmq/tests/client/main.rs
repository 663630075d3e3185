//! The client against a server that behaves and misbehaves by script.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test, in its helpers too"
)]

mod access;
mod admin;
mod checking;
mod consuming;
mod fake;
mod leasing;
mod producing;
mod routing;
mod sessions;
mod several;
