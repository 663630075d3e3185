//! Carries out operators' resends: the letter's message again, one generation on, for its group.
//!
//! A request is a row written in the same transaction that brings the notification back to life,
//! and it stays until a record of the new generation exists: sent now, and anew every ten minutes,
//! because the end of a transaction is one-way and may be lost. The message goes out as half and
//! commit at once on its original topic, with the initiator's own id, so that a check-back about
//! it is answered by the initiator's row. This producer declares no topic: it would be given the
//! initiator's check-backs otherwise.

mod requests;

use std::sync::Arc;
use std::time::Duration;

use database::{Database, DatabaseError};
use notification::Envelope;
use rocketmq::{Message, TransactionProducer};
use service::clock::Clock;
use service::shutdown::Shutdown;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::alarm;

pub(crate) use requests::SendRequest;

/// How often to look without having been woken: another replica may have taken the order.
const INTERVAL: Duration = Duration::from_secs(1);

/// When a message that was sent and not seen is sent anew.
const UNSEEN_AFTER_MS: i64 = 10 * 60 * 1000;

/// When a message that could not be sent is tried again.
const FAILED_AFTER_MS: i64 = 5 * 1000;

/// The relay of send requests.
pub(crate) struct Resender {
    pub database: Database,
    pub producer: TransactionProducer,
    pub clock: Clock,
    /// Rung by the API when it has written a request.
    pub wake: Arc<Notify>,
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
    async fn pass(&self, soft: &CancellationToken) -> Result<(), DatabaseError> {
        let now_ms = self.clock.now_ms();
        let mut db = self.database.read().await?;
        let due = requests::due(&mut db, now_ms).await?;
        drop(db);
        for request in due {
            if soft.is_cancelled() {
                break;
            }
            let mut db = self.database.write().await?;
            if !request.is_needed(&mut db).await? {
                request.forget(&mut db).await?;
            } else if request.claim(&mut db, now_ms + UNSEEN_AFTER_MS).await? {
                drop(db);
                self.carry_out(&request, now_ms).await?;
            }
        }
        Ok(())
    }

    async fn carry_out(&self, request: &SendRequest, now_ms: i64) -> Result<(), DatabaseError> {
        let mut db = self.database.read().await?;
        let letter = request.letter(&mut db).await?;
        drop(db);
        let sent = match letter {
            Some(Ok(envelope)) => self.send(&envelope).await,
            Some(Err(unsendable)) => Err(unsendable.into()),
            None => {
                alarm::resend_without_letter(&request.key, request.generation);
                return request.forget(&mut *self.database.write().await?).await;
            }
        };
        match sent {
            Ok(()) => tracing::info!(event = "resent", key = %request.key, request.generation),
            Err(error) => {
                alarm::resend_failed(&request.key, request.generation, &error);
                let mut db = self.database.write().await?;
                request.put_off(&mut db, now_ms + FAILED_AFTER_MS).await?;
            }
        }
        Ok(())
    }

    async fn send(&self, envelope: &Envelope) -> Result<(), SendError> {
        let wire = envelope.to_message();
        let half = self.producer.begin(Message {
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
}
