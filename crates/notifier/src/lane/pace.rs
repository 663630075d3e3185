//! How fast a lane moves: an estimate from how long its attempts take, and from how long none has
//! ended although some are under way. Pure; time is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// What an attempt is taken to last before one has ended.
const FIRST_GUESS: f64 = 0.1;

/// The weight of the newest attempt.
const NEWEST: f64 = 0.2;

/// Seconds in which an attempt ends in a lane that moves.
const A_WHILE: f64 = 1.0;

/// An attempt takes at least this long.
const LEAST: f64 = 0.001;

/// See the module.
#[derive(Debug)]
pub(super) struct Pace {
    /// Seconds that an attempt takes, the recent ones weighing more.
    takes: f64,
    under_way: usize,
    /// When an attempt ended last, or the first of those under way began if that was later.
    moved_at: Instant,
    /// Whether the last attempt that ended had an answer.
    answers: bool,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            takes: FIRST_GUESS,
            under_way: 0,
            moved_at: now,
            answers: false,
        }
    }

    pub(super) fn begin(&mut self, now: Instant) {
        if self.under_way == 0 {
            self.moved_at = now;
        }
        self.under_way += 1;
    }

    /// An attempt that took so long has ended.
    pub(super) fn end(&mut self, took: Duration, answered: bool, now: Instant) {
        self.cancel();
        self.takes += (took.as_secs_f64() - self.takes) * NEWEST;
        self.moved_at = now;
        self.answers = answered;
    }

    /// An attempt was not made.
    pub(super) fn cancel(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// Whether nothing has ended for a while, or what ended last had no answer.
    pub(super) fn stands(&self, now: Instant) -> bool {
        !self.answers || self.stalled(now) > A_WHILE
    }

    fn stalled(&self, now: Instant) -> f64 {
        match self.under_way {
            0 => 0.0,
            _ => now.saturating_duration_since(self.moved_at).as_secs_f64(),
        }
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// Attempts a second, with so many at a time.
    pub(super) fn moves(&self, concurrency: usize, now: Instant) -> f64 {
        let at_a_time = f64::from(u32::try_from(concurrency).unwrap_or(u32::MAX));
        at_a_time / self.takes.max(self.stalled(now)).max(LEAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn it_follows_what_attempts_take() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        assert!((pace.moves(16, now) - 160.0).abs() < 1e-6, "a first guess");
        for _ in 0..50 {
            pace.begin(now);
            pace.end(10 * MS, true, now);
        }
        let moves = pace.moves(16, now);
        assert!((1_590.0..=1_600.0).contains(&moves), "{moves}");
    }

    #[test]
    fn a_lane_in_which_nothing_ends_is_seen_to_stand_before_its_deadline() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        for _ in 0..4 {
            pace.begin(now);
        }
        let moves = |after: u64| pace.moves(4, now + Duration::from_secs(after));
        assert!((moves(2) - 2.0).abs() < 1e-6);
        assert!((moves(8) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn a_lane_moves_once_it_has_answered_and_as_long_as_something_ends() {
        let now = Instant::now();
        let later = |ms: u32| now + ms * MS;
        let mut pace = Pace::new(now);
        assert!(pace.stands(now), "nobody has heard of it");
        pace.begin(now);
        pace.end(10 * MS, true, later(10));
        assert!(!pace.stands(later(60_000)), "idle");
        pace.begin(later(60_000));
        assert!(!pace.stands(later(60_900)));
        assert!(pace.stands(later(61_100)));
        pace.end(1_100 * MS, false, later(61_100));
        assert!(pace.stands(later(61_100)), "without an answer");
    }

    #[test]
    fn an_idle_lane_is_as_fast_as_it_was_when_it_worked() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        pace.begin(now);
        pace.end(100 * MS, true, now);
        let later = now + Duration::from_secs(3_600);
        assert!((pace.moves(1, later) - 10.0).abs() < 1e-6);
        pace.begin(later);
        assert!(
            (pace.moves(1, later) - 10.0).abs() < 1e-6,
            "it has only begun"
        );
        pace.cancel();
        assert_eq!(pace.under_way(), 0);
    }
}
