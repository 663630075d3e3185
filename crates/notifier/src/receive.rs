//! Where messages come in: one loop for each subscription.
//!
//! The consumer hands over batches, each message under a permit and a lease. The batch's records
//! are read in one statement, each copy is decided about, and a task of its own carries it on.
//! While the record can't be read nothing is carried: the batch waits, its permits with it, and
//! receiving stops by itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt;
use notification::Group;
use rocketmq::{Consumer, Delivery};
use tokio_util::task::TaskTracker;

use crate::backoff::Backoff;
use crate::carry::{Carrier, Parcel};
use crate::copy::{Copy, Key, Reading};
use crate::decide::{self, Presence, Standing};
use crate::in_hand::{Hold, InHand};

/// More than this is not decided about at once.
const AT_ONCE: usize = 128;

/// One subscription's loop.
pub(crate) struct Receiver {
    pub group: Group,
    pub consumer: Consumer,
    pub carrier: Arc<Carrier>,
    /// Shared by all subscriptions of the process.
    pub in_hand: InHand,
    /// Owns the tasks that carry copies.
    pub tasks: TaskTracker,
}

/// A delivery that has been read.
struct Read {
    copy: Arc<Copy>,
    hold: Option<Hold>,
    delivery: Delivery,
}

impl Receiver {
    /// Receives until the soft phase of the shutdown begins, the last poll has ended and what it
    /// brought is settled.
    pub(crate) async fn run(self) {
        let soft = self.carrier.shutdown.soft();
        soft.run_until_cancelled(self.carrier.ladder_known()).await;
        let mut stopped = false;
        loop {
            let batch = tokio::select! {
                () = soft.cancelled(), if !stopped => {
                    self.consumer.stop();
                    stopped = true;
                    continue;
                }
                batch = self.consumer.next() => batch,
            };
            match batch {
                Some(deliveries) => self.take(self.with_what_waits(deliveries)).await,
                None => break,
            }
        }
        self.consumer.drained().await;
        self.consumer.close().await;
    }

    /// Adds what has come in meanwhile: under load, one read then serves several polls.
    fn with_what_waits(&self, mut deliveries: Vec<Delivery>) -> Vec<Delivery> {
        while deliveries.len() < AT_ONCE
            && let Some(Some(more)) = self.consumer.next().now_or_never()
        {
            deliveries.extend(more);
        }
        deliveries
    }

    /// Reads a batch's records and sends each copy on its way.
    async fn take(&self, deliveries: Vec<Delivery>) {
        let received_ms = self.carrier.clock.now_ms();
        self.carrier.meters.received(deliveries.len(), received_ms);
        // Keys are taken before the record is read: see `in_hand`.
        let batch: Vec<Read> = deliveries.into_iter().map(|d| self.read(d)).collect();
        let keys: Vec<Key> = batch.iter().map(|read| read.copy.key.clone()).collect();
        let Some(mut standings) = self.standings(&keys).await else {
            return;
        };
        let batch = self.set_malformed_aside(batch, &mut standings).await;
        let read_at = Instant::now();
        let now_ms = self.carrier.clock.now_ms();
        for Read {
            copy,
            hold,
            delivery,
        } in batch
        {
            let standing = standings.get(&copy.key).copied();
            let presence = match hold {
                Some(_) => Presence::Alone,
                None => Presence::Twin,
            };
            let rules = self.carrier.rules;
            let decision = decide::decide(&copy, standing.as_ref(), presence, rules, now_ms);
            let parcel = Parcel {
                copy,
                standing,
                read_at,
                received_ms,
                delivery,
                hold,
                _held: self.carrier.permits.hold(),
            };
            let carrier = self.carrier.clone();
            self.tasks.spawn(async move {
                // Boxed, or the task is copied about with all that carrying may need.
                let carried = Box::pin(carrier.carry(parcel, decision));
                // Cut off in the hard phase, the delivery is dropped and comes back.
                let _cut_off = carrier.shutdown.unless_forced(carried).await.is_none();
            });
        }
    }

    fn read(&self, delivery: Delivery) -> Read {
        let (message, filter) = (delivery.message(), &self.carrier.subscription.filter);
        let copy = Arc::new(Copy::read(&self.group, message).filtered(filter, message));
        Read {
            hold: self.in_hand.take(&copy.key),
            copy,
            delivery,
        }
    }

    /// Gives a malformed copy a key of its own if the one it claims has a row: that row may be of a
    /// notification that is well-formed. What can't be looked up is dropped and comes back.
    async fn set_malformed_aside(
        &self,
        batch: Vec<Read>,
        standings: &mut HashMap<Key, Standing>,
    ) -> Vec<Read> {
        let mut kept = Vec::with_capacity(batch.len());
        for mut read in batch {
            let claims = read.copy.reading == Reading::Malformed;
            if claims && standings.contains_key(&read.copy.key) {
                let record = &self.carrier.record;
                match record.is_of_malformed(&read.copy.key).await {
                    // Its own row, or that of another as bad.
                    Ok(true) => {}
                    Ok(false) => {
                        read.hold = None;
                        let aside = Arc::new(read.copy.set_aside(read.delivery.message()));
                        read.hold = self.in_hand.take(&aside.key);
                        let rows = record.read(std::slice::from_ref(&aside.key)).await;
                        let Ok(rows) = rows else { continue };
                        standings.extend(rows);
                        read.copy = aside;
                    }
                    Err(_) => continue,
                }
            }
            kept.push(read);
        }
        kept
    }

    /// The batch's rows, however long the store takes to answer; `None` once the process stops.
    async fn standings(&self, keys: &[Key]) -> Option<HashMap<Key, Standing>> {
        let mut backoff = Backoff::new();
        loop {
            if let Ok(standings) = self.carrier.record.read(keys).await {
                return Some(standings);
            }
            let soft = self.carrier.shutdown.soft();
            soft.run_until_cancelled(backoff.wait()).await?;
        }
    }
}
