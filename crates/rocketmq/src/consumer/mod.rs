//! Receiving with leases.
//!
//! ```text
//! assignments (per broker) -> polls: permit -> receive -> Delivery -> next()
//!                                                            |
//!                 renewal loop <- registry of leases <-------+-> ack | defer | dead_letter
//! ```
//!
//! The invariants: a permit is held from before the poll until the message is settled or dropped, or
//! its holder gives it back, so that never more than `permits` messages are in hand and what their
//! holder bounds by itself; a message has one owner at a time for
//! renewing and settling (its lease's lock); a lease whose renewal was not answered is lost; a poll
//! that has begun is never cut off, because the server hides its messages whether or not anyone
//! listens.

mod acks;
mod assign;
mod delivery;
mod lease;
mod lookout;
mod poll;
mod renew;
mod rush;
mod settle;

use std::sync::Arc;
use std::time::Duration;

use rocketmq_wire::limits;
use tokio::sync::{Mutex, Semaphore, mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub use self::delivery::{Deferral, Delivery};
use self::lease::Leases;
pub use self::lookout::Lookout;
use crate::call::Caller;
use crate::client::Client;
use crate::config::ConsumerConfig;
use crate::error::Error;
use crate::session::{BackoffPolicy, Role, Sessions, subscription};

/// Receives a topic's messages for a group. Dropping it ends receiving without a goodbye; what was
/// received comes back to the group after its lease.
#[derive(Debug)]
pub struct Consumer {
    core: Arc<Core>,
    received: Mutex<mpsc::Receiver<Vec<Delivery>>>,
    sessions: Sessions,
    policy: watch::Receiver<Option<BackoffPolicy>>,
    /// Polls and what begins them.
    polling: TaskTracker,
    /// The renewal loop and the ack batches: they outlive the polls, until all is settled.
    keeping: TaskTracker,
    _stop: DropGuard,
    _stop_sessions: DropGuard,
    _stop_keeping: DropGuard,
    stop_keeping: CancellationToken,
}

/// What deliveries and the background tasks share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) caller: Caller,
    pub(crate) config: ConsumerConfig,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) leases: Leases,
    pub(crate) acks: mpsc::Sender<acks::Ack>,
    /// No new polls.
    pub(crate) stop: CancellationToken,
    pub(crate) policy: watch::Receiver<Option<BackoffPolicy>>,
    pub(crate) lookout: Lookout,
}

impl Consumer {
    /// Begins to receive in the background. The brokers need not be up; while the topic or the
    /// group does not exist, a warning names it and it is tried again.
    ///
    /// # Errors
    /// For a configuration that no server would take.
    pub async fn start(client: &Client, config: ConsumerConfig) -> Result<Self, Error> {
        check(&config)?;
        let caller = Caller::new(client.shared());
        let (policy_in, policy) = watch::channel(None);
        let sessions = Sessions::new(Role {
            settings: subscription(&caller, &config),
            caller: caller.clone(),
            checks: None,
            policy: policy_in,
        });
        let (acks, acked) = mpsc::channel(config.permits);
        // Each batch holds at least one permit, so a full channel is never waited for.
        let (deliver, received) = mpsc::channel(config.permits);
        let stop = CancellationToken::new();
        let core = Arc::new(Core {
            permits: Arc::new(Semaphore::new(config.permits)),
            leases: Leases::new(config.lease),
            caller,
            config,
            acks,
            stop: stop.clone(),
            policy: policy.clone(),
            lookout: Lookout::default(),
        });
        let (polling, keeping, stop_keeping) = (
            TaskTracker::new(),
            TaskTracker::new(),
            CancellationToken::new(),
        );
        let renewing = renew::renew_for_ever(Arc::clone(&core));
        keeping.spawn(stop_keeping.clone().run_until_cancelled_owned(renewing));
        let acking = acks::send_for_ever(core.caller.clone(), core.config.group.clone(), acked);
        keeping.spawn(stop_keeping.clone().run_until_cancelled_owned(acking));
        polling.spawn(assign::poll_all(
            Arc::clone(&core),
            sessions.clone(),
            polling.clone(),
            deliver,
        ));
        polling.close();
        Ok(Self {
            _stop: stop.drop_guard(),
            _stop_sessions: sessions.stop_on_drop(),
            _stop_keeping: stop_keeping.clone().drop_guard(),
            core,
            received: Mutex::new(received),
            sessions,
            policy,
            polling,
            keeping,
            stop_keeping,
        })
    }

    /// The next messages that came in one poll; `None` after [`Consumer::stop`], when the last poll
    /// has ended and what it brought was taken.
    pub async fn next(&self) -> Option<Vec<Delivery>> {
        self.received.lock().await.recv().await
    }

    /// The group's retry policy, once its broker has told it, and when it changes.
    #[must_use]
    pub fn backoff_policy(&self) -> watch::Receiver<Option<BackoffPolicy>> {
        self.policy.clone()
    }

    /// Whether it is ahead of its queues.
    #[must_use]
    pub fn lookout(&self) -> Lookout {
        self.core.lookout.clone()
    }

    /// Begins no more polls. Running ones end by themselves, within the long poll's time; what they
    /// bring still comes out of [`Consumer::next`].
    pub fn stop(&self) {
        self.core.stop.cancel();
    }

    /// Waits until, after [`Consumer::stop`], every poll has ended and every permit is back: each delivery
    /// was settled or dropped, or gave it back before. Take what [`Consumer::next`] still brings meanwhile, or this never ends.
    pub async fn drained(&self) {
        self.polling.wait().await;
        let all = u32::try_from(self.core.config.permits).unwrap_or(u32::MAX);
        // Fails only when the semaphore is closed, which nobody does.
        drop(self.core.permits.acquire_many(all).await);
    }

    /// Stops, lets running polls end, drops what nobody took (it comes back after its lease) and
    /// says goodbye to the servers. Deliveries that are still held can be settled no more.
    pub async fn close(self) {
        self.stop();
        let mut received = self.received.lock().await;
        while received.recv().await.is_some() {}
        drop(received);
        self.polling.wait().await;
        self.stop_keeping.cancel();
        self.keeping.close();
        self.keeping.wait().await;
        self.sessions.close().await;
    }
}

/// Refuses what no server would take.
fn check(config: &ConsumerConfig) -> Result<(), Error> {
    let invalid = |field, reason: String| Err(Error::invalid("consumer", field, reason));
    for (field, name) in [("group", &config.group), ("topic", &config.topic)] {
        if !limits::is_resource_name(name) {
            return invalid(field, format!("{name:?} is no name"));
        }
    }
    if config.filter.trim().is_empty() {
        return invalid("filter", "is empty; * takes all".to_owned());
    }
    if !(limits::MIN_RECEIVE_INVISIBLE..=limits::MAX_INVISIBLE).contains(&config.lease) {
        return invalid("lease", format!("{:?}: 10 s to 12 h", config.lease));
    }
    if !(1..=limits::MAX_BATCH).contains(&config.batch) {
        return invalid(
            "batch",
            format!("{}: 1 to {}", config.batch, limits::MAX_BATCH),
        );
    }
    // The semaphore's own limit is far above what memory holds.
    if !(1..=1_000_000).contains(&config.permits) {
        return invalid("permits", format!("{}: 1 to 1000000", config.permits));
    }
    if !(1..=64).contains(&config.polls) {
        return invalid("polls", format!("{}: 1 to 64", config.polls));
    }
    if config.more_polls > 64 {
        return invalid("more_polls", format!("{}: 0 to 64", config.more_polls));
    }
    if config.long_poll > Duration::from_secs(60) {
        return invalid(
            "long_poll",
            format!("{:?}: at most 60 s (servers hold 20 s)", config.long_poll),
        );
    }
    Ok(())
}
