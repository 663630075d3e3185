//! Answers the broker's check-backs from the database, whoever sent the half message.
//!
//! An unknown `tx_no` is fenced: its rolled-back row makes a late local transaction fail at its first
//! statement, so that ROLLBACK is true for ever. A row that another transaction holds means that the
//! answer is being made: nothing is said, and the broker asks again. A committed row speaks only for
//! halves of its own content: one number may have been asked for twice, and the other request's half
//! must not go out for it. The checker has its own small pool with a short lock wait, so that it
//! neither starves behind the business nor waits for it.

use database::{Database, DatabaseError};
use futures::future::BoxFuture;
use notification::{BusinessState, Envelope, InitiatorId, Notification, TxNo, message};
use rocketmq::{OrphanedHalf, Resolution, TransactionChecker};
use service::clock::Clock;

use crate::outgoing::{self, Fence, Standing};

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
        let theirs = half
            .properties
            .get(message::INITIATOR_ID)
            .map(String::as_str)
            .unwrap_or_default();
        if theirs != self.id.as_str() {
            tracing::warn!(event = "foreign_initiator", theirs, ours = %self.id, topic = half.topic, message_id = half.message_id);
            return Resolution::Unknown;
        }
        let asked = match Envelope::decode(&half.topic, &half.properties, half.body.clone()) {
            Ok(envelope) => envelope.notification,
            Err(error) => {
                tracing::warn!(event = "malformed_half", %error, message_id = half.message_id);
                return Resolution::Unknown;
            }
        };
        let tx_no = asked.tx_no;
        let decided = self.database.in_time(self.decide(&asked, &half.message_id));
        match decided.await {
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
    async fn decide(
        &self,
        asked: &Notification,
        message_id: &str,
    ) -> Result<Resolution, DatabaseError> {
        let tx_no = &asked.tx_no;
        let now_ms = self.clock.now_ms();
        let fence = outgoing::fence(
            &mut *self.database.write().await?,
            tx_no,
            asked.topic.as_str(),
            &self.checked_by,
            now_ms,
        )
        .await?;
        if fence == Fence::Set {
            return Ok(Resolution::Rollback);
        }
        let standing = outgoing::standing(&mut *self.database.read().await?, tx_no).await?;
        let Some(standing) = standing else {
            return Ok(Resolution::Unknown);
        };
        Ok(match verdict(&standing, &asked.request_hash()) {
            Verdict::Committed => {
                self.note(tx_no).await;
                Resolution::Commit
            }
            Verdict::OtherRequest => {
                tracing::warn!(event = "half_of_another_request", %tx_no, message_id);
                Resolution::Rollback
            }
            Verdict::RolledBack => Resolution::Rollback,
            Verdict::Undecided => Resolution::Unknown,
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

/// What a row says of a half message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The half's own transaction committed.
    Committed,
    /// The number is rolled back for good.
    RolledBack,
    /// Another request committed under the number, so that the half's own never can.
    OtherRequest,
    /// The row says nothing.
    Undecided,
}

fn verdict(standing: &Standing, asked_hash: &str) -> Verdict {
    match standing.state {
        BusinessState::RolledBack => Verdict::RolledBack,
        BusinessState::Unknown => Verdict::Undecided,
        BusinessState::Committed | BusinessState::Reversed
            if standing.request_hash == asked_hash =>
        {
            Verdict::Committed
        }
        BusinessState::Committed | BusinessState::Reversed => Verdict::OtherRequest,
    }
}

impl TransactionChecker for Checker {
    fn check<'a>(&'a self, half: &'a OrphanedHalf) -> BoxFuture<'a, Resolution> {
        Box::pin(self.resolve(half))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(state: BusinessState, request_hash: &str) -> Standing {
        Standing {
            state,
            outcome: notification::Outcome::None,
            request_hash: request_hash.to_owned(),
            checked_by: None,
        }
    }

    #[test]
    fn a_committed_row_speaks_for_its_own_content_alone() {
        for state in [BusinessState::Committed, BusinessState::Reversed] {
            assert_eq!(verdict(&row(state, "a"), "a"), Verdict::Committed);
            assert_eq!(verdict(&row(state, "b"), "a"), Verdict::OtherRequest);
        }
    }

    #[test]
    fn a_fence_has_no_content_and_rolls_back_any() {
        let fence = row(BusinessState::RolledBack, "");
        assert_eq!(verdict(&fence, "a"), Verdict::RolledBack);
    }
}
