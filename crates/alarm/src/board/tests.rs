use super::*;

pub(super) const RULES: Rules = Rules {
    wait: Duration::from_secs(10),
    interval: Duration::from_secs(60),
    repeat: Duration::from_secs(3600),
    quiet: Duration::from_secs(900),
};

const S: i64 = 1000;

fn event(name: &str, endpoint: &str, at_ms: i64) -> Event {
    Event {
        name: name.to_owned(),
        at_ms,
        fields: BTreeMap::from([("endpoint".to_owned(), endpoint.to_owned())]),
    }
}

/// Lets a board hear and tell, second by second.
fn told(board: &mut Board, from_s: i64, to_s: i64) -> Vec<(i64, Notice)> {
    (from_s..to_s)
        .flat_map(|s| board.due(s * S).into_iter().map(move |notice| (s, notice)))
        .collect()
}

#[test]
fn an_outage_of_a_thousand_events_is_one_alarm_and_one_end() {
    let mut board = Board::new(RULES);
    for n in 0..1000 {
        board.hear(event("endpoint_failing", "bank2", n * 30));
    }
    let first = told(&mut board, 0, 300);
    assert_eq!(first.len(), 1, "{first:?}");
    assert_eq!((first[0].0, first[0].1.subjects[0].count), (10, 1000));
    board.hear(event("endpoint_recovered", "bank2", 300 * S));
    let last = told(&mut board, 300, 10_000);
    assert_eq!(last.len(), 1, "{last:?}");
    assert_eq!(last[0].1.state, State::Resolved);
    assert!(board.is_empty());
}

#[test]
fn a_thousand_endpoints_that_fail_one_after_another_are_one_notice_an_interval() {
    let mut board = Board::new(RULES);
    let mut notices = Vec::new();
    for s in 0..1000 {
        board.hear(event("endpoint_failing", &format!("e{s}"), s * S));
        notices.extend(board.due(s * S));
    }
    assert!(notices.len() <= 1 + 1000 / 60, "{}", notices.len());
    assert_eq!(notices.last().map(|notice| notice.firing > 900), Some(true));
    let longest = notices.iter().map(|notice| notice.subjects.len()).max();
    assert_eq!(longest, Some(Notice::MOST_SUBJECTS));
    assert!(notices.iter().any(|notice| notice.left_out > 0));
}

#[test]
fn what_ends_before_it_is_told_is_not_told() {
    let mut board = Board::new(RULES);
    board.hear(event("record_store_down", "", 0));
    board.hear(event("record_store_up", "", 5 * S));
    assert_eq!(told(&mut board, 0, 100), []);
}

#[test]
fn an_alarm_without_an_end_is_over_after_quiet_and_not_before() {
    let mut board = Board::new(RULES);
    board.hear(event("dead_letter_receiver", "bank2", 0));
    assert_eq!(told(&mut board, 0, 500).len(), 1);
    board.hear(event("dead_letter_receiver", "bank2", 500 * S));
    assert_eq!(told(&mut board, 500, 1399), [], "heard again at 500");
    let end = told(&mut board, 1399, 2000);
    assert_eq!(end.len(), 1);
    assert_eq!((end[0].0, end[0].1.firing), (1400, 0));
    assert_eq!(end[0].1.subjects[0].count, 2);
}

#[test]
fn what_goes_on_is_told_again_after_repeat() {
    let mut board = Board::new(RULES);
    board.hear(event("endpoint_failing", "bank2", 0));
    let times: Vec<i64> = told(&mut board, 0, 7300).iter().map(|(s, _)| *s).collect();
    assert_eq!(times, [10, 3610, 7210]);
}

#[test]
fn the_end_of_one_subject_leaves_the_others_firing() {
    let mut board = Board::new(RULES);
    board.hear(event("endpoint_failing", "a", 0));
    board.hear(event("endpoint_failing", "b", 0));
    assert_eq!(told(&mut board, 0, 20)[0].1.firing, 2);
    board.hear(event("endpoint_recovered", "a", 30 * S));
    let notices = told(&mut board, 30, 200);
    assert_eq!(notices.len(), 1);
    let notice = &notices[0].1;
    assert_eq!((notice.state, notice.firing), (State::Firing, 1));
    assert_eq!(notice.subjects[0].about, "endpoint=a");
    assert_eq!(notice.subjects[0].state, State::Resolved);
}

#[test]
fn an_event_that_is_no_alarm_is_passed_over() {
    let mut board = Board::new(RULES);
    board.hear(event("notifier_started", "bank2", 0));
    assert!(board.is_empty());
}

#[test]
fn an_alarm_that_comes_back_at_once_is_kept_back_for_the_interval() {
    let mut board = Board::new(RULES);
    let mut notices = 0;
    for s in 0..600 {
        let name = ["endpoint_failing", "endpoint_recovered"][usize::try_from(s % 2).unwrap()];
        board.hear(event(name, "flaps", s * S));
        notices += board.due(s * S).len();
    }
    assert!(notices <= 11, "{notices}");
}

#[test]
fn subjects_beyond_the_bound_are_counted_together() {
    let mut board = Board::new(RULES);
    let many = i64::try_from(MOST_SUBJECTS).unwrap() + 50;
    for n in 0..many {
        board.hear(event("dead_letter_receiver", &format!("e{n}"), 0));
    }
    let notices = board.due(20 * S);
    assert_eq!(notices[0].firing, MOST_SUBJECTS + 1);
}

#[test]
fn a_clock_that_was_set_back_keeps_nothing_quiet() {
    let (mut board, back) = (Board::new(RULES), 8 * 3600);
    board.hear(event("endpoint_failing", "bank2", back * S));
    assert_eq!(told(&mut board, back, back + 60).len(), 1);
    board.hear(event("endpoint_failing", "bank3", 0));
    let notices = told(&mut board, 0, 61);
    assert_eq!(notices.len(), 1, "{notices:?}");
}
