//! How long every attempt of an endpoint has failed, and when somebody is to hear of it: pure, with
//! the time as an argument.
//!
//! The first warning comes early, the next ones ever later. A single notification that is refused
//! again and again says little about its endpoint, so it takes several attempts too.

/// No warning before this many failures in a row.
const LEAST: u32 = 5;

const MINUTE_MS: i64 = 60_000;

/// After how long without a good answer it is told; the last is the gap of all that follow.
const TOLD_AFTER_MS: [i64; 4] = [
    5 * MINUTE_MS,
    30 * MINUTE_MS,
    120 * MINUTE_MS,
    720 * MINUTE_MS,
];

/// What there is to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// Nothing but failures since then.
    Failing { since_ms: i64, attempts: u32 },
    /// It answers again, and its failing had been told.
    Recovered { after_ms: i64 },
}

/// One endpoint's failures in a row, as this process sees them.
#[derive(Debug, Default)]
pub(crate) struct Failing {
    since_ms: Option<i64>,
    attempts: u32,
    told: u32,
}

impl Failing {
    /// Takes in an attempt that was answered well.
    pub(crate) fn well(&mut self, now_ms: i64) -> Option<News> {
        let ended = std::mem::take(self);
        let since_ms = ended.since_ms.filter(|_| ended.told > 0)?;
        Some(News::Recovered {
            after_ms: now_ms - since_ms,
        })
    }

    /// Takes in an attempt that failed.
    pub(crate) fn failed(&mut self, now_ms: i64) -> Option<News> {
        let since_ms = *self.since_ms.get_or_insert(now_ms);
        self.attempts = self.attempts.saturating_add(1);
        if self.attempts < LEAST || now_ms - since_ms < self.next_after_ms() {
            return None;
        }
        self.told += 1;
        Some(News::Failing {
            since_ms,
            attempts: self.attempts,
        })
    }

    fn next_after_ms(&self) -> i64 {
        let last = TOLD_AFTER_MS.len() - 1;
        let step = usize::try_from(self.told).unwrap_or(usize::MAX);
        let beyond = i64::from(self.told).saturating_sub(3).max(0);
        TOLD_AFTER_MS[step.min(last)].saturating_add(beyond.saturating_mul(TOLD_AFTER_MS[last]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The minutes at which a failure each minute is told, for so many hours.
    fn told(failing: &mut Failing, hours: i64) -> Vec<i64> {
        (0..=hours * 60)
            .filter(|minute| failing.failed(minute * MINUTE_MS).is_some())
            .collect()
    }

    #[test]
    fn warnings_come_early_and_then_ever_later() {
        let mut failing = Failing::default();
        assert_eq!(told(&mut failing, 37), [5, 30, 120, 720, 1440, 2160]);
        let news = failing.well(2300 * MINUTE_MS);
        let after_ms = 2300 * MINUTE_MS;
        assert_eq!(news, Some(News::Recovered { after_ms }));
    }

    #[test]
    fn one_good_answer_begins_anew() {
        let mut failing = Failing::default();
        for minute in 0..300 {
            assert_eq!(failing.failed(minute * MINUTE_MS), None, "{minute}");
            if minute % 4 == 3 {
                assert_eq!(failing.well(minute * MINUTE_MS), None);
            }
        }
    }

    #[test]
    fn a_few_failures_far_apart_are_not_told() {
        let mut failing = Failing::default();
        for hour in 0..4 {
            assert_eq!(failing.failed(hour * 60 * MINUTE_MS), None);
        }
        let fifth = failing.failed(240 * MINUTE_MS);
        let since_ms = 0;
        let attempts = 5;
        assert_eq!(fifth, Some(News::Failing { since_ms, attempts }));
    }
}
