//! What is counted of the record, and of what operators have sent anew.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use notification::{DeadReason, Group, OutcomeKind};

use super::{Spread, Tally};

/// Seconds.
const TOOK: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
];

const RESULTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// The record's.
#[derive(Debug)]
pub(crate) struct RecordMeters {
    pub(super) took: Spread,
    pub(super) results: Spread,
    failures: Tally<1>,
    outcomes: Tally<{ OutcomeKind::ALL.len() }>,
    /// By group, of which there are as many as subscriptions; a death is rare enough for a lock.
    dead: Mutex<BTreeMap<(Group, DeadReason), u64>>,
    resends: Tally<2>,
}

impl Default for RecordMeters {
    fn default() -> Self {
        Self {
            took: Spread::new(TOOK),
            results: Spread::new(RESULTS),
            failures: Tally::default(),
            outcomes: Tally::default(),
            dead: Mutex::default(),
            resends: Tally::default(),
        }
    }
}

impl RecordMeters {
    /// A transaction with so many results committed.
    pub(crate) fn flushed(&self, results: usize, took: Duration) {
        self.took.observe(took.as_secs_f64());
        self.results
            .observe(f64::from(u32::try_from(results).unwrap_or(u32::MAX)));
    }

    /// One failed.
    pub(crate) fn failed(&self) {
        self.failures.count(0);
    }

    /// A line of the feed.
    pub(crate) fn outcome(&self, kind: OutcomeKind) {
        self.outcomes.count(kind as usize);
    }

    /// A dead letter is on record.
    pub(crate) fn dead(&self, group: &Group, reason: DeadReason) {
        let mut dead = self.dead.lock().unwrap_or_else(PoisonError::into_inner);
        *dead.entry((group.clone(), reason)).or_default() += 1;
    }

    /// A resend's message was sent, or could not be.
    pub(crate) fn resent<E>(&self, sent: &Result<(), E>) {
        self.resends.count(usize::from(sent.is_err()));
    }

    pub(super) fn failures(&self) -> u64 {
        self.failures.counts()[0]
    }

    pub(super) fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let words = OutcomeKind::ALL.iter().map(|kind| kind.as_str());
        words.zip(self.outcomes.counts())
    }

    pub(super) fn dead_letters(&self) -> BTreeMap<(Group, DeadReason), u64> {
        let dead = self.dead.lock().unwrap_or_else(PoisonError::into_inner);
        dead.clone()
    }

    pub(super) fn resends(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ["ok", "failed"].into_iter().zip(self.resends.counts())
    }
}
