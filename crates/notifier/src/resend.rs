//! Carries out operators' resends: the letter's message again, one generation on, for its group.
//!
//! A request is a row written in the same transaction that brings the notification back to life,
//! and it stays until a record of the new generation exists: sent now, and anew every ten minutes,
//! because the end of a transaction is one-way and may be lost. Whoever sends claims it for half a
//! minute first: a process that dies in between leaves it to another. The message goes out as half and
//! commit at once on its original topic, with the initiator's own id, so that a check-back about
//! it is answered by the initiator's row. This producer declares no topic: it would be given the
//! initiator's check-backs otherwise.

mod requests;

use std::sync::Arc;
use std::time::Duration;

use database::{CommitError, Database, DatabaseError};
use futures::StreamExt;
use notification::Envelope;
use rocketmq::{Message, TransactionProducer};
use service::clock::Clock;
use service::shutdown::Shutdown;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::alarm;
use crate::metrics::RecordMeters;
use crate::record::failure::Failure;
use crate::seal::Sealer;

pub(crate) use requests::{SendRequest, letter_as};

/// How often to look without having been woken: another replica may have taken the order.
const INTERVAL: Duration = Duration::from_secs(1);

/// When a message that was sent and not seen is sent anew.
const UNSEEN_AFTER_MS: i64 = 10 * 60 * 1000;

/// How long a request is ours before another replica may send it.
const CLAIM_MS: i64 = 30 * 1000;

/// How long claiming a page of them may take.
const TAKE_WITHIN: Duration = Duration::from_secs(5);

/// How many are sent at a time: all of a page, because a broker makes what comes together durable at once.
const IN_FLIGHT: usize = requests::AT_ONCE;

/// When a message that could not be sent is tried again.
const FAILED_AFTER_MS: i64 = 5 * 1000;

/// The relay of send requests.
pub(crate) struct Resender {
    pub database: Database,
    pub sealer: Sealer,
    pub producer: TransactionProducer,
    pub clock: Clock,
    /// Rung by the API when it has written a request.
    pub wake: Arc<Notify>,
    pub meters: Arc<RecordMeters>,
}

/// A request that is ours for a while, with the message to send.
struct Taken {
    request: SendRequest,
    letter: Result<Envelope, requests::Unsendable>,
}

/// Claims requests, and gives the letters to send; those that are another's or needless are left out, and
/// the needless are forgotten. All of it is said in one transaction, on one connection that can write: a
/// request is never given up for what some other server does not know.
async fn take(
    database: &Database,
    sealer: &Sealer,
    due: Vec<SendRequest>,
    until_ms: i64,
) -> Result<Vec<Taken>, Failure> {
    let mut tx = database.begin().await?;
    let mut taken = Vec::with_capacity(due.len());
    for mut request in due {
        if !request.is_needed(&mut tx).await? {
            request.forget(&mut tx).await?;
            continue;
        }
        if !request.claim(&mut tx, until_ms).await? {
            continue;
        }
        request.next_send_ms = until_ms;
        match request.letter(&mut tx, sealer).await? {
            Some(letter) => taken.push(Taken { request, letter }),
            None => {
                alarm::resend_without_letter(&request.key, request.generation);
                request.forget(&mut tx).await?;
            }
        }
    }
    tx.commit().await?;
    Ok(taken)
}

#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("the letter can't be sent: {0}")]
    Unsendable(#[from] requests::Unsendable),
    #[error(transparent)]
    Broker(#[from] rocketmq::Error),
}

impl Resender {
    /// Runs until the soft phase begins.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let soft = shutdown.soft();
        while !soft.is_cancelled() {
            if let Err(error) = self.pass(&soft).await {
                // What was claimed and not sent is due again in a while.
                alarm::resend_pass_failed(&error);
            }
            tokio::select! {
                () = soft.cancelled() => {}
                () = self.wake.notified() => {}
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    /// Sends what is due. Another replica may do the same: who moves `next_send_ms` sends.
    /// It ends early when the soft phase begins: what is not claimed stays due.
    async fn pass(&self, soft: &CancellationToken) -> Result<(), Failure> {
        while !soft.is_cancelled() {
            let now_ms = self.clock.now_ms();
            let due = self.database.in_time(async {
                let mut db = self.database.read().await?;
                requests::due(&mut db, now_ms).await
            });
            let due = due.await?;
            let full = due.len() == requests::AT_ONCE;
            if due.is_empty() {
                break;
            }
            let taking = take(&self.database, &self.sealer, due, now_ms + CLAIM_MS);
            let taken = tokio::time::timeout(TAKE_WITHIN, taking).await;
            let taken = taken.map_err(|_| Failure::Deadline(TAKE_WITHIN))??;
            let sending = taken.into_iter().map(|taken| self.carry_out(taken));
            let sent: Vec<(SendRequest, i64)> = futures::stream::iter(sending)
                .buffer_unordered(IN_FLIGHT)
                .collect()
                .await;
            self.database.in_time(self.put_off(&sent)).await?;
            if !full {
                break;
            }
        }
        Ok(())
    }

    /// Sends one, and says when it is due again if no record confirms it.
    async fn carry_out(&self, taken: Taken) -> (SendRequest, i64) {
        let Taken { request, letter } = taken;
        let sent = match letter {
            Ok(envelope) => send(&self.producer, &envelope)
                .await
                .map_err(SendError::from),
            Err(unsendable) => Err(unsendable.into()),
        };
        self.meters.resent(&sent);
        let after_ms = match sent {
            Ok(()) => {
                tracing::info!(event = "resent", key = %request.key, request.generation);
                UNSEEN_AFTER_MS
            }
            Err(error) => {
                alarm::resend_failed(&request.key, request.generation, &error);
                FAILED_AFTER_MS
            }
        };
        (request, self.clock.now_ms() + after_ms)
    }

    /// One transaction: a job makes thousands of them.
    async fn put_off(&self, sent: &[(SendRequest, i64)]) -> Result<(), DatabaseError> {
        let mut tx = self.database.begin().await?;
        for (request, at_ms) in sent {
            request.put_off(&mut tx, *at_ms).await?;
        }
        // Unknown is as good as undone: then they are due again when the claim runs out.
        tx.commit().await.map_err(|error| match error {
            CommitError::RolledBack(error) | CommitError::Unknown(error) => error,
        })
    }
}

/// A letter's message on its own topic: half and commit at once.
pub(crate) async fn send(
    producer: &TransactionProducer,
    envelope: &Envelope,
) -> Result<(), rocketmq::Error> {
    let wire = envelope.to_message();
    let half = producer.begin(Message {
        topic: wire.topic,
        body: wire.body,
        tag: Some(wire.tag),
        keys: wire.keys,
        properties: wire.properties,
    });
    let half = half.await?;
    if let Err(error) = half.commit().await {
        // The half is stored: the initiator's row answers the check-back, or it goes out anew.
        tracing::info!(event = "resend_end_unconfirmed", %error);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use database::testing::Databases;
    use sqlx::{AssertSqlSafe, Executor, raw_sql};

    use super::*;
    use crate::copy::tests::copy;

    /// A resend that was asked for, with the letter of the generation before.
    const ROWS: [&str; 3] = [
        "INSERT INTO notification (group_name, tx_no, source, tail, endpoint_id, event_type, business_key, state, \
         generation, attempts, parks, seen, first_seen_ms, updated_ms) \
         VALUES ('bank2', 'TX', 'bank1', '', 'e', 'transfer', 'k', 'waiting', 1, 0, 0, 0, 1, 1)",
        "INSERT INTO dead_letter (group_name, tx_no, source, generation, tail, endpoint_id, state, class, reason, \
         attempts, died_ms, topic, event_type, business_key, content_type, initiator_id, body, format) \
         VALUES ('bank2', 'TX', 'bank1', 0, '', 'e', 'resent', 'c', 'r', 1, 1, 'topic_txmsg', 'transfer', 'k', \
         'application/json', '0198f3c2-0000-7c10-9b1e-5d3f0a6c2e11', X'7B7D', FORMAT)",
        "INSERT INTO send_request (group_name, tx_no, source, generation, next_send_ms, sends, created_ms) \
         VALUES ('bank2', 'TX', 'bank1', 1, 5, 0, 1)",
    ];

    #[tokio::test]
    async fn a_letter_is_read_on_the_connection_that_claimed_it() {
        let databases = Databases::new();
        let config = database::Config {
            readers: 1,
            ..databases.config("notifier")
        };
        let database = Database::open(&config).await.unwrap();
        database.migrate(&crate::MIGRATIONS).await.unwrap();
        let key = copy().key;
        let mut db = database.write().await.unwrap();
        for row in ROWS {
            let row = row
                .replace("TX", &key.tx_no.to_string())
                .replace("FORMAT", &crate::record::columns::FORMAT.to_string());
            db.execute(raw_sql(AssertSqlSafe(row))).await.unwrap();
        }
        drop(db);
        let mut reader = database.read().await.unwrap();
        let due = requests::due(&mut reader, 5).await.unwrap();
        assert_eq!(due.len(), 1);
        // Whatever a reader would say from now on, it is not asked.
        let mut taken = take(&database, &Sealer::default(), due.clone(), 10)
            .await
            .unwrap();
        let one = taken.pop().unwrap();
        assert_eq!(one.letter.unwrap().notification.tx_no, key.tx_no);
        let again = take(&database, &Sealer::default(), due, 10).await.unwrap();
        assert!(again.is_empty(), "it was claimed before");
        assert_eq!(requests::due(&mut reader, 10).await.unwrap().len(), 1);
    }
}
