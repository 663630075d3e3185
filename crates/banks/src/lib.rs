//! The banks of the demo: what a newcomer copies to send notifications, and to receive them.
//!
//! [`bank1`] is an initiator. Read `bank1/order.rs` for the business change that commits together with its
//! notification, and `bank1/http.rs` for what its callers are told. [`bank2`] is a receiver: `bank2/http.rs`
//! verifies, and applies once. Each has a database of its own (`sql/bank1`, `sql/bank2`), integer fen, and no
//! overdraft.
//!
//! The rest is for the demo only and does nothing without [`Demo::On`]: [`simulated`] is the table of amounts that
//! misbehave, [`hold`] the barriers that let a test kill a bank at a known step.
//!
//! What holds: bank1 debits an account if and only if the notification of it is committed, and bank2 credits each
//! notification once. Sums over both, and what is under way, never change.

pub mod account;
pub mod bank1;
pub mod bank2;
pub mod fact;
mod health;
pub mod hold;
mod hold_routes;
mod refusal;
pub mod simulated;
mod trace;

/// Whether set amounts misbehave and steps can be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Demo {
    /// Ordinary banks.
    #[default]
    Off,
    /// The banks of the demo.
    On,
}
