//! RocketMQ's sixteen levels, 250 times as fast, to a receiver that refuses everything: 1 + 16
//! attempts in order, none early, then the dead-letter queue. How late they were is printed.
//!
//! On the embedded broker always; on Apache RocketMQ where `RINGBACK_ROCKETMQ` (gRPC) and
//! `RINGBACK_ROCKETMQ_ADMIN` (remoting of the broker or of a name server) are set.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use std::time::Duration;

use demo::{BrokerChoice, Posted, eventually};
use notification::api::notifier::NotificationView;
use notification::{DeadReason, Ladder, NotificationState, TxNo};
use ringback_tests::settings::{RocketMq, rocketmq};
use ringback_tests::{Behaviour, FakeReceiver, PATIENCE, Ring, Setting, TestStage, under_test};
use rocketmq::{Admin, AdminConfig, GroupSpec, TopicKind, TopicSpec};

/// `rocketmq`, with 4 ms for a second: six rungs wait in the lane, and ten go by the broker until it is known how
/// late that is.
const COMPRESSED: &str = "40ms 120ms 240ms 480ms 720ms 960ms 1200ms 1440ms 1680ms 1920ms 2160ms \
     2400ms 4800ms 7200ms 14400ms 28800ms";

/// On the ladder at a time.
const MANY: usize = 20;

/// 69 seconds of rungs, and up to four more for each on a broker of that grain.
const CLIMBED: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_rungs_are_seventeen_attempts_and_none_is_early() {
    climb("embedded", BrokerChoice::Embedded, "topic_txmsg", "bank2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_rungs_are_seventeen_attempts_and_none_is_early_on_rocketmq() {
    let Some(RocketMq { grpc, admin }) = rocketmq() else {
        println!("skipped: RINGBACK_ROCKETMQ and RINGBACK_ROCKETMQ_ADMIN name no broker");
        return;
    };
    let run = fastrand::u32(..);
    let (topic, group) = (format!("rungs_{run:08x}"), format!("rungs_{run:08x}_bank2"));
    let made = administer(&admin);
    let spec = TopicSpec {
        name: topic.clone(),
        kind: TopicKind::Transaction,
        queues: 4,
    };
    made.create_topic(&spec).await.unwrap();
    let spec = GroupSpec {
        name: group.clone(),
        retry_max_times: 1000,
        delays: vec![Duration::from_secs(1)],
    };
    made.create_group(&spec).await.unwrap();
    let broker = BrokerChoice::Elsewhere {
        address: grpc,
        admin: Some(admin),
    };
    climb("rocketmq", broker, &topic, &group).await;
}

async fn climb(name: &str, broker: BrokerChoice, topic: &str, group: &str) {
    let receiver = FakeReceiver::start().await;
    receiver.otherwise(Behaviour::Answer(500, "not today".to_owned()));
    let on = TestStage::raise(under_test!(), setting(&receiver, broker, topic, group)).await;
    let mut all = Vec::new();
    for _ in 0..MANY {
        let tx_no = on.world.fresh_tx_no();
        let posted = on.world.transfer(&tx_no, 1_001).await.unwrap();
        assert_eq!(posted, Posted::Committed);
        all.push(tx_no);
    }

    let mut late_ms = Vec::new();
    for tx_no in &all {
        let view = on.world.settled(tx_no, CLIMBED).await.unwrap();
        late_ms.extend(lateness_ms(&view));
        by_the_receivers_clock(&receiver.rings(), tx_no);
    }
    late_ms.sort_unstable();
    let at = |share: usize| late_ms[(late_ms.len() - 1) * share / 100];
    println!(
        "{name}: {} rungs, late by p50 {} ms, p99 {} ms, at most {} ms; none early",
        late_ms.len(),
        at(50),
        at(99),
        at(100)
    );

    let admin = administer(on.stage.addresses.broker_admin.as_ref().unwrap());
    let dlq = format!("%DLQ%{group}");
    let forwarded = eventually("all in the dead-letter queue", PATIENCE, || async {
        let queues = admin.queues(&dlq).await.unwrap_or_default();
        let held: i64 = queues.iter().map(|queue| queue.max - queue.min).sum();
        Ok((held >= i64::try_from(MANY)?).then_some(held))
    });
    assert_eq!(
        forwarded.await.unwrap(),
        i64::try_from(MANY).unwrap(),
        "once each"
    );
    assert_eq!(receiver.rings().len(), MANY * 17, "and nothing after it");
}

/// By the record: how long after its due time each attempt began.
fn lateness_ms(view: &NotificationView) -> Vec<i64> {
    let ladder: Ladder = COMPRESSED.parse().unwrap();
    assert_eq!(view.notification.state, NotificationState::Dead);
    assert_eq!(view.letters.len(), 1);
    assert_eq!(view.letters[0].reason, DeadReason::LadderUsedUp);
    let numbers: Vec<u32> = view.attempts.iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, (1..=17).collect::<Vec<_>>());
    assert_eq!(view.attempts[16].next_due_ms, None);
    let pairs = view.attempts.windows(2).zip(ladder.rungs());
    let late = pairs.map(|(pair, rung)| {
        let due_ms = pair[0].next_due_ms.unwrap();
        let rung_ms = i64::try_from(rung.as_millis()).unwrap();
        assert!(due_ms >= pair[0].started_ms + rung_ms, "{:?}", pair[0]);
        let late_ms = pair[1].started_ms - due_ms;
        assert!(
            late_ms >= 0,
            "attempt {} is early by {} ms",
            pair[1].number,
            -late_ms
        );
        late_ms
    });
    late.collect()
}

/// By a clock that nobody sets: no two POSTs are closer than the rung between them.
fn by_the_receivers_clock(rings: &[Ring], tx_no: &TxNo) {
    let ladder: Ladder = COMPRESSED.parse().unwrap();
    let name = tx_no.to_string();
    let own: Vec<&Ring> = rings.iter().filter(|ring| ring.tx_no == name).collect();
    for (pair, rung) in own.windows(2).zip(ladder.rungs()) {
        // The record's milliseconds may cut one off.
        let gap = pair[1].at - pair[0].at + Duration::from_millis(1);
        assert!(gap >= *rung, "{gap:?} instead of {rung:?}");
    }
}

fn setting(receiver: &FakeReceiver, broker: BrokerChoice, topic: &str, group: &str) -> Setting {
    let (url, topic, group) = (receiver.url(), topic.to_owned(), group.to_owned());
    let config = move |text: String| {
        let lines = text.lines().map(|line| match line {
            // A breaker would park what is refused so often; a slot is always free.
            _ if line.starts_with("url = ") => {
                format!("url = \"{url}\"\nconcurrency = 64\nbreaker = \"off\"")
            }
            _ if line.starts_with("topic = ") => format!("topic = \"{topic}\""),
            _ if line.starts_with("group = ") => format!("group = \"{group}\""),
            _ if line.starts_with("accepted_by = ") => format!("accepted_by = [\"{group}\"]"),
            _ => line.to_owned(),
        });
        lines.map(|line| line + "\n").collect()
    };
    Setting {
        ladder: COMPRESSED,
        broker,
        config: Box::new(config),
        databases: None,
    }
}

fn administer(address: &str) -> Admin {
    Admin::new(AdminConfig {
        addresses: vec![address.to_owned()],
        ..AdminConfig::default()
    })
    .unwrap()
}
