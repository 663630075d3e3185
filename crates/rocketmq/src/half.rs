//! A half message in its sender's hand.

use rocketmq_wire::v2;

use crate::address::Address;
use crate::call::Caller;
use crate::checks::{Source, Transaction};
use crate::error::Error;
use crate::message::Sent;

/// A half message: the broker holds it back until it is told what became of its transaction.
///
/// Dropping it tells the broker nothing: a cancelled future or a panic must not decide. The broker
/// then asks, and the checker answers.
#[derive(Debug)]
#[must_use = "a half message that is neither committed nor rolled back is checked back"]
pub struct Half {
    pub(crate) caller: Caller,
    /// The endpoint that took the half message: the one that has the record.
    pub(crate) address: Address,
    pub(crate) topic: String,
    pub(crate) sent: Sent,
}

impl Half {
    /// The message's id.
    #[must_use]
    pub fn message_id(&self) -> &str {
        &self.sent.message_id
    }

    /// The transaction's id.
    #[must_use]
    pub fn transaction_id(&self) -> &str {
        &self.sent.transaction_id
    }

    /// Makes the message visible. `Ok` is no proof: servers pass the commit on without waiting, so
    /// one in a great many is lost and made good by a check-back.
    ///
    /// # Errors
    /// When the endpoint did not confirm, among others because more than 30 s have passed. The
    /// broker asks then.
    pub async fn commit(self) -> Result<(), Error> {
        self.end(v2::TransactionResolution::Commit).await
    }

    /// Discards the message.
    ///
    /// # Errors
    /// As [`Half::commit`].
    pub async fn rollback(self) -> Result<(), Error> {
        self.end(v2::TransactionResolution::Rollback).await
    }

    async fn end(self, resolution: v2::TransactionResolution) -> Result<(), Error> {
        let transaction = Transaction {
            topic: &self.topic,
            message_id: &self.sent.message_id,
            transaction_id: &self.sent.transaction_id,
        };
        transaction
            .end(&self.caller, &self.address, resolution, Source::Client)
            .await
    }
}
