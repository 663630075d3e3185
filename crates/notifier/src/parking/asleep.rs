//! How many parked copies are asleep, and until when: counts by second for the next minute or so and
//! by minute for the next hours, so that a million of them take as much memory as one.
//!
//! It is an estimate for what it is used for, the spreading of what comes back: it knows of this
//! process's parks alone, and a copy that comes back a little late is counted no longer.

use std::time::Duration;

use tokio::time::Instant;

/// As many seconds, and as many minutes, are told apart.
const SPANS: usize = 64;

/// Counts of what is due in each of the next spans.
#[derive(Debug)]
struct Ring {
    due: [u32; SPANS],
    /// The span that is passing.
    current: u64,
    seconds: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Asleep {
    began: Instant,
    seconds: Ring,
    minutes: Ring,
}

impl Asleep {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            began: now,
            seconds: Ring::of(1),
            minutes: Ring::of(60),
        }
    }

    /// One more, for so long.
    pub(crate) fn add(&mut self, now: Instant, delay: Duration) {
        let elapsed = now.saturating_duration_since(self.began);
        if !self.seconds.add(elapsed, delay) {
            self.minutes.add(elapsed, delay);
        }
    }

    /// How many are not yet due.
    pub(crate) fn count(&mut self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.began);
        self.seconds.count(elapsed) + self.minutes.count(elapsed)
    }
}

impl Ring {
    fn of(seconds: u64) -> Self {
        Self {
            due: [0; SPANS],
            current: 0,
            seconds,
        }
    }

    /// Empties what has passed.
    fn advance(&mut self, elapsed: Duration) {
        let current = elapsed.as_secs() / self.seconds;
        let passed = current.saturating_sub(self.current).min(SPANS as u64);
        for span in self.current..self.current + passed {
            self.due[index(span)] = 0;
        }
        self.current = self.current.max(current);
    }

    /// Whether that is near enough for this ring.
    fn add(&mut self, elapsed: Duration, delay: Duration) -> bool {
        self.advance(elapsed);
        let span = (elapsed + delay).as_secs() / self.seconds;
        let near = span < self.current + SPANS as u64;
        if near {
            let due = &mut self.due[index(span)];
            *due = due.saturating_add(1);
        }
        near
    }

    fn count(&mut self, elapsed: Duration) -> u64 {
        self.advance(elapsed);
        self.due.iter().map(|due| u64::from(*due)).sum()
    }
}

fn index(span: u64) -> usize {
    usize::try_from(span % SPANS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sleeps_is_counted_until_it_is_due() {
        let began = Instant::now();
        let mut asleep = Asleep::new(began);
        let at = |seconds| began + Duration::from_secs(seconds);
        for delay in [1, 10, 10, 63, 120, 3_600] {
            asleep.add(began, Duration::from_secs(delay));
        }
        let counts: Vec<u64> = [0, 2, 11, 64, 200, 4_000]
            .into_iter()
            .map(|seconds| asleep.count(at(seconds)))
            .collect();
        assert_eq!(counts, [6, 5, 3, 2, 1, 0]);
    }

    #[test]
    fn a_long_silence_empties_it() {
        let began = Instant::now();
        let mut asleep = Asleep::new(began);
        for second in 0..60 {
            asleep.add(began, Duration::from_secs(second * 60));
        }
        let later = began + Duration::from_secs(86_400);
        assert_eq!(asleep.count(later), 0);
        asleep.add(later, Duration::from_secs(5));
        assert_eq!(asleep.count(later), 1);
    }
}
