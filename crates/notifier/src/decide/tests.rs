//! The table, line by line, and the places where two lines could both fit.

use notification::{Group, NotificationState as State};

use super::*;
use crate::copy::tests::copy;

const NOW: i64 = 1_700_000_000_000;
const RULES: Rules = Rules {
    crashes_workers_after: 50,
    longest_deferral: HALF_A_DAY,
};
const HALF_A_DAY: Duration = Duration::from_secs(12 * 3600);

fn row(state: State) -> Standing {
    Standing {
        state,
        generation: 0,
        attempts: 2,
        parks: 1,
        parked_ms: 10_000,
        next_due_ms: None,
        first_seen_ms: NOW - 60_000,
        seen: true,
    }
}

fn waiting(due_in_ms: i64) -> Standing {
    Standing {
        next_due_ms: Some(NOW + due_in_ms),
        ..row(State::Waiting)
    }
}

fn alone(copy: &Copy, row: Option<&Standing>) -> Decision {
    decide(copy, row, Presence::Alone, RULES, NOW)
}

fn generation(generation: u32) -> Copy {
    Copy {
        generation,
        ..copy()
    }
}

#[test]
fn what_the_filter_leaves_out_is_skipped_unless_it_has_a_row_or_is_a_resend() {
    let unwanted = |generation| Copy {
        reading: Reading::Unwanted,
        generation,
        ..copy()
    };
    assert_eq!(alone(&unwanted(0), None), Decision::Skip);
    let rings = |decision| matches!(decision, Decision::Ring { .. });
    assert!(rings(alone(&unwanted(0), Some(&waiting(0)))));
    assert!(rings(alone(&unwanted(1), None)));
    assert_eq!(
        alone(&unwanted(0), Some(&row(State::Skipped))),
        Decision::Finished
    );
    let twin = decide(&unwanted(0), None, Presence::Twin, RULES, NOW);
    assert_eq!(twin, Decision::AfterTwin);
}

#[test]
fn a_resend_for_another_group_is_not_ours_whatever_the_record_says() {
    let other = Copy {
        for_group: Some(Group::new("elsewhere").unwrap()),
        ..copy()
    };
    assert_eq!(alone(&other, None), Decision::NotOurs);
    assert_eq!(alone(&other, Some(&waiting(0))), Decision::NotOurs);
    let ours = Copy {
        for_group: Some(copy().key.group),
        ..copy()
    };
    assert!(matches!(alone(&ours, None), Decision::Ring { .. }));
}

#[test]
fn the_first_sight_of_a_notification_rings_it() {
    let first = Decision::Ring {
        number: 1,
        not_before_ms: NOW,
    };
    assert_eq!(alone(&copy(), None), first);
    assert_eq!(alone(&generation(3), None), first, "a record that was lost");
}

#[test]
fn what_is_final_is_acknowledged_and_never_rung() {
    for state in [State::Delivered, State::Skipped, State::Cancelled] {
        for c in [0, 1, 7] {
            let decision = alone(&generation(c), Some(&row(state)));
            assert_eq!(decision, Decision::Finished, "{state:?} {c}");
        }
    }
}

#[test]
fn a_dead_generation_is_looked_after_in_the_dead_letter_topic() {
    assert_eq!(
        alone(&copy(), Some(&row(State::Dead))),
        Decision::SeeToLetter
    );
    let resent = Standing {
        generation: 1,
        ..waiting(0)
    };
    assert_eq!(alone(&copy(), Some(&resent)), Decision::SeeToLetter);
    assert!(matches!(
        alone(&generation(1), Some(&resent)),
        Decision::Ring { .. }
    ));
}

#[test]
fn a_copy_newer_than_the_record_waits_for_an_operator() {
    for state in [State::Waiting, State::Dead] {
        let decision = alone(&generation(1), Some(&row(state)));
        assert_eq!(decision, Decision::RecordBehind, "{state:?}");
    }
}

#[test]
fn of_two_copies_in_one_process_one_waits() {
    let twin = |row: Option<&Standing>| decide(&copy(), row, Presence::Twin, RULES, NOW);
    assert_eq!(twin(None), Decision::AfterTwin);
    assert_eq!(twin(Some(&waiting(0))), Decision::AfterTwin);
    assert_eq!(twin(Some(&row(State::Dead))), Decision::AfterTwin);
    assert_eq!(twin(Some(&row(State::Delivered))), Decision::Finished);
}

#[test]
fn what_is_not_due_goes_back_until_it_is() {
    for ms in [5_001, 48 * 3_600_000] {
        let decision = alone(&copy(), Some(&waiting(ms)));
        let until = Decision::NotDue { due_ms: NOW + ms };
        assert_eq!(decision, until);
    }
}

#[test]
fn what_came_as_early_as_it_may_have_been_asked_for_waits_here() {
    let ring = Decision::Ring {
        number: 3,
        not_before_ms: NOW + 5_000,
    };
    assert_eq!(alone(&copy(), Some(&waiting(5_000))), ring);
}

#[test]
fn the_attempt_is_numbered_after_those_on_record() {
    let overdue = alone(&copy(), Some(&waiting(-5_000)));
    assert!(matches!(overdue, Decision::Ring { number: 3, .. }));
}

#[test]
fn a_known_format_that_is_malformed_dies_and_an_unknown_one_is_parked() {
    let read_as = |reading| Copy { reading, ..copy() };
    assert_eq!(
        alone(&read_as(Reading::Malformed), None),
        Decision::Die(DeadReason::Malformed)
    );
    let newer = read_as(Reading::NewerFormat);
    let park = Decision::Park(ParkReason::NewerFormat);
    assert_eq!(alone(&newer, None), park);
    let old = Standing {
        parked_ms: 7 * 86_400_000,
        ..waiting(0)
    };
    assert_eq!(
        alone(&newer, Some(&old)),
        Decision::Die(DeadReason::ParkedTooLong)
    );
}

#[test]
fn only_unexplained_deliveries_count_towards_crashes() {
    let delivered = |delivery_attempt| Copy {
        delivery_attempt,
        ..copy()
    };
    let crashes = Decision::Die(DeadReason::CrashesWorkers);
    assert_eq!(alone(&delivered(50), None), crashes);
    assert_ne!(alone(&delivered(49), None), crashes);
    // Two attempts and one park are on record.
    assert_ne!(alone(&delivered(52), Some(&waiting(0))), crashes);
    assert_eq!(alone(&delivered(53), Some(&waiting(0))), crashes);
    let off = Rules {
        crashes_workers_after: 0,
        ..RULES
    };
    let decision = decide(&delivered(999), None, Presence::Alone, off, NOW);
    assert!(matches!(decision, Decision::Ring { .. }));
}
