//! How often an endpoint may be rung: a limit (`50/s`) and the schedule that keeps to it.
//!
//! The schedule is the generic cell rate algorithm with time as an argument: one instant says when
//! the next attempt is due, and each attempt that is let through moves it on by the limit's interval.
//! An attempt is let through early by at most a tenth of a second, so that a burst is spread and not
//! sent at the top of each second. A receiver that asks for a pause (429 or 503 with `Retry-After`)
//! moves the instant too.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use notification::Invalid;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// The most attempts that a limit may name.
const MOST: u32 = 100_000;

/// How far ahead of an even spacing an attempt may go.
const AHEAD: Duration = Duration::from_millis(100);

/// The longest that a receiver can close its lane with one answer. A rung may be stretched further
/// (see [`notification::LONGEST_RETRY_AFTER`]): one answer to one message is not worth a day of all.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// So many attempts in a second, a minute or an hour: `50/s`, `600/m`, `1000/h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RateLimit {
    attempts: u32,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
}

impl Unit {
    const ALL: [(Self, char, u64); 3] = [
        (Self::Second, 's', 1),
        (Self::Minute, 'm', 60),
        (Self::Hour, 'h', 3600),
    ];

    fn letter_and_seconds(self) -> (char, u64) {
        let known = Self::ALL.iter().find(|(unit, ..)| *unit == self);
        known.map_or(('s', 1), |(_, letter, seconds)| (*letter, *seconds))
    }
}

impl RateLimit {
    /// The time from one attempt to the next, if they are evenly spaced.
    pub(crate) fn interval(self) -> Duration {
        let (_, seconds) = self.unit.letter_and_seconds();
        Duration::from_secs(seconds) / self.attempts
    }
}

impl FromStr for RateLimit {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refused = || {
            let limit = format!("1 to {MOST} attempts in a unit: 50/s, 600/m or 1000/h");
            Invalid::new("rate", text, limit)
        };
        let (attempts, unit) = text.split_once('/').ok_or_else(refused)?;
        let attempts: u32 = attempts.trim().parse().map_err(|_| refused())?;
        let unit = Unit::ALL.iter().find(|(_, letter, _)| {
            let mut said = unit.trim().chars();
            (said.next(), said.next()) == (Some(*letter), None)
        });
        match unit {
            Some((unit, ..)) if (1..=MOST).contains(&attempts) => Ok(Self {
                attempts,
                unit: *unit,
            }),
            _ => Err(refused()),
        }
    }
}

impl TryFrom<String> for RateLimit {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<RateLimit> for String {
    fn from(limit: RateLimit) -> Self {
        limit.to_string()
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.attempts, self.unit.letter_and_seconds().0)
    }
}

/// When attempts may be made.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// Zero without a limit.
    interval: Duration,
    /// When the next attempt is due if they are evenly spaced.
    next: Instant,
    /// Until when the receiver asked to be left alone.
    paused_until: Option<Instant>,
}

impl Schedule {
    pub(crate) fn new(limit: Option<RateLimit>, now: Instant) -> Self {
        Self {
            interval: limit.map_or(Duration::ZERO, RateLimit::interval),
            next: now,
            paused_until: None,
        }
    }

    /// Keeps to another limit from the next attempt on, which waits no longer than that limit asks.
    pub(crate) fn limit(&mut self, limit: Option<RateLimit>, now: Instant) {
        self.interval = limit.map_or(Duration::ZERO, RateLimit::interval);
        self.next = self.next.min(now + self.interval);
    }

    /// Takes the next attempt's place and says how long to wait for it, or, if that is longer than
    /// `patience`, takes none and says how long it would have been.
    pub(crate) fn reserve(
        &mut self,
        now: Instant,
        patience: Duration,
    ) -> Result<Duration, Duration> {
        let paused = self.paused_for(now).unwrap_or_default();
        let spaced = self
            .next
            .saturating_duration_since(now)
            .saturating_sub(AHEAD);
        let wait = spaced.max(paused);
        if wait > patience {
            return Err(wait);
        }
        self.next = self.next.max(now + paused) + self.interval;
        Ok(wait)
    }

    /// Nothing is let through for so long, and at most for an hour.
    pub(crate) fn pause(&mut self, now: Instant, asked: Duration) {
        let until = now + asked.min(LONGEST_PAUSE);
        self.paused_until = self.paused_until.max(Some(until));
    }

    /// How long the receiver is still to be left alone; `None` if it did not ask for it.
    pub(crate) fn paused_for(&self, now: Instant) -> Option<Duration> {
        let left = self.paused_until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// The most attempts in a second, if there is a limit.
    pub(crate) fn per_second(&self) -> Option<f64> {
        (!self.interval.is_zero()).then(|| 1.0 / self.interval.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn schedule(limit: &str, now: Instant) -> Schedule {
        Schedule::new(Some(limit.parse().unwrap()), now)
    }

    #[test]
    fn a_limit_reads_back_and_a_bad_one_is_told_the_limit() {
        for text in ["50/s", "600/m", "1000/h", "1/h", "100000/s"] {
            assert_eq!(text.parse::<RateLimit>().unwrap().to_string(), text);
        }
        for text in [
            "", "50", "0/s", "-1/s", "100001/s", "50/d", "50/min", "1.5/s", "/s", "50/",
        ] {
            let error = text.parse::<RateLimit>().unwrap_err();
            assert_eq!((error.field.as_str(), error.value.as_str()), ("rate", text));
            assert!(error.limit.starts_with("1 to 100000 attempts"), "{error}");
        }
    }

    #[test]
    fn over_a_second_no_more_goes_out_than_the_limit_and_a_tenth() {
        let now = Instant::now();
        let mut schedule = schedule("50/s", now);
        let within = |wait: &Duration| *wait <= Duration::from_secs(1);
        let sent = (0..200).map_while(|_| schedule.reserve(now, PATIENCE).ok());
        let sent = sent.filter(within).count();
        assert!((51..=56).contains(&sent), "{sent}");
    }

    #[test]
    fn who_would_wait_too_long_takes_nobodys_place() {
        let now = Instant::now();
        let mut schedule = schedule("1/m", now);
        assert_eq!(schedule.reserve(now, PATIENCE), Ok(Duration::ZERO));
        let wait = Duration::from_secs(60) - AHEAD;
        assert_eq!(schedule.reserve(now, PATIENCE), Err(wait));
        assert_eq!(schedule.reserve(now, PATIENCE), Err(wait));
        assert_eq!(schedule.reserve(now + wait, PATIENCE), Ok(Duration::ZERO));
    }

    #[test]
    fn who_waits_for_a_limit_that_is_raised_waits_for_the_new_one() {
        let now = Instant::now();
        for (raised, wait) in [
            (Some("50/s"), Duration::ZERO),
            (Some("1/s"), Duration::from_secs(1) - AHEAD),
            (None, Duration::ZERO),
        ] {
            let mut schedule = schedule("1/h", now);
            assert_eq!(schedule.reserve(now, PATIENCE), Ok(Duration::ZERO));
            schedule.limit(raised.map(|raised| raised.parse().unwrap()), now);
            assert_eq!(schedule.reserve(now, PATIENCE), Ok(wait), "{raised:?}");
        }
    }

    #[test]
    fn without_a_limit_nobody_waits() {
        let now = Instant::now();
        let mut schedule = Schedule::new(None, now);
        for _ in 0..1_000 {
            assert_eq!(schedule.reserve(now, Duration::ZERO), Ok(Duration::ZERO));
        }
        assert_eq!(schedule.per_second(), None);
    }

    #[test]
    fn a_receiver_that_asks_for_a_pause_gets_it_and_no_more_than_an_hour() {
        let now = Instant::now();
        let mut schedule = Schedule::new(None, now);
        schedule.pause(now, Duration::from_secs(120));
        // A shorter wish does not cut a longer one short.
        schedule.pause(now, Duration::from_secs(1));
        assert_eq!(schedule.paused_for(now), Some(Duration::from_secs(120)));
        assert_eq!(
            schedule.reserve(now, PATIENCE),
            Err(Duration::from_secs(120))
        );
        let over = now + Duration::from_secs(120);
        assert_eq!(
            (schedule.paused_for(over), schedule.reserve(over, PATIENCE)),
            (None, Ok(Duration::ZERO))
        );
        schedule.pause(over, Duration::from_secs(86_400));
        assert_eq!(schedule.paused_for(over), Some(LONGEST_PAUSE));
    }
}
