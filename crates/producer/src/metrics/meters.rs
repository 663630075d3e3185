//! What is counted of one initiator.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;
use rocketmq::Resolution;

use crate::answer::{SendError, SendOutcome};
use crate::relay::Pass;

/// Counters for some words.
#[derive(Debug)]
pub(super) struct Tally<const N: usize> {
    words: [&'static str; N],
    counts: [AtomicU64; N],
}

impl<const N: usize> Tally<N> {
    const fn of(words: [&'static str; N]) -> Self {
        Self {
            words,
            counts: [const { AtomicU64::new(0) }; N],
        }
    }

    fn add(&self, word: &str, many: usize) {
        let index = self.words.iter().position(|known| *known == word);
        if let Some(counter) = index.and_then(|index| self.counts.get(index)) {
            counter.fetch_add(many as u64, Ordering::Relaxed);
        }
    }

    pub(super) fn each(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = self
            .counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        self.words.iter().copied().zip(counts)
    }
}

const OK: &str = "ok";
const FAILED: &str = "failed";

/// Where the buckets of COMMIT end, in seconds.
const BOUNDS: [f64; 12] = [
    0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
];

/// One initiator's.
#[derive(Debug)]
pub(crate) struct Meters {
    pub(super) sendings: Tally<10>,
    pub(super) commit: Histogram,
    pub(super) halves: Tally<2>,
    pub(super) ends: Tally<2>,
    pub(super) check_backs: Tally<4>,
    pub(super) relayed: Tally<3>,
    waiting: AtomicI64,
    due_since_ms: AtomicI64,
}

/// Nothing was found out yet.
const UNKNOWN: i64 = -1;

impl Default for Meters {
    fn default() -> Self {
        Self {
            sendings: Tally::of([
                "committed",
                "already",
                "unknown",
                "invalid",
                "unavailable",
                "refused",
                "rolled_back",
                "other_request",
                "deadline_passed",
                "failed",
            ]),
            commit: Histogram::new(BOUNDS),
            halves: Tally::of([OK, FAILED]),
            ends: Tally::of([OK, FAILED]),
            check_backs: Tally::of(["commit", "rollback", "unknown", FAILED]),
            relayed: Tally::of(["late", "lost", "given_up"]),
            waiting: AtomicI64::new(UNKNOWN),
            due_since_ms: AtomicI64::new(UNKNOWN),
        }
    }
}

impl Meters {
    pub(crate) fn sent(&self, told: &Result<SendOutcome, SendError>) {
        let word = match told {
            Ok(SendOutcome::Committed { took }) => {
                self.commit.observe(took.committed.as_secs_f64());
                "committed"
            }
            Ok(SendOutcome::Already { .. }) => "already",
            Ok(SendOutcome::Unknown) => "unknown",
            Err(SendError::Invalid(_)) => "invalid",
            Err(SendError::Unavailable(_)) => "unavailable",
            Err(SendError::Refused(_)) => "refused",
            Err(SendError::RolledBack(_)) => "rolled_back",
            Err(SendError::OtherRequest(_)) => "other_request",
            Err(SendError::DeadlinePassed(_)) => "deadline_passed",
            Err(SendError::NotBegun(_) | SendError::Database(_) | SendError::Panicked) => FAILED,
        };
        self.sendings.add(word, 1);
    }

    pub(crate) fn half<T, E>(&self, begun: &Result<T, E>) {
        self.halves.add(word(begun), 1);
    }

    pub(crate) fn end<T, E>(&self, told: &Result<T, E>) {
        self.ends.add(word(told), 1);
    }

    pub(crate) fn checked<E>(&self, answer: &Result<Resolution, E>) {
        let word = match answer {
            Ok(Resolution::Commit) => "commit",
            Ok(Resolution::Rollback) => "rollback",
            Ok(Resolution::Unknown) => "unknown",
            Err(_) => FAILED,
        };
        self.check_backs.add(word, 1);
    }

    pub(crate) fn passed(&self, pass: &Pass) {
        self.relayed.add("late", pass.sent);
        self.relayed.add("lost", pass.lost);
        self.relayed.add("given_up", pass.given_up);
    }

    /// So many wait, the first of them due since then, if it is due.
    pub(crate) fn found(&self, waiting: i64, due_since_ms: Option<i64>) {
        self.waiting.store(waiting, Ordering::Relaxed);
        let due_since_ms = due_since_ms.unwrap_or(UNKNOWN);
        self.due_since_ms.store(due_since_ms, Ordering::Relaxed);
    }

    /// How many wait, if that was found out.
    pub(super) fn waiting(&self) -> Option<u64> {
        u64::try_from(self.waiting.load(Ordering::Relaxed)).ok()
    }

    /// How long the first of them has been due.
    pub(super) fn lag(&self, now_ms: i64) -> Duration {
        match self.due_since_ms.load(Ordering::Relaxed) {
            UNKNOWN => Duration::ZERO,
            due_ms => Duration::from_millis(u64::try_from(now_ms - due_ms).unwrap_or(0)),
        }
    }
}

fn word<T, E>(result: &Result<T, E>) -> &'static str {
    match result {
        Ok(_) => OK,
        Err(_) => FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted<const N: usize>(tally: &Tally<N>) -> Vec<(&'static str, u64)> {
        tally.each().filter(|(_, count)| *count > 0).collect()
    }

    #[test]
    fn check_backs_and_passes_are_counted_by_their_words() {
        let meters = Meters::default();
        for answer in [
            Resolution::Commit,
            Resolution::Rollback,
            Resolution::Unknown,
        ] {
            meters.checked(&Ok::<_, ()>(answer));
        }
        meters.checked(&Err::<Resolution, _>(()));
        let expected = [
            ("commit", 1),
            ("rollback", 1),
            ("unknown", 1),
            ("failed", 1),
        ];
        assert_eq!(counted(&meters.check_backs), expected);
        meters.passed(&Pass {
            sent: 3,
            lost: 2,
            given_up: 1,
            paused: None,
        });
        let expected = [("late", 3), ("lost", 2), ("given_up", 1)];
        assert_eq!(counted(&meters.relayed), expected);
    }

    #[test]
    fn the_relay_is_behind_by_what_is_due_longest() {
        let meters = Meters::default();
        assert_eq!(
            (meters.waiting(), meters.lag(9_000)),
            (None, Duration::ZERO)
        );
        meters.found(7, Some(4_000));
        assert_eq!(meters.waiting(), Some(7));
        assert_eq!(meters.lag(9_000), Duration::from_secs(5));
        assert_eq!(
            meters.lag(3_000),
            Duration::ZERO,
            "a clock that was set back"
        );
        meters.found(7, None);
        assert_eq!(meters.lag(9_000), Duration::ZERO);
    }
}
