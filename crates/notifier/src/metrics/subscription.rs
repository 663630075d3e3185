//! What is counted of one subscription.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::Tally;
use crate::decide::{Decision, ParkReason};

/// What became of a copy.
const DECISIONS: [&str; 11] = [
    "ring",
    "park",
    "die",
    "finished",
    "not_ours",
    "see_to_letter",
    "record_behind",
    "after_twin",
    "rest",
    "hold",
    "skip",
];

/// What the broker is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Ack,
    NextRung,
    Rest,
    Forward,
}

impl Told {
    const ALL: [Self; 4] = [Self::Ack, Self::NextRung, Self::Rest, Self::Forward];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ack => "ack",
            Self::NextRung => "next_rung",
            Self::Rest => "rest",
            Self::Forward => "forward",
        }
    }
}

/// Whether it took it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    Ok,
    LeaseLost,
    Failed,
}

const SETTLED: [&str; 3] = ["ok", "lease_lost", "failed"];

/// One subscription's.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    received: AtomicU64,
    last_received_ms: AtomicI64,
    decisions: Tally<{ DECISIONS.len() }>,
    parks: Tally<{ ParkReason::ALL.len() }>,
    settlements: [Tally<{ SETTLED.len() }>; 4],
}

impl Meters {
    pub(crate) fn received(&self, copies: usize, now_ms: i64) {
        self.received.fetch_add(copies as u64, Ordering::Relaxed);
        self.last_received_ms.store(now_ms, Ordering::Relaxed);
    }

    /// Counts what is done with a copy. `Ring` is counted when it is rung: until then it may be
    /// decided otherwise.
    pub(crate) fn decided(&self, decision: &Decision) {
        let index = match decision {
            Decision::Ring { .. } => 0,
            Decision::Park(reason) => {
                self.parks.count(*reason as usize);
                1
            }
            Decision::Die(_) => 2,
            Decision::Finished => 3,
            Decision::NotOurs => 4,
            Decision::SeeToLetter => 5,
            Decision::RecordBehind => 6,
            Decision::AfterTwin => 7,
            Decision::NotDue { .. } => 8,
            Decision::Hold(_) => 9,
            Decision::Skip => 10,
        };
        self.decisions.count(index);
    }

    pub(crate) fn settled(&self, told: Told, settled: Settled) {
        self.settlements[told as usize].count(settled as usize);
    }

    pub(super) fn received_so_far(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// `None` before the first copy.
    pub(super) fn last_received_ms(&self) -> Option<i64> {
        Some(self.last_received_ms.load(Ordering::Relaxed)).filter(|ms| *ms != 0)
    }

    pub(super) fn decisions(&self) -> impl Iterator<Item = (&'static str, u64)> {
        DECISIONS.into_iter().zip(self.decisions.counts())
    }

    pub(super) fn parks(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let words = ParkReason::ALL.into_iter().map(ParkReason::word);
        words.zip(self.parks.counts())
    }

    pub(super) fn settlements(&self) -> impl Iterator<Item = (Told, &'static str, u64)> {
        Told::ALL
            .into_iter()
            .zip(&self.settlements)
            .flat_map(|(told, tally)| {
                let counts = SETTLED.into_iter().zip(tally.counts());
                counts.map(move |(settled, count)| (told, settled, count))
            })
    }
}
