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
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::carry::{Carrier, OnShelf, Parcel};
use crate::copy::{Copy, Key, Reading};
use crate::decide::{self, Presence, Standing};
use crate::in_hand::InHand;

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

impl Receiver {
    /// Receives until the soft phase of the shutdown begins, the last poll has ended and what it
    /// brought is settled. `on_shelf` is the other end of its carrier's shelf.
    pub(crate) async fn run(self, on_shelf: OnShelf) {
        let soft = self.carrier.shutdown.soft();
        soft.run_until_cancelled(self.carrier.ladder_known()).await;
        let nothing_more = CancellationToken::new();
        let tending = self.tend_the_shelf(on_shelf, nothing_more.clone());
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
        nothing_more.cancel();
        // It fails only if that task panicked, which it then says itself.
        let _panicked = tending.await;
        self.consumer.close().await;
    }

    /// Puts away, in a task of its own, what is on the shelf.
    fn tend_the_shelf(&self, shelf: OnShelf, nothing_more: CancellationToken) -> JoinHandle<()> {
        let carrier = self.carrier.clone();
        self.tasks.spawn(async move {
            let tending = Box::pin(shelf.tend(&carrier, nothing_more));
            // Cut off in the hard phase, what is left comes back.
            let _cut_off = carrier.shutdown.unless_forced(tending).await.is_none();
        })
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
        let batch = deliveries.into_iter().map(|d| self.read(d, received_ms));
        let turn_away = |parcel| self.carrier.turn_away_unread(parcel);
        let batch: Vec<Parcel> = batch.filter_map(turn_away).collect();
        if batch.is_empty() {
            return;
        }
        let keys: Vec<Key> = batch.iter().map(|parcel| parcel.copy.key.clone()).collect();
        let Some(mut standings) = self.carrier.standings(&keys).await else {
            return;
        };
        let batch = self.set_malformed_aside(batch, &mut standings).await;
        let read_at = Instant::now();
        let now_ms = self.carrier.clock.now_ms();
        self.measure(&batch, &standings, received_ms);
        for mut parcel in batch {
            parcel.standing = standings.get(&parcel.copy.key).copied();
            parcel.read_at = read_at;
            parcel.delivery.release_content();
            let presence = match parcel.hold {
                Some(_) => Presence::Alone,
                None => Presence::Twin,
            };
            let (row, rules) = (parcel.standing.as_ref(), self.carrier.rules);
            let decision = decide::decide(&parcel.copy, row, presence, rules, now_ms);
            let carrier = self.carrier.clone();
            self.tasks.spawn(async move {
                // Boxed, or the task is copied about with all that carrying may need.
                let carried = Box::pin(carrier.carry(parcel, decision));
                // Cut off in the hard phase, the delivery is dropped and comes back.
                let _cut_off = carrier.shutdown.unless_forced(carried).await.is_none();
            });
        }
    }

    /// How late these came back, unless they had to wait for permits.
    fn measure<'a>(
        &self,
        batch: &'a [Parcel],
        standings: &HashMap<Key, Standing>,
        received_ms: i64,
    ) {
        let permits = &self.carrier.permits;
        if permits.free() > permits.all() / 2 {
            let due = |parcel: &'a Parcel| {
                let due_ms = standings.get(&parcel.copy.key)?.next_due_ms?;
                Some((&parcel.copy.key, due_ms))
            };
            let copies = batch.iter().filter_map(due);
            self.carrier.lateness.came(copies, received_ms);
        }
    }

    /// Reads a message; its record is not read yet.
    fn read(&self, delivery: Delivery, received_ms: i64) -> Parcel {
        let (message, filter) = (delivery.message(), &self.carrier.subscription.filter);
        let copy = Arc::new(Copy::read(&self.group, message).filtered(filter, message));
        Parcel {
            hold: self.in_hand.take(&copy.key),
            copy,
            standing: None,
            read_at: Instant::now(),
            received_ms,
            delivery,
            held: Some(self.carrier.permits.hold()),
        }
    }

    /// Gives a malformed copy a key of its own, unless the row of the one it claims is that of a malformed
    /// one: a well-formed notification has that number, or may come to have it. What can't be looked up
    /// is dropped and comes back.
    async fn set_malformed_aside(
        &self,
        batch: Vec<Parcel>,
        standings: &mut HashMap<Key, Standing>,
    ) -> Vec<Parcel> {
        let mut kept = Vec::with_capacity(batch.len());
        for mut parcel in batch {
            if parcel.copy.reading == Reading::Malformed {
                let record = &self.carrier.record;
                let claimed = match standings.contains_key(&parcel.copy.key) {
                    true => record.is_of_malformed(&parcel.copy.key).await,
                    false => Ok(false),
                };
                match claimed {
                    // Its own row, or that of another as bad.
                    Ok(true) => {}
                    Ok(false) => {
                        parcel.hold = None;
                        let aside = Arc::new(parcel.copy.set_aside(parcel.delivery.message()));
                        parcel.hold = self.in_hand.take(&aside.key);
                        let rows = record.read(std::slice::from_ref(&aside.key)).await;
                        let Ok(rows) = rows else { continue };
                        standings.extend(rows);
                        parcel.copy = aside;
                    }
                    Err(_) => continue,
                }
            }
            kept.push(parcel);
        }
        kept
    }
}
