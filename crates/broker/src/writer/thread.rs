//! The writer's loop: gather, carry out, commit, answer.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::batch::Effects;
use super::half::HalfRules;
use super::op::{Op, Orphan};
use super::queue::{Queue, Request};
use super::state::State;
use super::waiting::Waiting;
use crate::StoreError;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::commits::Commits;
use crate::store::Store;
use crate::store::receipt::Receipt;

/// Requests carried out in one commit.
const BATCH: usize = 2048;
/// Message bytes in one commit.
const BATCH_BYTES: usize = 16 * 1024 * 1024;
/// The longest sleep: a wall clock that was set forward is noticed after this.
const NAP: Duration = Duration::from_millis(500);
/// How soon to try a store again that failed.
const RECOVERY: Duration = Duration::from_millis(200);
/// How soon to look again when check-backs are due and the way to the clients is full.
pub(super) const CROWDED: Duration = Duration::from_millis(20);

/// What the writer goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) halves: HalfRules,
    pub(crate) retention_ms: u64,
}

/// The writer, before and while it runs.
pub(crate) struct Writer {
    pub(super) store: Arc<Store>,
    pub(super) catalog: Arc<Catalog>,
    pub(super) clock: Clock,
    pub(super) rules: Rules,
    requests: Receiver<Request>,
    pub(super) orphans: mpsc::Sender<Orphan>,
    commits: Arc<Commits>,
    /// Where the first failure is told.
    failure: watch::Sender<Option<StoreError>>,
    /// `None` after a failure: to be read anew.
    pub(super) state: Option<State>,
    pub(super) waiting: Waiting,
    /// Handed out to someone who had gone: to be given back.
    pub(super) unclaimed: Vec<Receipt>,
    pub(super) next_cleaning: Instant,
    pub(super) polls_ended: bool,
    pub(super) stopping: bool,
}

impl Writer {
    /// Starts the thread. It reads the catalog before the first request.
    pub(crate) fn spawn(
        store: Arc<Store>,
        catalog: Arc<Catalog>,
        clock: Clock,
        rules: Rules,
        orphans: mpsc::Sender<Orphan>,
        commits: Arc<Commits>,
        failure: watch::Sender<Option<StoreError>>,
    ) -> Result<(Queue, JoinHandle<()>), StoreError> {
        let (queue, requests) = Queue::new();
        let mut writer = Self {
            store,
            catalog,
            clock,
            rules,
            requests,
            orphans,
            commits,
            failure,
            state: None,
            waiting: Waiting::default(),
            unclaimed: Vec::new(),
            next_cleaning: Instant::now(),
            polls_ended: false,
            stopping: false,
        };
        let mut effects = Effects::default();
        writer.commit(Vec::new(), &mut effects)?;
        writer.follow_up(effects, &Ok(()));
        let thread = std::thread::Builder::new()
            .name("broker-writer".into())
            .spawn(move || writer.run())
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok((queue, thread))
    }

    fn run(mut self) {
        while !self.stopping {
            match self.requests.recv_timeout(self.nap()) {
                Ok(request) => self.batch(Some(request)),
                Err(RecvTimeoutError::Timeout) => self.batch(None),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// How long there is nothing to do unless someone asks.
    fn nap(&self) -> Duration {
        if !self.unclaimed.is_empty() && self.state.is_some() {
            return Duration::ZERO;
        }
        let now = Instant::now();
        let mut nap = NAP.min(self.next_cleaning.saturating_duration_since(now));
        if let Some(deadline) = self.waiting.next_deadline() {
            nap = nap.min(deadline.saturating_duration_since(now));
        }
        let Some(state) = &self.state else {
            return RECOVERY;
        };
        let now_ms = self.clock.now_ms();
        let until = |due_ms: u64| Duration::from_millis(due_ms.saturating_sub(now_ms));
        for reading in self.waiting.readings().filter_map(|id| state.reading(id)) {
            let unread = state
                .topics
                .get(&reading.topic)
                .is_some_and(|topic| reading.cursor < topic.end);
            nap = nap.min(if unread {
                Duration::ZERO
            } else {
                until(reading.due_hint)
            });
        }
        let floor = if self.room_for_orphans() == 0 {
            CROWDED
        } else {
            Duration::ZERO
        };
        nap.min(until(state.delayed_hint))
            .min(until(state.half_hint).max(floor))
    }

    /// How many check-backs can be carried away right now: none when the broker stops.
    pub(super) fn room_for_orphans(&self) -> usize {
        if self.orphans.is_closed() {
            0
        } else {
            self.orphans.capacity()
        }
    }

    /// Takes what is waiting, carries it out and answers.
    fn batch(&mut self, first: Option<Request>) {
        let mut ops = Vec::new();
        let mut bytes = 0;
        let mut next = first;
        while let Some(Request { op, .. }) = next {
            bytes += size(&op);
            match op {
                // These hold also when the store fails.
                Op::EndPolls => self.polls_ended = true,
                Op::Stop => self.stopping = true,
                op => ops.push(op),
            }
            if ops.len() >= BATCH || bytes >= BATCH_BYTES {
                break;
            }
            next = self.requests.try_recv().ok();
        }
        let mut effects = Effects::default();
        let (requests, began) = (ops.len(), Instant::now());
        let outcome = self.commit(ops, &mut effects);
        if outcome.is_ok() && effects.dirty {
            self.commits.made(requests, began.elapsed());
        }
        if let Err(error) = &outcome {
            self.commits.failed();
            tracing::error!(event = "store_failed", %error, "nothing of this batch was kept");
            self.state = None;
            self.failure
                .send_if_modified(|told| told.replace(error.clone()).is_none());
            for waiter in self.waiting.all() {
                // Whoever has gone need not be told.
                drop(waiter.reply.send(Err(error.clone())));
            }
        }
        self.follow_up(effects, &outcome);
    }
}

fn size(op: &Op) -> usize {
    match op {
        Op::Append { messages, .. } => messages.iter().map(|message| message.message.len()).sum(),
        Op::Hold { message, .. } | Op::Delay { message, .. } => message.message.len(),
        _ => 0,
    }
}
