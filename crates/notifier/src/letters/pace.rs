//! How many letters a job may take just now: its rate, saved up for no longer than a second.

use std::time::{Duration, Instant};

use notification::api::letters::ResendRate;

/// A letter in the unit of what is saved up: letters a minute times microseconds.
const LETTER: u64 = 60_000_000;

/// One claim's pace. A new claim begins with nothing saved up.
#[derive(Debug)]
pub(super) struct Pace {
    saved: u64,
    counted: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            saved: 0,
            counted: now,
        }
    }

    /// Whole letters that may go now.
    pub(super) fn allowance(&mut self, rate: ResendRate, now: Instant) -> usize {
        let per_minute = u64::from(rate.minutely());
        let passed = now.saturating_duration_since(self.counted).as_micros();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        self.counted = now;
        let a_second = (per_minute * 1_000_000).max(LETTER);
        self.saved = per_minute
            .saturating_mul(passed)
            .saturating_add(self.saved)
            .min(a_second);
        usize::try_from(self.saved / LETTER).unwrap_or(usize::MAX)
    }

    pub(super) fn spend(&mut self, letters: usize) {
        let letters = u64::try_from(letters).unwrap_or(u64::MAX);
        self.saved = self.saved.saturating_sub(letters.saturating_mul(LETTER));
    }
}

/// The most that may be on the way at a time: a second's worth, so that fresh traffic never finds
/// more than that before it.
pub(super) fn most_on_the_way(rate: ResendRate) -> usize {
    usize::try_from(rate.minutely().div_ceil(60))
        .unwrap_or(usize::MAX)
        .max(8)
}

/// How long a claim lasts that nobody confirms.
pub(super) const CLAIM: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_has_more_than_its_rate_and_what_one_second_saved() {
        let rate: ResendRate = "50/s".parse().unwrap();
        let begun = Instant::now();
        let mut pace = Pace::new(begun);
        assert_eq!(pace.allowance(rate, begun), 0, "nothing saved up at first");
        let mut taken = 0;
        for tick in 1..=100 {
            let now = begun + Duration::from_millis(100) * tick;
            let allowed = pace.allowance(rate, now);
            pace.spend(allowed);
            taken += allowed;
        }
        assert_eq!(taken, 500, "in ten seconds");
        let later = begun + Duration::from_secs(3600);
        assert_eq!(
            pace.allowance(rate, later),
            50,
            "an idle hour saves one second"
        );
    }

    #[test]
    fn a_slow_rate_comes_to_one_in_time() {
        let rate: ResendRate = "30/m".parse().unwrap();
        let begun = Instant::now();
        let mut pace = Pace::new(begun);
        assert_eq!(
            pace.allowance(rate, begun + Duration::from_millis(1_900)),
            0
        );
        assert_eq!(
            pace.allowance(rate, begun + Duration::from_millis(2_100)),
            1
        );
        assert_eq!(most_on_the_way(rate), 8);
    }
}
