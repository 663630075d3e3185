//! The words of Ringback as types: what a notification is, how it travels, what an attempt means.
//!
//! Everything here is a pure function of its arguments: no I/O, no clock, no runtime. Time and
//! randomness come in from outside, so that every decision can be tested with a table.
//!
//! Read in this order: [`Notification`] (one fact for one receiver), [`message`] (how it is written
//! into a RocketMQ message, a contract that any language can follow), [`signature`] (how the
//! receiver knows who speaks), [`Acceptance`] and [`verdict`] (what an answer means), [`Ladder`]
//! and [`settlement`] (what happens next), and [`api`] (what crosses HTTP).

pub mod acceptance;
pub mod api;
pub mod headers;
mod ids;
mod invalid;
pub mod ladder;
pub mod message;
pub mod money;
mod notify;
pub mod settlement;
pub mod signature;
mod state;
mod trace;
mod tx_no;
mod words;

pub use acceptance::{Accept, Acceptance, AttemptError, Reply, Verdict, verdict};
pub use ids::{
    BusinessKey, ContentType, EndpointId, EventType, Group, InitiatorId, Source, TokenName, Topic,
};
pub use invalid::Invalid;
pub use ladder::{Ladder, PRESETS};
pub use message::{Envelope, Undecodable, WireMessage};
pub use money::{fen_from_yuan, yuan};
pub use notify::{MAX_BODY, Notification, body_hash};
pub use settlement::{Circumstances, Settlement, settlement, settlement_in};
pub use signature::{Secret, SigningSecret, VerifyError, sign, verify};
pub use state::{
    Applied, BusinessState, DeadReason, InboxState, LetterClass, LetterState, NotificationState,
    Operation, Outcome, OutcomeKind,
};
pub use trace::{Sampled, TraceParent};
pub use tx_no::TxNo;
