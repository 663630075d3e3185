//! The initiator against the embedded broker and SQLite, with every race held open by a barrier.
//!
//! The relay never interferes unless a test calls it: its first rung is ten minutes away, and most
//! tests run no notifier, without which it rests. So the fence, "ROLLBACK only when confirmed" and "a
//! locked row answers nothing" are tested with the relay off, where it can't mask their absence.

mod barrier;
mod caller_gone;
mod commit_unknown;
mod deadline;
mod fake_notifier;
mod feed;
mod fence;
mod foreign;
mod log;
mod lost;
mod missed_checks;
mod one_tx_no;
mod relay;
mod results;
mod sending;
mod stage;
mod transfers;
mod wire;
