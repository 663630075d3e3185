use super::*;
use crate::copy::tests::copy;

const NOW: i64 = 1_700_000_000_000;
const DUE: i64 = NOW + 7_000;

fn key(number: usize) -> Key {
    let tx_no = format!("0198f3c2-7a41-7c10-9b1e-{number:012x}");
    Key {
        tx_no: tx_no.parse().unwrap(),
        ..copy().key
    }
}

/// One copy for each lateness in milliseconds, asked for and come back one after the other.
fn measured(late_ms: impl IntoIterator<Item = i64>) -> Lateness {
    let lateness = Lateness::new(1024);
    learn(&lateness, late_ms);
    lateness
}

fn learn(lateness: &Lateness, late_ms: impl IntoIterator<Item = i64>) {
    for (number, late_ms) in late_ms.into_iter().enumerate() {
        ask(lateness, number, NOW + 5_000, NOW);
        come(lateness, number, DUE, NOW + 5_000 + late_ms);
    }
}

fn ask(lateness: &Lateness, number: usize, back_ms: i64, now_ms: i64) {
    let asked = Asked {
        due_ms: DUE,
        back_ms,
    };
    lateness.asked(&key(number), asked, now_ms);
}

fn come(lateness: &Lateness, number: usize, due_ms: i64, now_ms: i64) {
    lateness.came([(&key(number), due_ms)].into_iter(), now_ms);
}

fn head_start_ms(lateness: &Lateness) -> u128 {
    lateness.head_start().as_millis()
}

#[test]
fn what_is_usual_is_known_after_a_few_and_is_what_nine_of_ten_are_late_by() {
    let too_few = measured([1_000; ENOUGH - 1]);
    assert_eq!(too_few.usual(), None);
    assert_eq!(too_few.head_start(), PRESUMED);
    assert_eq!(head_start_ms(&measured([1_000; ENOUGH])), 1_000);
    let mixed = [0, 3_500, 100, 200, 300, 1_500, 1_600, 3_000, 2_500, 9_000];
    assert_eq!(head_start_ms(&measured(mixed)), 3_500);
}

#[test]
fn a_broker_that_is_early_as_a_rule_needs_no_head_start() {
    assert_eq!(head_start_ms(&measured([-700; 20])), 0);
}

#[test]
fn no_more_than_a_part_of_the_permits_is_spent_on_waiting() {
    let (lateness, now) = (Lateness::new(1024), Instant::now());
    let spent = |at: Duration| (0..1024).filter(|_| lateness.may_wait(now + at)).count();
    let at_once = spent(Duration::from_millis(1));
    assert!((60..=66).contains(&at_once), "{at_once}");
    let then = spent(Duration::from_secs(1));
    assert!((31..=33).contains(&then), "{then}");
    let after_a_rest = spent(Duration::from_secs(3600));
    assert!((60..=66).contains(&after_a_rest), "{after_a_rest}");
}

#[test]
fn the_head_start_is_bounded() {
    let longest = LONGEST_HEAD_START.as_millis();
    assert_eq!(head_start_ms(&measured([9_000; 20])), longest);
}

#[test]
fn what_an_outage_or_a_backlog_held_up_is_not_usual() {
    let lateness = measured([1_500; 20]);
    learn(&lateness, [HELD_UP_MS + 1; REMEMBERED]);
    assert_eq!(head_start_ms(&lateness), 1_500);
}

#[test]
fn another_broker_is_learned_anew() {
    let lateness = measured([1_500; REMEMBERED]);
    learn(&lateness, [20; REMEMBERED - REMEMBERED / 10]);
    assert_eq!(head_start_ms(&lateness), 20);
}

#[test]
fn what_nobody_asked_for_is_no_measurement() {
    let lateness = Lateness::new(1024);
    come(&lateness, 0, DUE, NOW);
    ask(&lateness, 1, NOW, NOW);
    come(&lateness, 0, DUE, NOW + 2_000);
    assert!(lateness.measured().late_ms.is_empty());
}

#[test]
fn what_somebody_else_has_had_meanwhile_is_no_measurement() {
    let lateness = Lateness::new(1024);
    ask(&lateness, 0, NOW, NOW);
    come(&lateness, 0, DUE + 1, NOW + 2_000);
    come(&lateness, 0, DUE, NOW + 2_000);
    assert!(lateness.measured().late_ms.is_empty());
}

#[test]
fn what_came_long_before_it_was_asked_for_came_for_another_reason() {
    let lateness = measured([OTHERWISE_MS - 1; 20]);
    assert_eq!(lateness.usual(), None);
}

#[test]
fn of_too_many_the_soonest_are_awaited() {
    let lateness = Lateness::new(1024);
    for number in 0..AWAITED * 2 {
        let back_ms = NOW + 7_200_000 - i64::try_from(number).unwrap();
        ask(&lateness, number, back_ms, NOW);
    }
    let awaits = |number| lateness.measured().awaited.contains_key(&key(number));
    assert_eq!(lateness.measured().awaited.len(), AWAITED);
    assert!(!awaits(AWAITED - 1));
    assert!(awaits(AWAITED));
    ask(&lateness, 0, NOW + 7_200_001, NOW);
    assert!(!awaits(0), "later than all");
}

#[test]
fn those_that_never_came_back_make_room() {
    let lateness = Lateness::new(1024);
    for number in 0..AWAITED {
        ask(&lateness, number, NOW, NOW);
    }
    let now_ms = NOW + HELD_UP_MS + 1;
    ask(&lateness, AWAITED, now_ms + 3_600_000, now_ms);
    assert_eq!(lateness.measured().awaited.len(), 1);
}
