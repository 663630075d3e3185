use std::collections::BTreeMap;
use std::time::Duration;

use database::Schema;
use rocketmq::TopicKind;

use super::evidence::{
    BrokerFacts, DatabaseFacts, DeadFacts, Deadlines, LetterId, NodeFacts, ServiceFacts, Unreached,
};
use super::*;
use crate::setup::found::{FoundGroup, FoundTopic, Place};
use crate::setup::wanted::WantedGroup;
use crate::setup::{Found, Wanted};

const HOUR: i64 = 3_600_000;
const NOW: i64 = 1_772_600_000_000;

fn in_topic() -> (String, String) {
    ("bank2".to_owned(), "topic_txmsg".to_owned())
}

fn seconds(list: &[u64]) -> Vec<Duration> {
    list.iter().copied().map(Duration::from_secs).collect()
}

fn node() -> NodeFacts {
    let settings = [
        ("flushDiskType", "SYNC_FLUSH"),
        ("fileReservedTime", "72"),
        ("transactionTimeOut", "6000"),
        ("transactionCheckInterval", "30000"),
        ("transactionCheckMax", "15"),
    ];
    NodeFacts {
        name: "broker-a".into(),
        address: "127.0.0.1:10911".into(),
        version: Ok(Some("V5_5_1".into())),
        settings: Ok(settings
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()),
    }
}

fn letter(end: &str) -> LetterId {
    (
        "bank2".into(),
        "bank1".into(),
        format!("0198f3c2-91d0-7aa3-8c02-{end}"),
        0,
    )
}

/// A system in which nothing is wrong.
fn healthy() -> Evidence {
    let wanted = WantedGroup {
        topics: ["topic_txmsg".to_owned()].into(),
        delays: seconds(&[10, 30]),
        retry_max_times: 1000,
    };
    let schema = Schema {
        name: "notifier",
        version: 3,
        pending: vec![],
        unknown: vec![],
    };
    Evidence {
        now_ms: NOW,
        under_way: Duration::from_secs(140),
        config: "ringback.toml".into(),
        wanted: Wanted {
            topics: BTreeMap::from([("topic_txmsg".to_owned(), TopicKind::Transaction)]),
            groups: BTreeMap::from([("bank2".to_owned(), wanted)]),
        },
        initiator: Some(Deadlines {
            transaction: Duration::from_secs(25),
            check_back_after: Duration::from_secs(30),
        }),
        crashes_workers_after: 50,
        grpc: ("127.0.0.1:8081".into(), Ok(())),
        broker: Some(Ok(BrokerFacts {
            found: Found {
                brokers: ["broker-a".to_owned()].into(),
                topics: vec![FoundTopic {
                    name: "topic_txmsg".into(),
                    kind: TopicKind::Transaction,
                    queues: 8,
                    broker: "broker-a".into(),
                }],
                groups: vec![FoundGroup {
                    name: "bank2".into(),
                    retry_max_times: 1000,
                    delays: seconds(&[10, 30]),
                    consume_enabled: true,
                    broker: "broker-a".into(),
                }],
                places: [(in_topic(), Place::default())].into(),
                embedded: false,
            },
            nodes: vec![node()],
            out_of_checks: Ok(0),
            clock_ahead_ms: Some(0),
        })),
        databases: vec![DatabaseFacts {
            service: "notifier".into(),
            schemas: Ok(Some(vec![schema])),
        }],
        services: vec![ServiceFacts {
            name: "notifier".into(),
            url: "http://127.0.0.1:8190".into(),
            lacks: Ok(vec![]),
            clock_ahead_ms: Some(0),
        }],
        endpoints: vec![("bank2".into(), "127.0.0.1:8182".into(), Ok(()))],
        dead: Some(Ok(DeadFacts {
            forwarded: [(letter("000000000001"), NOW - HOUR)].into(),
            known: [letter("000000000001")].into(),
            in_topic: [(letter("000000000001"), NOW - HOUR)].into(),
            ..DeadFacts::default()
        })),
    }
}

/// What is not well after `change`: level, subject and how it is.
fn after(change: impl FnOnce(&mut Evidence)) -> Vec<(Level, String, String)> {
    let mut evidence = healthy();
    change(&mut evidence);
    let found = findings(&evidence).into_iter();
    let ill = found.filter(|finding| finding.level != Level::Ok);
    ill.map(|finding| {
        // Whoever is told of something bad is told what to do about it.
        let mendable = finding.level == Level::Unknown || finding.fix.is_some();
        assert!(mendable, "{finding:?}");
        (finding.level, finding.subject, finding.is)
    })
    .collect()
}

/// The only finding after `change`.
fn only(change: impl FnOnce(&mut Evidence)) -> (Level, String, String) {
    let mut ill = after(change);
    assert_eq!(ill.len(), 1, "{ill:?}");
    ill.remove(0)
}

fn facts(evidence: &mut Evidence) -> &mut BrokerFacts {
    evidence.broker.as_mut().unwrap().as_mut().unwrap()
}

fn embedded(evidence: &mut Evidence) {
    facts(evidence).found.embedded = true;
    facts(evidence).nodes[0].version = Ok(Some("EMBEDDED_0_1_0".into()));
}

fn set(evidence: &mut Evidence, name: &str, value: &str) {
    let settings = facts(evidence).nodes[0].settings.as_mut().unwrap();
    settings.insert(name.to_owned(), value.to_owned());
}

#[test]
fn a_healthy_system_has_nothing_to_mend() {
    assert_eq!(after(|_| {}), []);
}

#[test]
fn a_broker_that_is_away_is_a_failure_at_either_port() {
    let (level, subject, is) = only(|e| e.grpc.1 = Err("refused".into()));
    assert_eq!(
        (level, subject.as_str(), is.as_str()),
        (Level::Fail, "broker gRPC", "refused")
    );
    let (level, subject, _) = only(|e| e.broker = Some(Err("refused".into())));
    assert_eq!(
        (level, subject.as_str()),
        (Level::Fail, "broker administration")
    );
    let (level, subject, _) = only(|e| e.broker = None);
    assert_eq!(
        (level, subject.as_str()),
        (Level::Warn, "broker administration")
    );
}

#[test]
fn known_faults_of_versions_are_told() {
    let version = |said: &'static str| {
        move |e: &mut Evidence| facts(e).nodes[0].version = Ok(Some(said.into()))
    };
    let (level, _, is) = only(version("V5_5_0"));
    assert_eq!(level, Level::Warn);
    assert!(is.contains("one core spins"), "{is}");
    let (level, _, is) = only(version("V5_4_0"));
    assert_eq!(level, Level::Fail);
    assert!(is.contains("counts as a delivery"), "{is}");
    let (level, _, _) = only(|e| {
        version("V5_4_0")(e);
        e.crashes_workers_after = 0;
    });
    assert_eq!(level, Level::Warn);
    let (level, ..) = only(|e| facts(e).nodes[0].version = Err("no answer".into()));
    assert_eq!(level, Level::Unknown);
}

#[test]
fn what_init_would_do_is_what_is_wrong() {
    let (level, subject, is) = only(|e| facts(e).found.groups[0].delays = seconds(&[1, 5]));
    assert_eq!(
        (level, subject.as_str(), is.as_str()),
        (Level::Fail, "group bank2", "differs")
    );
    let (level, ..) = only(|e| facts(e).found.groups[0].retry_max_times = 16);
    assert_eq!(level, Level::Fail);
    let (level, subject, is) = only(|e| facts(e).found.topics.clear());
    assert_eq!(
        (level, subject.as_str(), is.as_str()),
        (Level::Fail, "topic topic_txmsg", "missing")
    );
    let (level, _, is) = only(|e| facts(e).found.topics[0].kind = TopicKind::Normal);
    assert_eq!(level, Level::Fail);
    assert!(is.contains("exists as NORMAL"), "{is}");
}

#[test]
fn a_group_without_a_place_is_told_and_what_lies_before_it() {
    let without = |history| {
        move |e: &mut Evidence| {
            let place = Place { open: 8, history };
            facts(e).found.places.insert(in_topic(), place);
        }
    };
    let (level, subject, _) = only(without(0));
    assert_eq!((level, subject.as_str()), (Level::Warn, "group bank2"));
    let (level, _, is) = only(without(1190));
    assert_eq!(level, Level::Fail);
    assert!(is.contains("where 1,190 messages lie"), "{is}");
    // The embedded broker begins with the first message that lies there.
    let ill = after(|e| {
        without(1190)(e);
        embedded(e);
    });
    assert_eq!(ill, []);
}

#[test]
fn settings_that_lose_messages_are_told() {
    let (level, subject, _) = only(|e| set(e, "flushDiskType", "ASYNC_FLUSH"));
    assert_eq!(
        (level, subject.as_str()),
        (Level::Warn, "broker-a flushDiskType")
    );
    let (level, ..) = only(|e| facts(e).nodes[0].settings = Err("no answer".into()));
    assert_eq!(level, Level::Unknown);
    let silent = after(|e| facts(e).nodes[0].settings = Ok(BTreeMap::new()));
    assert!(
        silent.iter().all(|(level, ..)| *level == Level::Unknown),
        "{silent:?}"
    );
    assert_eq!(silent.len(), 3);
}

#[test]
fn a_wait_that_outlasts_the_retention_is_told() {
    let after = |rungs: &[u64], hours: &str| {
        after(|e| {
            let group = e.wanted.groups.get_mut("bank2").unwrap();
            group.delays = seconds(rungs);
            facts(e).found.groups[0].delays = seconds(rungs);
            set(e, "fileReservedTime", hours);
        })
    };
    let hours = |hours: u64| hours * 3600;
    // Many rungs may last longer than the retention, as each is written anew; one may not.
    assert_eq!(after(&[hours(2); 40], "5"), []);
    for (rung, kept, level) in [
        (2, "4", Level::Warn),
        (2, "2", Level::Fail),
        // It is cut into pieces of 12 h.
        (80, "12", Level::Fail),
        (80, "24", Level::Warn),
    ] {
        let ill = after(&[hours(rung)], kept);
        let [(was, subject, _)] = ill.as_slice() else {
            panic!("{ill:?}");
        };
        assert_eq!(
            (*was, subject.as_str()),
            (level, "broker-a fileReservedTime")
        );
    }
    assert_eq!(after(&[10], &u64::MAX.to_string()), []);
}

#[test]
fn the_embedded_broker_is_mended_by_its_configuration_and_tells_its_retention_exactly() {
    let mut evidence = healthy();
    embedded(&mut evidence);
    for (name, value) in [
        ("retentionMs", "5400000"),
        ("fileReservedTime", "2"),
        ("transactionCheckInterval", "2000"),
        ("flushDiskType", "SYNC_FLUSH"),
    ] {
        set(&mut evidence, name, value);
    }
    facts(&mut evidence).found.topics[0].kind = TopicKind::Normal;
    let found = findings(&evidence);
    assert!(
        found
            .iter()
            .any(|f| f.subject == "broker-a retention" && f.is.starts_with("1h 30m"))
    );
    for finding in &found {
        let text = format!("{} {:?}", finding.is, finding.fix);
        assert!(!text.contains("mqadmin"), "{text}");
    }
}

#[test]
fn settings_of_any_size_are_reckoned_with() {
    let most = u64::MAX.to_string();
    let ill = after(|e| {
        set(e, "transactionCheckInterval", &most);
        set(e, "transactionCheckMax", "4294967295");
        set(e, "fileReservedTime", &most);
    });
    assert_eq!(ill, []);
}

#[test]
fn check_backs_that_end_too_soon_or_come_too_quickly_are_told() {
    let ill = after(|e| {
        set(e, "transactionCheckInterval", "2000");
        set(e, "transactionCheckMax", "15");
    });
    let subjects: Vec<&str> = ill.iter().map(|(_, subject, _)| subject.as_str()).collect();
    assert_eq!(
        subjects,
        ["broker-a check-backs", "broker-a transactionCheckInterval"]
    );
    let (level, subject, _) = only(|e| {
        set(e, "transactionCheckInterval", "2000");
        facts(e).nodes[0].version = Ok(Some("EMBEDDED_0_1_0".into()));
    });
    assert_eq!(
        (level, subject.as_str()),
        (Level::Warn, "broker-a check-backs")
    );
}

#[test]
fn halves_out_of_checks_are_told() {
    let (level, subject, is) = only(|e| facts(e).out_of_checks = Ok(2));
    assert_eq!(
        (level, subject.as_str()),
        (Level::Warn, "halves out of checks")
    );
    assert!(is.starts_with("2 in TRANS_CHECK_MAX_TIME_TOPIC"), "{is}");
    let (level, ..) = only(|e| facts(e).out_of_checks = Err("no answer".into()));
    assert_eq!(level, Level::Unknown);
}

#[test]
fn clocks_that_are_apart_are_told() {
    let (level, subject, is) = only(|e| facts(e).clock_ahead_ms = Some(61_000));
    assert_eq!((level, subject.as_str()), (Level::Warn, "broker clock"));
    assert_eq!(is, "61 s ahead of this machine's");
    let (_, subject, is) = only(|e| e.services[0].clock_ahead_ms = Some(-7_000));
    assert_eq!(
        (subject.as_str(), is.as_str()),
        ("notifier clock", "7 s behind this machine's")
    );
    let (level, ..) = only(|e| facts(e).clock_ahead_ms = None);
    assert_eq!(level, Level::Unknown);
}

#[test]
fn databases_that_are_away_behind_or_ahead_are_told() {
    let (level, ..) = only(|e| e.databases[0].schemas = Err("read_only".into()));
    assert_eq!(level, Level::Fail);
    let (level, ..) = only(|e| e.databases[0].schemas = Ok(None));
    assert_eq!(level, Level::Unknown);
    let schema = |change: fn(&mut Schema)| {
        move |e: &mut Evidence| {
            change(&mut e.databases[0].schemas.as_mut().unwrap().as_mut().unwrap()[0])
        }
    };
    let (level, _, is) = only(schema(|schema| {
        schema.version = 2;
        schema.pending = vec![3];
    }));
    assert_eq!((level, is.as_str()), (Level::Warn, "schema 2"));
    let (level, _, is) = only(schema(|schema| {
        schema.version = 4;
        schema.unknown = vec![4];
    }));
    assert_eq!(level, Level::Fail);
    assert!(is.contains("newer program"), "{is}");
}

#[test]
fn services_and_receivers_that_do_not_answer_are_told() {
    let (level, subject, _) = only(|e| e.services[0].lacks = Err("refused".into()));
    assert_eq!((level, subject.as_str()), (Level::Fail, "notifier"));
    let (level, _, is) = only(|e| e.services[0].lacks = Ok(vec!["record store: away".into()]));
    assert_eq!(level, Level::Fail);
    assert!(is.contains("record store: away"), "{is}");
    let (level, subject, _) = only(|e| e.endpoints[0].2 = Err(Unreached::Silent("refused".into())));
    assert_eq!((level, subject.as_str()), (Level::Fail, "endpoint bank2"));
}

#[test]
fn a_receiver_at_an_address_that_is_refused_is_told_with_the_line_that_would_allow_it() {
    let refused = Unreached::Refused {
        why: "10.0.0.5 is a private address, and not in [egress] allow".into(),
        allow: Some("10.0.0.5".into()),
    };
    let mut evidence = healthy();
    evidence.endpoints[0].2 = Err(refused);
    let told = findings(&evidence);
    let told = told.iter().find(|f| f.subject == "endpoint bank2").unwrap();
    assert_eq!(told.level, Level::Fail);
    assert!(
        told.is.contains("10.0.0.5 is a private address"),
        "{told:?}"
    );
    let fix = told.fix.as_deref().unwrap();
    assert!(
        fix.contains("[egress.endpoint.bank2] allow = [\"10.0.0.5\"]"),
        "{fix}"
    );
}

#[test]
fn letters_and_topics_that_disagree_are_told() {
    fn dead(evidence: &mut Evidence) -> &mut DeadFacts {
        evidence.dead.as_mut().unwrap().as_mut().unwrap()
    }
    let (level, _, is) = only(|e| dead(e).in_topic.clear());
    assert_eq!(level, Level::Warn);
    assert!(
        is.starts_with("1 forwarded, and no longer in the topic: …000001"),
        "{is}"
    );
    let (level, _, is) = only(|e| _ = dead(e).in_topic.insert(letter("000000000002"), NOW - HOUR));
    assert_eq!(level, Level::Fail);
    assert!(is.contains("no letter: …000002"), "{is}");
    let (level, ..) = only(|e| {
        _ = dead(e)
            .unforwarded
            .insert(letter("000000000003"), NOW - HOUR)
    });
    assert_eq!(level, Level::Warn);
    let (level, _, is) = only(|e| dead(e).unreadable = 2);
    assert_eq!(level, Level::Unknown);
    assert!(is.starts_with("2 in the topic can't be decoded"), "{is}");
    let (level, ..) = only(|e| dead(e).strangers = 1);
    assert_eq!(level, Level::Unknown);
    let (level, ..) = only(|e| e.dead = Some(Err("no answer".into())));
    assert_eq!(level, Level::Unknown);
}

#[test]
fn a_letter_that_is_under_way_or_older_than_the_retention_is_no_fault() {
    fn dead(evidence: &mut Evidence) -> &mut DeadFacts {
        evidence.dead.as_mut().unwrap().as_mut().unwrap()
    }
    let minutes = |minutes: i64| NOW - minutes * 60_000;
    let ill = after(|e| {
        let dead = dead(e);
        dead.in_topic.insert(letter("000000000002"), minutes(2));
        dead.unforwarded.insert(letter("000000000003"), minutes(2));
    });
    assert_eq!(ill, []);
    // Kept for 72 h: what was forwarded or died before that is gone from the broker by now.
    let old = NOW - 73 * HOUR;
    let ill = after(|e| {
        let dead = dead(e);
        dead.forwarded.insert(letter("000000000004"), old);
        dead.unforwarded.insert(letter("000000000005"), old);
    });
    assert_eq!(ill, []);
    let (level, ..) = only(|e| {
        dead(e)
            .forwarded
            .insert(letter("000000000004"), NOW - 71 * HOUR);
    });
    assert_eq!(level, Level::Warn);
}
