//! The behaviours, a file for each subject of the protocol.

pub(crate) mod ack;
pub(crate) mod admin;
pub(crate) mod checks;
pub(crate) mod delay_recall;
pub(crate) mod heartbeat;
mod held;
pub(crate) mod invisible;
pub(crate) mod metadata;
pub(crate) mod new_group;
pub(crate) mod poll;
pub(crate) mod receive;
pub(crate) mod restart;
pub(crate) mod retry_dlq;
pub(crate) mod route;
pub(crate) mod send;
pub(crate) mod send_limits;
pub(crate) mod settings;
pub(crate) mod termination;
pub(crate) mod transactions;
pub(crate) mod unimplemented;
