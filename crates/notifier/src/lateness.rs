//! How late the broker gives back what it was asked for, and by how much earlier to ask for it.
//!
//! Apache RocketMQ gives a deferred copy back up to four seconds late, the embedded broker some
//! milliseconds. A copy is therefore asked for by as much earlier as nine of ten are late, and waits here
//! for what it comes too early by; one that is due before the broker would give it back is not given away.
//! What waits here holds a permit, so only so many a second are asked for early. What is measured are
//! copies that this process asked for by itself: the broker does not say what it was asked.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::copy::Key;

/// The most copies whose return is waited for; these are the soonest.
const AWAITED: usize = 128;

/// What is usual is what nine of ten of so many were late by, at most.
const REMEMBERED: usize = 64;

/// With fewer than these nothing is known.
const ENOUGH: usize = 8;

/// The head start while nothing is known: by so much RocketMQ is late in the middle.
const PRESUMED: Duration = Duration::from_secs(2);

/// A copy that is later than this was held up by an outage or a backlog.
const HELD_UP_MS: i64 = 10_000;

/// One that is earlier was given back for another reason: a broker's grain is a second.
const OTHERWISE_MS: i64 = -2_000;

/// The longest head start.
pub(crate) const LONGEST_HEAD_START: Duration = Duration::from_secs(4);

/// Of all permits, how many copies may be asked for early or kept in a second, divided. None waits longer
/// than five, so as a rule that takes less than a quarter of them.
const SPENT_A_SECOND: u32 = 32;

/// How far ahead of an even spacing they may be.
const AHEAD: Duration = Duration::from_secs(2);

/// A group's; each process measures for itself.
#[derive(Debug)]
pub(crate) struct Lateness {
    /// Between two that may wait.
    interval: Duration,
    measured: Mutex<Measured>,
}

/// What the broker was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// When the copy is due, as its row says. If that has moved, somebody else has had the copy.
    pub due_ms: i64,
    /// When it was to be back.
    pub back_ms: i64,
}

#[derive(Debug)]
struct Measured {
    /// When the next may, evenly spaced.
    next: Instant,
    awaited: HashMap<Key, Asked>,
    /// By how many milliseconds they were late; less than 0 if they were early. The newest at the back.
    late_ms: VecDeque<i64>,
    usual: Option<Duration>,
}

impl Lateness {
    pub(crate) fn new(permits: usize) -> Self {
        let permits = u32::try_from(permits).unwrap_or(u32::MAX).max(1);
        Self {
            interval: Duration::from_secs(1) * SPENT_A_SECOND / permits,
            measured: Mutex::new(Measured {
                next: Instant::now(),
                awaited: HashMap::new(),
                late_ms: VecDeque::new(),
                usual: None,
            }),
        }
    }

    /// By how much earlier than it is due a copy is asked for.
    pub(crate) fn head_start(&self) -> Duration {
        self.usual().unwrap_or(PRESUMED)
    }

    /// What the broker is late by as a rule, if that is known.
    pub(crate) fn usual(&self) -> Option<Duration> {
        self.measured().usual
    }

    /// Whether one more may be asked for early or kept, which it then is.
    pub(crate) fn may_wait(&self, now: Instant) -> bool {
        let mut measured = self.measured();
        let next = measured.next.max(now);
        let may = next - now <= AHEAD;
        if may {
            measured.next = next + self.interval;
        }
        may
    }

    /// The broker was asked at `now_ms` to give a copy back.
    pub(crate) fn asked(&self, key: &Key, asked: Asked, now_ms: i64) {
        self.measured().asked(key, asked, now_ms);
    }

    /// These copies, due then, have come at `now_ms`.
    pub(crate) fn came<'a>(&self, copies: impl Iterator<Item = (&'a Key, i64)>, now_ms: i64) {
        let mut measured = self.measured();
        if measured.awaited.is_empty() {
            return;
        }
        let mut learned = false;
        for (key, due_ms) in copies {
            learned |= measured.came(key, due_ms, now_ms);
        }
        if learned {
            measured.usual = measured.learned();
        }
    }

    fn measured(&self) -> MutexGuard<'_, Measured> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Measured {
    fn asked(&mut self, key: &Key, asked: Asked, now_ms: i64) {
        if self.awaited.len() >= AWAITED {
            self.awaited
                .retain(|_, asked| now_ms - asked.back_ms <= HELD_UP_MS);
        }
        if self.awaited.len() >= AWAITED {
            let last = self.awaited.iter().max_by_key(|(_, other)| other.back_ms);
            match last.map(|(key, other)| (key.clone(), other.back_ms)) {
                Some((last, back_ms)) if asked.back_ms < back_ms => self.awaited.remove(&last),
                _ => return,
            };
        }
        self.awaited.insert(key.clone(), asked);
    }

    /// Whether something was learned from it.
    fn came(&mut self, key: &Key, due_ms: i64, now_ms: i64) -> bool {
        let Some(asked) = self.awaited.remove(key) else {
            return false;
        };
        let late_ms = now_ms - asked.back_ms;
        if asked.due_ms != due_ms || !(OTHERWISE_MS..=HELD_UP_MS).contains(&late_ms) {
            return false;
        }
        if self.late_ms.len() == REMEMBERED {
            self.late_ms.pop_front();
        }
        self.late_ms.push_back(late_ms);
        true
    }

    fn learned(&self) -> Option<Duration> {
        if self.late_ms.len() < ENOUGH {
            return None;
        }
        let mut late_ms: Vec<i64> = self.late_ms.iter().copied().collect();
        let ninth_of_ten = (late_ms.len() - 1) * 9 / 10;
        let (_, late_ms, _) = late_ms.select_nth_unstable(ninth_of_ten);
        let usual = Duration::from_millis(u64::try_from(*late_ms).unwrap_or(0));
        Some(usual.min(LONGEST_HEAD_START))
    }
}

#[cfg(test)]
mod tests;
