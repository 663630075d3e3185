//! A received message in its consumer's hand: a permit, a lease, and the ways to give both back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rocketmq_wire::limits;
use tokio::sync::OwnedSemaphorePermit;

use super::Core;
use super::lease::Lease;
use super::settle::{Suspend, change_invisible, forward};
use crate::consumer::{acks, renew};
use crate::error::{Error, ErrorKind, SettleError};
use crate::message::ReceivedMessage;

/// Whether a deferral uses one of the broker's attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deferral {
    /// The broker's counter goes up at the next delivery.
    CountsAttempt,
    /// It does not. Brokers before 5.5.0 ignore this and count.
    Suspended,
}

/// A received message. Its lease is renewed in the background until it is settled; one that is
/// dropped comes back to the group after its lease. The three ways to settle consume it.
#[derive(Debug)]
pub struct Delivery {
    core: Arc<Core>,
    message: ReceivedMessage,
    lease: Arc<Lease>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.core.leases.forget(&self.lease);
    }
}

impl Delivery {
    pub(super) fn new(
        core: Arc<Core>,
        message: ReceivedMessage,
        lease: Arc<Lease>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            core,
            message,
            lease,
            permit: Some(permit),
        }
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &ReceivedMessage {
        &self.message
    }

    /// Lets go of keys, properties and body, which the one who has read them need not hold twice.
    pub fn release_content(&mut self) {
        self.message.keys = Vec::new();
        self.message.body = Bytes::new();
        self.message.properties = BTreeMap::new();
    }

    /// Gives its permit back, so that another message is received in its place, and lets go of its content:
    /// for one that waits for nothing but being settled. Its lease is renewed as before. Whoever does this
    /// bounds how many there are, and settles them before [`crate::Consumer::close`].
    pub fn release_permit(&mut self) {
        self.permit = None;
        self.release_content();
    }

    /// How long the message is surely hidden from others; zero when the lease is lost.
    #[must_use]
    pub fn lease_left(&self) -> Duration {
        self.core.leases.left(&self.lease)
    }

    /// Renews the lease now, whatever is left of it.
    ///
    /// # Errors
    /// [`SettleError::LeaseLost`] if it was lost or is lost by this: a renewal that is not
    /// answered may have made the handle worthless.
    pub async fn renew(&mut self) -> Result<(), SettleError> {
        let mut handle = self.lease.handle.lock().await;
        self.check_held()?;
        renew::renew(&self.core, &self.lease, &mut handle)
            .await
            .map_err(|error| {
                tracing::warn!(event = "lease_lost", message_id = self.message.message_id, %error);
                SettleError::LeaseLost
            })
    }

    /// Done with the message. Goes out with others in a batch within a few milliseconds.
    ///
    /// # Errors
    /// [`SettleError::LeaseLost`]: it comes back. [`SettleError::Failed`]: it may come back.
    pub async fn ack(self) -> Result<(), SettleError> {
        let handle = self.take_handle().await?;
        acks::ack(&self.core, &self.lease, handle)
            .await
            .map_err(settle_error)
    }

    /// Gives the message back, to be delivered again after `delay` (0 to 12 h).
    ///
    /// # Errors
    /// As [`Delivery::ack`]; a longer delay is refused and the message comes back after its lease.
    pub async fn defer(self, delay: Duration, deferral: Deferral) -> Result<(), SettleError> {
        if delay > limits::MAX_INVISIBLE {
            let reason = format!("{delay:?} is longer than {:?}", limits::MAX_INVISIBLE);
            return Err(Error::invalid("defer", "delay", reason).into());
        }
        let suspend = match deferral {
            Deferral::CountsAttempt => Suspend::No,
            Deferral::Suspended => Suspend::Yes,
        };
        let handle = self.take_handle().await?;
        let timeout = self.core.caller.timeout();
        let changed =
            change_invisible(&self.core, &self.lease, handle, delay, suspend, timeout).await;
        changed
            .map(|_handle_that_nobody_needs| ())
            .map_err(settle_error)
    }

    /// Moves the message to the group's dead-letter topic. Not idempotent: one that is delivered
    /// again and moved again is there twice.
    ///
    /// # Errors
    /// As [`Delivery::ack`]. Servers move a message also when its lease is over, and deliver it
    /// again: renew before, when little is left.
    pub async fn dead_letter(self) -> Result<(), SettleError> {
        let handle = self.take_handle().await?;
        let attempt = self.message.delivery_attempt;
        forward(&self.core, &self.lease, handle, attempt)
            .await
            .map_err(settle_error)
    }

    /// The newest handle, for the one call that settles the message: waits for a renewal that is
    /// under way, and leaves none for another.
    async fn take_handle(&self) -> Result<String, SettleError> {
        let mut handle = self.lease.handle.lock().await;
        self.check_held()?;
        self.core.leases.forget(&self.lease);
        handle.take().ok_or(SettleError::LeaseLost)
    }

    fn check_held(&self) -> Result<(), SettleError> {
        if self.lease_left().is_zero() {
            return Err(SettleError::LeaseLost);
        }
        Ok(())
    }
}

fn settle_error(error: Error) -> SettleError {
    match error.kind() {
        ErrorKind::HandleExpired => SettleError::LeaseLost,
        _ => SettleError::Failed(error),
    }
}
