//! The broker as its clients meet it: over gRPC, by the generated client, with nothing between.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

mod administration;
mod browsing;
mod dead_letters;
mod delayed;
mod lasting;
mod receiving;
mod refusals;
mod support;
mod telemetry;
mod transactions;
