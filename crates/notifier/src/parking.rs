//! How long a copy is put away when it can't be attempted.
//!
//! Parking is for what an operator can mend, so its steps grow to an hour and then repeat; each
//! park is on record, so a copy's parks say how long it has been away in all. Beyond the maximum
//! age it dies, as a letter of class `pipeline`: nothing sleeps for good.

use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

/// The first steps; the last one repeats.
const STEPS: [u64; 6] = [10, 30, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR];

/// The most time that a generation may spend parked.
const MAX_AGE: Duration = Duration::from_secs(7 * 24 * HOUR);

/// What a resumed endpoint's messages may still have to wait.
const LONGEST_HOLD: Duration = Duration::from_secs(5 * MINUTE);

/// How long to park a copy that has been parked `parks` times, or `None` if its time is used up.
pub(crate) fn step(parks: u32) -> Option<Duration> {
    let last = STEPS.len() - 1;
    let taken = usize::try_from(parks).unwrap_or(usize::MAX);
    let seconds: u64 = STEPS.iter().take(taken).sum();
    let repeats = u64::from(parks).saturating_sub(STEPS.len() as u64);
    let away = Duration::from_secs(seconds + repeats.saturating_mul(HOUR));
    (away < MAX_AGE).then(|| Duration::from_secs(STEPS[taken.min(last)]))
}

/// How long to put away a copy whose parks can't be counted, because the record knows only an
/// older generation: about as long again as the message is old.
pub(crate) fn step_by_age(age: Duration) -> Duration {
    age.clamp(Duration::from_secs(STEPS[0]), Duration::from_secs(HOUR))
}

/// How long to hold a copy whose endpoint has been paused for so long: about as long again, so
/// that a short pause ends soon for everybody and a long one costs the broker little.
pub(crate) fn hold(paused_for: Duration) -> Duration {
    paused_for.clamp(Duration::from_secs(STEPS[0]), LONGEST_HOLD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_grow_to_an_hour_and_stay_there() {
        let seconds = |parks| step(parks).unwrap().as_secs();
        let first: Vec<u64> = (0..8).map(seconds).collect();
        assert_eq!(first, [10, 30, 60, 300, 900, 3600, 3600, 3600]);
    }

    #[test]
    fn after_a_week_of_parking_there_is_no_further_step() {
        // 10 s + 30 s + 1 m + 5 m + 15 m are 1,300 s; hours follow until 604,800 s are reached.
        let full_hours = (604_800_u32 - 1_300).div_ceil(3_600);
        let parks = 5 + full_hours;
        assert!(step(parks - 1).is_some());
        assert_eq!(step(parks), None);
        assert_eq!(step(u32::MAX), None);
    }

    #[test]
    fn a_pause_is_looked_at_again_after_as_long_again_but_within_five_minutes() {
        let hold = |s| hold(Duration::from_secs(s)).as_secs();
        assert_eq!([hold(0), hold(60), hold(90_000)], [10, 60, 300]);
    }

    #[test]
    fn uncounted_parks_double_the_age_between_ten_seconds_and_an_hour() {
        let step = |s| step_by_age(Duration::from_secs(s)).as_secs();
        assert_eq!([step(0), step(60), step(90_000)], [10, 60, 3600]);
    }
}
