//! Answers the broker's check-backs from the database, whoever sent the half message.
//!
//! An unknown `tx_no` is fenced: its rolled-back row makes a late local transaction fail at its first
//! statement, so that ROLLBACK is true for ever. A row that another transaction holds means that the
//! answer is being made: nothing is said, and the broker asks again. The checker has its own small
//! pool with a short lock wait, so that it neither starves behind the business nor waits for it.

use database::{Database, DatabaseError};
use futures::future::BoxFuture;
use notification::{BusinessState, InitiatorId, TxNo, message};
use rocketmq::{OrphanedHalf, Resolution, TransactionChecker};
use service::clock::Clock;

use crate::outgoing::{self, Fence};

/// Decides what became of a half message's transaction.
pub(crate) struct Checker {
    database: Database,
    id: InitiatorId,
    checked_by: String,
    clock: Clock,
}

impl Checker {
    /// `database` is the checker's own; `checked_by` is noted in the rows it answers from.
    pub(crate) fn new(
        database: Database,
        id: InitiatorId,
        checked_by: String,
        clock: Clock,
    ) -> Checker {
        Checker {
            database,
            id,
            checked_by,
            clock,
        }
    }

    async fn resolve(&self, half: &OrphanedHalf) -> Resolution {
        let property = |name: &str| {
            half.properties
                .get(name)
                .map(String::as_str)
                .unwrap_or_default()
        };
        let theirs = property(message::INITIATOR_ID);
        if theirs != self.id.as_str() {
            tracing::warn!(event = "foreign_initiator", theirs, ours = %self.id, topic = half.topic, message_id = half.message_id);
            return Resolution::Unknown;
        }
        let tx_no = match property(message::TX_NO).parse::<TxNo>() {
            Ok(tx_no) => tx_no,
            Err(error) => {
                tracing::warn!(event = "malformed_half", %error, message_id = half.message_id);
                return Resolution::Unknown;
            }
        };
        match self.decide(&tx_no, &half.topic).await {
            Ok(resolution) => {
                tracing::info!(event = "check_back_answered", %tx_no, ?resolution, checks = half.checks);
                resolution
            }
            Err(error) => {
                tracing::info!(event = "check_back_not_answered", %tx_no, %error, checks = half.checks);
                Resolution::Unknown
            }
        }
    }

    /// An error of any kind answers nothing.
    async fn decide(&self, tx_no: &TxNo, topic: &str) -> Result<Resolution, DatabaseError> {
        let now_ms = self.clock.now_ms();
        let fence = outgoing::fence(
            &mut *self.database.write().await?,
            tx_no,
            topic,
            &self.checked_by,
            now_ms,
        )
        .await?;
        if fence == Fence::Set {
            return Ok(Resolution::Rollback);
        }
        let standing = outgoing::standing(&mut *self.database.read().await?, tx_no).await?;
        Ok(match standing.map(|standing| standing.state) {
            Some(BusinessState::Committed | BusinessState::Reversed) => {
                self.note(tx_no).await;
                Resolution::Commit
            }
            Some(BusinessState::RolledBack) => Resolution::Rollback,
            Some(BusinessState::Unknown) | None => Resolution::Unknown,
        })
    }

    async fn note(&self, tx_no: &TxNo) {
        let noted = async {
            outgoing::note_checked(&mut *self.database.write().await?, tx_no, &self.checked_by)
                .await
        };
        if let Err(error) = noted.await {
            // The note is for people; the answer stands without it.
            tracing::debug!(event = "check_not_noted", %tx_no, %error);
        }
    }
}

impl TransactionChecker for Checker {
    fn check<'a>(&'a self, half: &'a OrphanedHalf) -> BoxFuture<'a, Resolution> {
        Box::pin(self.resolve(half))
    }
}
