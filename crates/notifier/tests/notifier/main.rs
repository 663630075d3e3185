//! The notifier between a real broker and a real receiver, in one process.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

mod again;
mod asking;
mod behaviours;
mod choosing;
mod counted;
mod document;
mod dying;
mod egress;
mod endpoints;
mod erasing;
mod lanes;
mod leases;
mod many;
mod moved;
mod moved_elsewhere;
mod notifications;
mod operating;
mod put_back;
mod ringing;
mod rules;
mod standard_webhooks;
mod store;
mod support;
mod tokens;
mod waiting_long;
