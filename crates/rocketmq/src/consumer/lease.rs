//! Leases: who holds which message, until when, and who may touch it now.
//!
//! A lease's `handle` is behind a lock that its owner of the moment holds across the call: renewing
//! and settling can therefore never overlap. It is empty once the message is settled or the lease is
//! lost; nothing fills it again.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::address::Address;

/// One message's lease.
#[derive(Debug)]
pub(crate) struct Lease {
    /// The endpoint that gave the message, to which all about it goes.
    pub(crate) address: Address,
    pub(crate) topic: String,
    pub(crate) message_id: String,
    /// The newest receipt handle; older ones are dead although servers accept them.
    pub(crate) handle: tokio::sync::Mutex<Option<String>>,
    /// When the lease ends, in ms of [`Leases::clock`]; 0 = lost or settled.
    ends_ms: AtomicU64,
    number: u64,
    /// When it is due for renewal: its place in the queue.
    due: Mutex<Instant>,
}

impl Lease {
    fn due(&self) -> MutexGuard<'_, Instant> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All leases of one consumer, by endpoint and by when they are due for renewal. As many as there
/// are permits.
#[derive(Debug)]
pub(crate) struct Leases {
    length: Duration,
    epoch: Instant,
    queue: Mutex<Queue>,
    /// A lease came that is due before all others of its endpoint.
    added: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    /// No endpoint without leases is in it.
    by_endpoint: HashMap<Address, ByDue>,
    numbers: u64,
}

type ByDue = BTreeMap<(Instant, u64), Arc<Lease>>;

impl Queue {
    /// Whether the lease is now the first of its endpoint.
    fn insert(&mut self, due: Instant, lease: &Arc<Lease>) -> bool {
        let by_due = self.by_endpoint.entry(lease.address.clone()).or_default();
        let key = (due, lease.number);
        by_due.insert(key, Arc::clone(lease));
        by_due
            .first_key_value()
            .is_some_and(|(first, _)| *first == key)
    }

    /// Whether the lease was there.
    fn remove(&mut self, due: Instant, lease: &Lease) -> bool {
        let Some(by_due) = self.by_endpoint.get_mut(&lease.address) else {
            return false;
        };
        let was_there = by_due.remove(&(due, lease.number)).is_some();
        if by_due.is_empty() {
            self.by_endpoint.remove(&lease.address);
        }
        was_there
    }
}

impl Leases {
    pub(crate) fn new(length: Duration) -> Self {
        Self {
            length,
            epoch: Instant::now(),
            queue: Mutex::default(),
            added: Notify::new(),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a lease lasts from its begin or renewal.
    pub(crate) fn length(&self) -> Duration {
        self.length
    }

    fn ms(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }

    /// Takes on a message that was received at `from`.
    pub(crate) fn begin(
        &self,
        address: Address,
        topic: String,
        message_id: String,
        handle: String,
        from: Instant,
    ) -> Arc<Lease> {
        let due = from + self.length / 2;
        let mut queue = self.queue();
        queue.numbers += 1;
        let lease = Arc::new(Lease {
            address,
            topic,
            message_id,
            handle: tokio::sync::Mutex::new(Some(handle)),
            ends_ms: AtomicU64::new(self.ms(from + self.length)),
            number: queue.numbers,
            due: Mutex::new(due),
        });
        let is_first = queue.insert(due, &lease);
        drop(queue);
        if is_first {
            self.added.notify_one();
        }
        lease
    }

    /// What is left of a lease; zero when it is lost.
    pub(crate) fn left(&self, lease: &Lease) -> Duration {
        let ends = lease.ends_ms.load(Ordering::Acquire);
        Duration::from_millis(ends.saturating_sub(self.ms(Instant::now())))
    }

    /// The lease was renewed by a call that began at `from`.
    pub(crate) fn renewed(&self, lease: &Arc<Lease>, from: Instant) {
        lease
            .ends_ms
            .store(self.ms(from + self.length), Ordering::Release);
        self.place(lease, from + self.length / 2);
    }

    /// Puts a lease, if it is still in the queue, at another place of it.
    fn place(&self, lease: &Arc<Lease>, at: Instant) {
        let mut queue = self.queue();
        let mut due = lease.due();
        if queue.remove(*due, lease) {
            *due = at;
            queue.insert(at, lease);
        }
    }

    /// The lease is lost: it is not known to hold.
    pub(crate) fn lost(&self, lease: &Lease) {
        lease.ends_ms.store(0, Ordering::Release);
        self.forget(lease);
    }

    /// Nobody cares for the message any more: it was settled, lost or dropped.
    pub(crate) fn forget(&self, lease: &Lease) {
        let mut queue = self.queue();
        let due = *lease.due();
        queue.remove(due, lease);
    }

    /// Waits until at least one lease is due and gives those that are, earliest first, of each
    /// endpoint at most as many as `room` says. Each is put half a lease further down, so that it is
    /// not given twice meanwhile.
    pub(crate) async fn due(&self, room: impl Fn(&Address) -> usize) -> Vec<Arc<Lease>> {
        loop {
            let first = {
                let queue = self.queue();
                let with_room = queue
                    .by_endpoint
                    .iter()
                    .filter(|(address, _)| room(address) > 0);
                with_room
                    .filter_map(|(_, by_due)| Some(by_due.first_key_value()?.0.0))
                    .min()
            };
            match first {
                None => self.added.notified().await,
                Some(due) if due > Instant::now() => {
                    tokio::select! {
                        () = tokio::time::sleep_until(due) => {}
                        () = self.added.notified() => {}
                    }
                }
                Some(_) => return self.take_due(&room),
            }
        }
    }

    fn take_due(&self, room: &impl Fn(&Address) -> usize) -> Vec<Arc<Lease>> {
        let now = Instant::now();
        let mut due = Vec::new();
        for (address, by_due) in &self.queue().by_endpoint {
            let entries = by_due.iter().take_while(|((due, _), _)| *due <= now);
            due.extend(
                entries
                    .take(room(address))
                    .map(|(_, lease)| Arc::clone(lease)),
            );
        }
        for lease in &due {
            self.place(lease, now + self.length / 2);
        }
        due
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.queue().by_endpoint.values().map(BTreeMap::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(30);

    fn begin(leases: &Leases, id: &str) -> Arc<Lease> {
        let address = Address::parse("a:1").unwrap();
        leases.begin(
            address,
            "t".to_owned(),
            id.to_owned(),
            "h".to_owned(),
            Instant::now(),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_due_at_half_its_time_and_once_only() {
        let leases = Leases::new(LENGTH);
        let lease = begin(&leases, "m");
        let began = Instant::now();
        let due = leases.due(|_| 8).await;
        assert_eq!(began.elapsed(), LENGTH / 2);
        assert!(Arc::ptr_eq(&due[0], &lease));
        let second = tokio::time::timeout(LENGTH / 4, leases.due(|_| 8)).await;
        assert!(second.is_err(), "it was given twice");
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewed_lease_is_due_half_a_lease_after_its_renewal() {
        let leases = Leases::new(LENGTH);
        let lease = begin(&leases, "m");
        tokio::time::advance(Duration::from_secs(10)).await;
        leases.renewed(&lease, Instant::now());
        assert_eq!(leases.left(&lease), LENGTH);
        let renewed = Instant::now();
        leases.due(|_| 8).await;
        assert_eq!(renewed.elapsed(), LENGTH / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_forgotten_lease_is_never_due_and_leaves_nothing_behind() {
        let leases = Leases::new(LENGTH);
        let lease = begin(&leases, "m");
        leases.forget(&lease);
        leases.renewed(&lease, Instant::now());
        assert_eq!(leases.len(), 0);
        assert!(
            tokio::time::timeout(LENGTH * 2, leases.due(|_| 8))
                .await
                .is_err()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_without_room_keeps_no_other_waiting() {
        let leases = Leases::new(LENGTH);
        let full = begin(&leases, "full");
        let address = Address::parse("b:1").unwrap();
        let (topic, now) = ("t".to_owned(), Instant::now());
        let other = leases.begin(address, topic, "other".to_owned(), "h".to_owned(), now);
        let room = |address: &Address| usize::from(*address != full.address);
        let due = leases.due(room).await;
        assert_eq!(due.len(), 1);
        assert!(Arc::ptr_eq(&due[0], &other));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_lease_has_no_time_left() {
        let leases = Leases::new(LENGTH);
        let lease = begin(&leases, "m");
        assert_eq!(leases.left(&lease), LENGTH);
        leases.lost(&lease);
        assert_eq!(leases.left(&lease), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unrenewed_lease_runs_out() {
        let leases = Leases::new(LENGTH);
        let lease = begin(&leases, "m");
        tokio::time::advance(LENGTH).await;
        assert_eq!(leases.left(&lease), Duration::ZERO);
    }
}
