//! How long a copy is put away when it can't be attempted.
//!
//! What an operator must mend (a newer format, an endpoint that nobody knows) is put away for steps
//! that grow to an hour and then repeat. What a lane has no room for comes back when the lane could
//! take it: behind all that is parked already, at the speed at which the lane moves. And what an open
//! breaker keeps out comes back after the next probe, spread over about as long as the endpoint has
//! been away: so a copy is received again a few times in an outage of any length, and when the
//! endpoint is back its backlog is there within about as long again. One of them comes back for the
//! probe itself. All closed lanes together wake no more than [`WOKEN_A_SECOND`].
//!
//! Each park's span is on record, so it is known how long a generation has been put away in all.
//! Beyond the maximum age it dies, as a letter of class `pipeline`: nothing sleeps for good.

mod asleep;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub(crate) use asleep::Asleep;

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

/// The first steps for what an operator must mend; the last one repeats.
const STEPS: [u64; 6] = [10, 30, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR];

/// The most time that a generation may spend parked.
const MAX_AGE: Duration = Duration::from_secs(7 * 24 * HOUR);

/// What a resumed endpoint's messages may still have to wait.
pub(crate) const LONGEST_HOLD: Duration = Duration::from_secs(MINUTE);

/// The shortest and the longest that a lane puts a copy away for.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(HOUR);

/// As many copies of closed lanes are woken in a second, so that an outage of many endpoints with a
/// large backlog leaves the process to the others.
const WOKEN_A_SECOND: f64 = 500.0;

/// How long to park a copy that has been parked `parks` times, until an operator mends the cause.
pub(crate) fn step(parks: u32) -> Duration {
    let last = STEPS.len() - 1;
    let taken = usize::try_from(parks).unwrap_or(usize::MAX);
    Duration::from_secs(STEPS[taken.min(last)])
}

/// Whether a generation that was put away for so long in all may be put away again.
pub(crate) fn may_go_on(parked: Duration) -> bool {
    parked < MAX_AGE
}

/// How long to put away a copy whose parks can't be counted, because the record knows only an
/// older generation: about as long again as the message is old.
pub(crate) fn step_by_age(age: Duration) -> Duration {
    age.clamp(Duration::from_secs(STEPS[0]), LONGEST)
}

/// How long until a lane could take a copy that has `ahead` others before it, at `moves` a second.
/// `dice` is from 0 to 1.
pub(crate) fn until_it_moves(ahead: u64, moves: f64, dice: f64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let seconds = ahead as f64 / moves.max(0.001);
    spread(Duration::from_secs_f64(seconds.min(1e6)), dice)
}

/// How long until a closed lane may have opened: not before the probe, and then somewhere within the
/// span for which it has been closed, or longer if `asleep` others are to be woken too.
pub(crate) fn until_it_opens(
    probe_in: Duration,
    closed_for: Duration,
    asleep: u64,
    dice: f64,
) -> Duration {
    // Steps are spread evenly up to the span: on the average each sleeps for half of it.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let to_wake_all = Duration::from_secs_f64(2.0 * asleep as f64 / WOKEN_A_SECOND);
    let span = closed_for.max(to_wake_all).min(LONGEST);
    let step = probe_in.saturating_add(span.mul_f64(dice));
    step.clamp(SHORTEST, LONGEST)
}

/// A step within its bounds, and up to a quarter longer or, at the upper bound, shorter: what was put
/// away at once does not come back at once.
fn spread(step: Duration, dice: f64) -> Duration {
    let step = step.max(SHORTEST).mul_f64(1.0 + dice / 4.0);
    if step > LONGEST {
        return LONGEST.mul_f64(1.0 - dice / 4.0);
    }
    step
}

/// What sleeps for all the closed lanes of this process; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Sleepers(Arc<Mutex<Asleep>>);

impl Sleepers {
    pub(crate) fn new(now: Instant) -> Self {
        Self(Arc::new(Mutex::new(Asleep::new(now))))
    }

    pub(crate) fn count(&self, now: Instant) -> u64 {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .count(now)
    }

    pub(crate) fn add(&self, now: Instant, delay: Duration) {
        let mut asleep = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asleep.add(now, delay);
    }
}

/// How long to hold a copy whose endpoint has been paused for so long: about as long again, so
/// that a short pause ends soon for everybody and a long one costs the broker little.
pub(crate) fn hold(paused_for: Duration) -> Duration {
    paused_for.clamp(Duration::from_secs(STEPS[0]), LONGEST_HOLD)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_an_operator_must_mend_waits_longer_each_time_up_to_an_hour() {
        let seconds: Vec<u64> = (0..8).map(|parks| step(parks).as_secs()).collect();
        assert_eq!(seconds, [10, 30, 60, 300, 900, 3600, 3600, 3600]);
        assert_eq!(step(u32::MAX), s(3600));
    }

    #[test]
    fn after_a_week_of_parking_there_is_no_further_step() {
        assert!(may_go_on(s(604_799)));
        assert!(!may_go_on(s(604_800)));
        assert!(!may_go_on(Duration::MAX));
    }

    #[test]
    fn a_pause_is_looked_at_again_after_as_long_again_but_within_a_minute() {
        let hold = |s| hold(Duration::from_secs(s)).as_secs();
        assert_eq!([hold(0), hold(30), hold(90_000)], [10, 30, 60]);
    }

    #[test]
    fn uncounted_parks_double_the_age_between_ten_seconds_and_an_hour() {
        let step = |seconds| step_by_age(s(seconds)).as_secs();
        assert_eq!([step(0), step(60), step(90_000)], [10, 60, 3600]);
    }

    #[test]
    fn a_full_lanes_backlog_comes_back_as_fast_as_it_moves() {
        let at = |ahead, moves| until_it_moves(ahead, moves, 0.0).as_secs();
        assert_eq!(at(0, 100.0), 1, "never at once");
        assert_eq!(at(3_000, 100.0), 30);
        assert_eq!(at(100_000, 1.6), 3_600, "never beyond an hour");
        assert_eq!(at(10, 0.0), 3_600);
        assert_eq!(
            until_it_moves(3_000, 100.0, 1.0),
            Duration::from_millis(37_500)
        );
        assert_eq!(until_it_moves(u64::MAX, 1.6, 1.0), s(2_700));
    }

    #[test]
    fn a_closed_lanes_backlog_is_spread_over_as_long_as_it_has_been_closed() {
        let at = |closed_for, dice| until_it_opens(s(10), s(closed_for), 0, dice).as_secs();
        assert_eq!(at(600, 0.0), 10, "not before the probe");
        assert_eq!(at(600, 0.5), 310);
        assert_eq!(at(600, 1.0), 610);
        assert_eq!(at(86_400, 1.0), 3_600);
        assert_eq!(
            until_it_opens(Duration::ZERO, Duration::ZERO, 0, 0.3),
            SHORTEST
        );
    }

    #[test]
    fn a_large_backlog_is_not_woken_within_seconds() {
        let last = until_it_opens(s(1), s(5), 100_000, 1.0);
        assert_eq!(
            last,
            s(401),
            "500 a second, of those who sleep for half of it"
        );
    }

    #[test]
    fn a_backlog_that_is_kept_out_again_and_again_is_woken_at_its_rate() {
        let (asleep, mut dice, mut woken) = (10_000, fastrand::Rng::with_seed(11), 0);
        let within = 400.0;
        for _ in 0..asleep {
            let mut at = 0.0_f64;
            while at < within {
                let closed_for = Duration::from_secs_f64(at.min(30.0));
                at += until_it_opens(s(1), closed_for, asleep, dice.f64()).as_secs_f64();
                woken += 1;
            }
        }
        let a_second = f64::from(woken) / within;
        assert!(a_second < WOKEN_A_SECOND * 1.1, "{a_second}");
    }

    /// The price of an outage: how often each copy is received in it.
    #[test]
    fn in_a_day_of_an_outage_a_copy_comes_back_a_few_dozen_times() {
        let (mut dice, mut most) = (fastrand::Rng::with_seed(7), 0);
        for _ in 0..200 {
            let (mut now, mut parks) = (1.0, 0);
            while now < 86_400.0 {
                let probe_in = s(300).min(Duration::from_secs_f64(now));
                let closed_for = Duration::from_secs_f64(now);
                now += until_it_opens(probe_in, closed_for, 10_000, dice.f64()).as_secs_f64();
                parks += 1;
            }
            most = most.max(parks);
        }
        // Nearly an hour each for 24 hours makes some 40; a fixed step of ten seconds 8,640.
        assert!(most < 70, "{most}");
    }
}
