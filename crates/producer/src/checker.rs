//! Answers the broker's check-backs from the database, whoever sent the half message.
//!
//! An unknown `tx_no` is fenced: its rolled-back row makes a late local transaction fail at its first
//! statement, so that ROLLBACK is true for ever. A row that another transaction holds means that the
//! answer is being made: nothing is said, and the broker asks again. A committed row speaks only for
//! halves of its own content: one number may have been asked for twice, and the other request's half
//! must not go out for it. The checker has its own small pool with a short lock wait, so that it
//! neither starves behind the business nor waits for it.

use std::sync::Arc;

use database::{Database, DatabaseError};
use futures::future::BoxFuture;
use notification::{BusinessState, Envelope, InitiatorId, Notification, TxNo, message};
use rocketmq::{OrphanedHalf, Resolution, TransactionChecker};
use service::clock::Clock;
use service::traces::Kind;

use crate::metrics::Meters;
use crate::outgoing::{self, Fence, Standing};
use crate::sending;

/// A half message that was asked about this often will soon be given up: brokers ask 15 times.
const CHECKS_RUN_OUT: u32 = 10;

/// Decides what became of a half message's transaction.
pub(crate) struct Checker {
    database: Database,
    id: InitiatorId,
    checked_by: String,
    clock: Clock,
    meters: Arc<Meters>,
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
            meters: Arc::default(),
        }
    }

    /// Counts its answers there.
    pub(crate) fn counting(self, meters: Arc<Meters>) -> Checker {
        Checker { meters, ..self }
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
        let trace = sending::traced(asked.traceparent.as_deref());
        let mut span = trace.open("check_back", Kind::Server, || self.clock.now_ms());
        span.note("ringback.tx_no", tx_no);
        span.note("ringback.checks", half.checks);
        let answer = self.answer(&asked, &half.message_id).await;
        self.meters.checked(&answer);
        let resolution = match &answer {
            Ok(Resolution::Commit) => "commit",
            Ok(Resolution::Rollback) => "rollback",
            Ok(Resolution::Unknown) | Err(_) => "unknown",
        };
        span.note("ringback.resolution", resolution);
        match answer {
            Ok(resolution) => {
                span.ended(|| self.clock.now_ms());
                tracing::info!(event = "check_back_answered", %tx_no, ?resolution, checks = half.checks);
                resolution
            }
            Err(error) => {
                span.failed("not answered", || self.clock.now_ms());
                tracing::info!(event = "check_back_not_answered", %tx_no, %error, checks = half.checks);
                if half.checks >= CHECKS_RUN_OUT {
                    tracing::warn!(event = "check_backs_running_out", %tx_no, %error, checks = half.checks);
                }
                Resolution::Unknown
            }
        }
    }

    /// What is decided in time, noted afterwards: the answer does not wait on its note to be one.
    async fn answer(
        &self,
        asked: &Notification,
        message_id: &str,
    ) -> Result<Resolution, DatabaseError> {
        let resolution = self
            .database
            .in_time(self.decide(asked, message_id))
            .await?;
        if resolution == Resolution::Commit {
            self.note(&asked.tx_no).await;
        }
        Ok(resolution)
    }

    /// An error of any kind answers nothing. All of it is said on one connection, which can write: it is
    /// the primary's, and the row that the fence met is there to be read.
    async fn decide(
        &self,
        asked: &Notification,
        message_id: &str,
    ) -> Result<Resolution, DatabaseError> {
        let tx_no = &asked.tx_no;
        let now_ms = self.clock.now_ms();
        let mut db = self.database.write().await?;
        let fence = outgoing::fence(
            &mut db,
            tx_no,
            asked.topic.as_str(),
            &self.checked_by,
            now_ms,
        )
        .await?;
        if fence == Fence::Set {
            return Ok(Resolution::Rollback);
        }
        let standing = outgoing::standing(&mut db, tx_no).await?;
        let Some(standing) = standing else {
            return Ok(Resolution::Unknown);
        };
        Ok(match verdict(&standing, &asked.request_hash()) {
            Verdict::Committed => Resolution::Commit,
            Verdict::OtherRequest => {
                tracing::warn!(event = "half_of_another_request", %tx_no, message_id);
                Resolution::Rollback
            }
            Verdict::RolledBack => Resolution::Rollback,
            Verdict::Undecided => Resolution::Unknown,
        })
    }

    async fn note(&self, tx_no: &TxNo) {
        let noted = self.database.in_time(async {
            outgoing::note_checked(&mut *self.database.write().await?, tx_no, &self.checked_by)
                .await
        });
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
    use std::time::Duration;

    use database::testing::Databases;
    use sqlx::{Executor, raw_sql};

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

    fn asked() -> Notification {
        Notification {
            source: "bank1".parse().unwrap(),
            tx_no: "0198f3c2-7a41-7c10-9b1e-5d3f0a6c2e11".parse().unwrap(),
            topic: "topic_txmsg".parse().unwrap(),
            event_type: "transfer".parse().unwrap(),
            business_key: "transfer 10.00".parse().unwrap(),
            content_type: "application/json".parse().unwrap(),
            endpoint: None,
            notify_url: None,
            traceparent: None,
            body: bytes::Bytes::from_static(b"{}"),
        }
    }

    /// A checker, on a database with one connection to read, in which `asked` is committed.
    async fn committed(databases: &Databases) -> Checker {
        let config = database::Config {
            readers: 1,
            answer_wait: Duration::from_secs(2),
            ..databases.config("bank1")
        };
        let database = Database::open(&config).await.unwrap();
        database.migrate(&crate::MIGRATIONS).await.unwrap();
        let mut tx = database.begin().await.unwrap();
        outgoing::record(&mut tx, &asked(), 1, 2).await.unwrap();
        tx.commit().await.unwrap();
        let id = InitiatorId::new("0198f3c2-0000-7c10-9b1e-5d3f0a6c2e11").unwrap();
        Checker::new(database, id, "me".to_owned(), Clock::system())
    }

    #[tokio::test]
    async fn a_check_back_is_answered_from_the_connection_that_set_the_fence() {
        let databases = Databases::new();
        let checker = committed(&databases).await;
        // Whatever a reader would say, it is not asked.
        let _reader = checker.database.read().await.unwrap();
        let answer = checker.answer(&asked(), "m").await.unwrap();
        assert_eq!(answer, Resolution::Commit);
    }

    #[tokio::test]
    async fn a_note_that_takes_too_long_spoils_no_answer() {
        let databases = Databases::new();
        if !databases.on_server() {
            return;
        }
        let checker = committed(&databases).await;
        let slow =
            "CREATE TRIGGER slow BEFORE UPDATE ON outgoing FOR EACH ROW SET @slept = SLEEP(5)";
        let mut db = checker.database.write().await.unwrap();
        db.execute(raw_sql(slow)).await.unwrap();
        drop(db);
        let answer = checker.answer(&asked(), "m").await.unwrap();
        assert_eq!(answer, Resolution::Commit);
    }

    #[test]
    fn a_fence_has_no_content_and_rolls_back_any() {
        let fence = row(BusinessState::RolledBack, "");
        assert_eq!(verdict(&fence, "a"), Verdict::RolledBack);
    }
}
