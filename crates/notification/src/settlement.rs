//! What the notifier tells the broker after an attempt: done, later, or never.
//!
//! Each attempt uses one rung and nothing else does: the rung is chosen by the attempt's number on
//! record, never by the broker's counter.

use std::time::Duration;

use crate::{DeadReason, Ladder, Verdict};

/// The longest that a receiver's `Retry-After` can stretch a rung.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// What the broker is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// The broker may forget the message.
    Ack,
    /// It shall come back after this delay.
    Defer(Duration),
    /// To the dead-letter queue.
    DeadLetter(DeadReason),
}

/// What else bears on the next rung.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Circumstances {
    /// How long ago the notification was first seen, for the ladder's maximum age.
    pub age: Duration,
    /// What the receiver asked for. It can lengthen a rung, never shorten it.
    pub retry_after: Option<Duration>,
    /// From 0 to 1: how much of the ladder's jitter the rung is lengthened by.
    pub dice: f64,
}

/// Decides by ladder, attempt (1 for the first) and verdict alone.
pub fn settlement(ladder: &Ladder, attempt: u32, verdict: Verdict) -> Settlement {
    settlement_in(ladder, attempt, verdict, Circumstances::default())
}

/// Decides with the circumstances taken in. A rung that would end beyond the ladder's maximum age
/// is not waited out: the ladder counts as used up. What lengthens a rung, the receiver's wish or
/// jitter, takes it to the maximum age at most and never costs an attempt.
pub fn settlement_in(
    ladder: &Ladder,
    attempt: u32,
    verdict: Verdict,
    circumstances: Circumstances,
) -> Settlement {
    match verdict {
        Verdict::Delivered => Settlement::Ack,
        Verdict::Rejected => Settlement::DeadLetter(DeadReason::Rejected),
        Verdict::Refused => match delay(ladder, attempt, circumstances) {
            Some(delay) => Settlement::Defer(delay),
            None => Settlement::DeadLetter(DeadReason::LadderUsedUp),
        },
    }
}

/// How long to wait after this attempt; `None` if it was the last.
fn delay(ladder: &Ladder, attempt: u32, circumstances: Circumstances) -> Option<Duration> {
    let rung = ladder.rung(attempt)?;
    let Circumstances {
        age,
        retry_after,
        dice,
    } = circumstances;
    let left = match ladder.max_age() {
        Some(max_age) => max_age.checked_sub(age).filter(|left| rung <= *left)?,
        None => Duration::MAX,
    };
    let with_jitter = ladder.rung_with_jitter(attempt, dice).unwrap_or(rung);
    let asked = retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
    Some(with_jitter.max(asked).min(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_ladder_of_three_rungs_gives_four_attempts() {
        let ladder: Ladder = "1s,2s,3s".parse().unwrap();
        let all: Vec<_> = (1..=5)
            .map(|attempt| settlement(&ladder, attempt, Verdict::Refused))
            .collect();
        let dead = Settlement::DeadLetter(DeadReason::LadderUsedUp);
        assert_eq!(
            all,
            [
                Settlement::Defer(s(1)),
                Settlement::Defer(s(2)),
                Settlement::Defer(s(3)),
                dead,
                dead
            ]
        );
    }

    #[test]
    fn delivery_and_rejection_settle_at_any_attempt() {
        let ladder: Ladder = "1s".parse().unwrap();
        for attempt in [1, 2, 100] {
            assert_eq!(
                settlement(&ladder, attempt, Verdict::Delivered),
                Settlement::Ack
            );
            assert_eq!(
                settlement(&ladder, attempt, Verdict::Rejected),
                Settlement::DeadLetter(DeadReason::Rejected)
            );
        }
    }

    #[test]
    fn retry_after_lengthens_and_never_shortens() {
        let ladder: Ladder = "10s".parse().unwrap();
        let after = |asked| {
            let circumstances = Circumstances {
                retry_after: Some(asked),
                ..Circumstances::default()
            };
            settlement_in(&ladder, 1, Verdict::Refused, circumstances)
        };
        assert_eq!(after(s(3)), Settlement::Defer(s(10)));
        assert_eq!(after(s(30)), Settlement::Defer(s(30)));
        assert_eq!(after(Duration::MAX), Settlement::Defer(LONGEST_RETRY_AFTER));
    }

    #[test]
    fn the_maximum_age_ends_a_ladder_with_rungs_left() {
        let ladder: Ladder = "10s 10s 10s max 25s".parse().unwrap();
        let at = |attempt, age| {
            let circumstances = Circumstances {
                age,
                ..Circumstances::default()
            };
            settlement_in(&ladder, attempt, Verdict::Refused, circumstances)
        };
        assert_eq!(at(2, s(15)), Settlement::Defer(s(10)));
        assert_eq!(
            at(2, s(16)),
            Settlement::DeadLetter(DeadReason::LadderUsedUp)
        );
    }

    #[test]
    fn what_lengthens_a_rung_takes_it_to_the_maximum_age_and_costs_no_attempt() {
        let ladder: Ladder = "10s 10s max 60s jitter 0.5".parse().unwrap();
        let at = |age, retry_after, dice| {
            let circumstances = Circumstances {
                age: s(age),
                retry_after: Some(s(retry_after)),
                dice,
            };
            settlement_in(&ladder, 1, Verdict::Refused, circumstances)
        };
        assert_eq!(at(0, 30, 0.0), Settlement::Defer(s(30)));
        assert_eq!(at(40, 3_600, 0.0), Settlement::Defer(s(20)));
        assert_eq!(at(0, 0, 1.0), Settlement::Defer(s(15)));
        assert_eq!(at(48, 0, 1.0), Settlement::Defer(s(12)));
        let dead = Settlement::DeadLetter(DeadReason::LadderUsedUp);
        assert_eq!(at(51, 0, 0.0), dead);
        assert_eq!(at(61, 0, 0.0), dead);
    }

    #[test]
    fn no_dice_shortens_a_rung() {
        let ladder: Ladder = "10s jitter 0.1".parse().unwrap();
        for dice in [-1.0, 0.0, 0.3, 1.0, 7.0, f64::NAN] {
            let circumstances = Circumstances {
                dice,
                ..Circumstances::default()
            };
            match settlement_in(&ladder, 1, Verdict::Refused, circumstances) {
                Settlement::Defer(delay) => assert!((s(10)..=s(11)).contains(&delay), "{dice}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
