use std::collections::BTreeMap;

use super::*;
use crate::setup::found::{FoundGroup, FoundTopic, Place};

fn seconds(list: &[u64]) -> Vec<Duration> {
    list.iter().copied().map(Duration::from_secs).collect()
}

fn wanted() -> Wanted {
    let group = WantedGroup {
        topics: ["topic_txmsg".to_owned()].into(),
        delays: seconds(&[10, 30]),
        retry_max_times: 1000,
    };
    Wanted {
        topics: BTreeMap::from([("topic_txmsg".to_owned(), TopicKind::Transaction)]),
        groups: BTreeMap::from([("bank2".to_owned(), group)]),
    }
}

fn in_topic() -> (String, String) {
    ("bank2".to_owned(), "topic_txmsg".to_owned())
}

fn topic_on(broker: &str) -> FoundTopic {
    FoundTopic {
        name: "topic_txmsg".into(),
        kind: TopicKind::Transaction,
        queues: 16,
        broker: broker.into(),
    }
}

fn group_on(broker: &str) -> FoundGroup {
    FoundGroup {
        name: "bank2".into(),
        retry_max_times: 1000,
        delays: seconds(&[10, 30]),
        consume_enabled: true,
        broker: broker.into(),
    }
}

fn nothing() -> Found {
    Found {
        brokers: ["broker-a".to_owned()].into(),
        ..Found::default()
    }
}

fn all() -> Found {
    Found {
        topics: vec![topic_on("broker-a")],
        groups: vec![group_on("broker-a")],
        places: [(in_topic(), Place::default())].into(),
        ..nothing()
    }
}

fn actions(found: &Found) -> Vec<Action> {
    let changes = plan(&wanted(), found, History::Received).unwrap();
    changes.iter().map(|change| change.action).collect()
}

#[test]
fn on_an_empty_broker_everything_is_made_and_has_its_place() {
    let changes = plan(&wanted(), &nothing(), History::Received).unwrap();
    let lines: Vec<_> = changes
        .iter()
        .map(|change| {
            (
                change.subject.as_str(),
                change.action,
                change.detail.as_str(),
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            (
                "topic topic_txmsg",
                Action::Created,
                "TRANSACTION, 8 queues"
            ),
            (
                "group bank2",
                Action::Created,
                "policy 10s 30s, retryMaxTimes 1000"
            ),
            (
                "group bank2",
                Action::Begun,
                "begins in topic_txmsg with the first message that comes"
            ),
        ]
    );
    assert!(changes.iter().all(|change| change.step.is_some()));
}

#[test]
fn where_all_is_as_wanted_there_is_nothing_to_do() {
    let changes = plan(&wanted(), &all(), History::Received).unwrap();
    assert!(
        changes
            .iter()
            .all(|change| change.action == Action::Unchanged && change.step.is_none())
    );
    assert_eq!(changes.len(), 3);
}

#[test]
fn another_policy_and_too_few_redeliveries_are_changed() {
    let mut found = all();
    found.groups[0].delays = seconds(&[1, 5]);
    found.groups[0].retry_max_times = 16;
    let changes = plan(&wanted(), &found, History::Received).unwrap();
    assert_eq!(changes[1].action, Action::Changed);
    assert_eq!(
        changes[1].detail,
        "policy 1s 5s -> 10s 30s; retryMaxTimes 16 -> 1000"
    );
    let Some(Step::CreateGroup(spec)) = &changes[1].step else {
        panic!("{changes:?}");
    };
    assert_eq!((spec.retry_max_times, spec.delays.len()), (1000, 2));
}

#[test]
fn more_redeliveries_than_needed_are_left_alone() {
    let mut found = all();
    found.groups[0].retry_max_times = 5000;
    assert_eq!(actions(&found), [Action::Unchanged; 3]);
    found.groups[0].delays = vec![];
    let changes = plan(&wanted(), &found, History::Received).unwrap();
    assert_eq!(
        changes[1].detail,
        "policy none (the broker's own) -> 10s 30s"
    );
    let Some(Step::CreateGroup(spec)) = &changes[1].step else {
        panic!("{changes:?}");
    };
    assert_eq!(spec.retry_max_times, 5000);
}

#[test]
fn a_second_broker_gets_what_it_lacks_and_the_first_loses_no_queue() {
    let mut found = all();
    found.brokers.insert("broker-b".into());
    let changes = plan(&wanted(), &found, History::Received).unwrap();
    assert_eq!(changes[0].detail, "TRANSACTION, 16 queues, on broker-b");
    let Some(Step::CreateTopic(spec)) = &changes[0].step else {
        panic!("{changes:?}");
    };
    assert_eq!(spec.queues, 16);
    assert_eq!(
        changes[1].detail,
        "policy 10s 30s, retryMaxTimes 1000, on broker-b"
    );
}

#[test]
fn a_group_that_begins_late_is_told_what_lies_there() {
    let mut found = all();
    let place = Place {
        open: 1,
        history: 1190,
    };
    found.places.insert(in_topic(), place);
    for (history, detail) in [
        (
            History::Received,
            "begins in topic_txmsg before the 1,190 messages there: receives them, too",
        ),
        (
            History::Skipped,
            "begins in topic_txmsg behind the 1,190 messages there: never receives them",
        ),
    ] {
        let change = plan(&wanted(), &found, history).unwrap().remove(2);
        assert_eq!((change.action, &*change.detail), (Action::Begun, detail));
        let Some(Step::Begin { history: step, .. }) = change.step else {
            panic!("{change:?}");
        };
        assert_eq!(step, history);
    }
}

#[test]
fn a_group_is_alike_on_all_brokers() {
    let mut found = all();
    found.brokers.insert("broker-b".into());
    found.topics.push(topic_on("broker-b"));
    found.groups.push(FoundGroup {
        retry_max_times: 5000,
        ..group_on("broker-b")
    });
    let change = plan(&wanted(), &found, History::Received)
        .unwrap()
        .remove(1);
    assert_eq!(
        (change.action, &*change.detail),
        (Action::Changed, "retryMaxTimes 1000 -> 5000")
    );
}

#[test]
fn what_can_not_be_changed_safely_is_an_error_that_says_what_to_do() {
    let mut found = all();
    found.topics[0].kind = TopicKind::Normal;
    found.groups[0].consume_enabled = false;
    let failure = plan(&wanted(), &found, History::Received).unwrap_err();
    for part in [
        "topic topic_txmsg exists as NORMAL on broker-a, and TRANSACTION is needed",
        "mqadmin deleteTopic",
        "group bank2 is switched off on broker-a",
        "mqadmin updateSubGroup",
    ] {
        assert!(failure.message.contains(part), "{part} in:\n{failure}");
    }
    found.embedded = true;
    found.groups.clear();
    let failure = plan(&wanted(), &found, History::Received).unwrap_err();
    assert!(!failure.message.contains("mqadmin"), "{failure}");
    assert!(failure.message.contains("name another topic"), "{failure}");
}

#[test]
fn long_policies_are_cut_in_the_middle() {
    let ladder = notification::Ladder::default();
    assert_eq!(policy(ladder.rungs()), "10s 30s 1m … 2h (16 rungs)");
    assert_eq!(policy(&seconds(&[1, 2, 3, 90])), "1s 2s 3s 1m30s");
}
