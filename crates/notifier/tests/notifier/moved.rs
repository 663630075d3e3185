//! What the broker moves to the dead-letter topic by itself: seen, recorded once, sent anew.

use std::time::Duration;

use notification::{LetterState, TxNo};
use notifier::Config;
use reqwest::StatusCode;
use rocketmq::{Admin, AdminConfig, Client, Consumer, ConsumerConfig, Deferral};
use serde_json::json;

use crate::support::{Running, TOPIC, World, alarms, eventually, listen, reach};

/// Administration through the broker, asked often.
fn watching(world: &World) -> Config {
    let mut config = world.config();
    config.notifier.dlq_interval = Duration::from_millis(100);
    config.admin = Some(administration(world));
    config
}

fn administration(world: &World) -> AdminConfig {
    AdminConfig {
        addresses: vec![world.broker.remoting_address().unwrap().to_string()],
        ..AdminConfig::default()
    }
}

/// A worker of the same group that fails each time, until the broker has had enough.
async fn until_the_broker_moves_it(world: &World) {
    let client = Client::new(reach(&world.broker.address().to_string())).unwrap();
    let config = ConsumerConfig {
        group: "bank2".into(),
        topic: TOPIC.into(),
        lease: Duration::from_secs(10),
        ..ConsumerConfig::default()
    };
    let consumer = Consumer::start(&client, config).await.unwrap();
    let before = world.dead();
    eventually("the broker's own dead letter", async || {
        let next = tokio::time::timeout(Duration::from_millis(200), consumer.next());
        for delivery in next.await.ok().flatten().unwrap_or_default() {
            delivery
                .defer(Duration::ZERO, Deferral::CountsAttempt)
                .await
                .unwrap();
        }
        (world.dead() > before).then_some(())
    })
    .await;
    consumer.stop();
    consumer.drained().await;
    consumer.close().await;
}

/// Waits for the letter of a notification, in one of the notifiers.
async fn letter(notifier: &Running, tx_no: TxNo) -> serde_json::Value {
    let path = format!("/v1/dead-letters/{tx_no}");
    eventually("the letter", async || {
        let (status, letter) = notifier.get(&path).await;
        (status == StatusCode::OK).then_some(letter)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_moved_gets_a_letter_and_a_resend_delivers_it() {
    let world = World::with_redeliveries(1).await;
    let tx_no = world.transfer().await;
    until_the_broker_moves_it(&world).await;
    let notifier = Running::start(watching(&world)).await;
    let letter = letter(&notifier, tx_no).await;
    assert_eq!(letter["reason"], "broker_moved");
    assert_eq!(letter["class"], "pipeline");
    assert!(letter["forwarded_ms"].is_i64(), "{letter}");
    let view = notifier.find(tx_no).await.unwrap();
    assert_eq!(view.notification.state.as_str(), "dead");
    assert!(world.receiver.calls().is_empty(), "nobody was rung");
    let path = format!("/v1/dead-letters/{tx_no}/resend");
    let (status, body) = notifier.post(&path, json!({})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    let view = notifier.until(tx_no, "delivered").await;
    assert_eq!(view.notification.generation, 1);
    assert_eq!(view.letters[0].state, LetterState::Closed);
    assert_eq!(
        world.receiver.calls_of(tx_no)[0].body,
        "{\"amount_fen\":1000}"
    );
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_notifiers_write_one_letter_and_one_outcome() {
    let world = World::with_redeliveries(0).await;
    // While both watch, and the topic comes into being.
    let one = Running::start(watching(&world)).await;
    let two = Running::start(watching(&world)).await;
    world.receiver.answer(422);
    let forwarded = world.transfer().await;
    one.until(forwarded, "dead").await;
    one.stop().await;
    two.stop().await;
    let moved = world.transfer().await;
    until_the_broker_moves_it(&world).await;
    let one = Running::start(watching(&world)).await;
    let two = Running::start(watching(&world)).await;
    letter(&one, moved).await;
    let record = world.record().await;
    eventually("the topic read to its end", async || {
        let mut db = record.read().await.unwrap();
        let next: i64 = sqlx::query_scalar("SELECT next_offset FROM dlq_position")
            .fetch_optional(&mut *db)
            .await
            .unwrap()
            .unwrap_or_default();
        (u64::try_from(next).unwrap() == world.dead()).then_some(())
    })
    .await;
    let letters = one.letters().await;
    let reasons: Vec<&str> = letters.letters.iter().map(|l| l.reason.as_str()).collect();
    assert_eq!(letters.total_open, 2, "{reasons:?}");
    assert!(reasons.contains(&"rejected") && reasons.contains(&"broker_moved"));
    let dead = eventually("the feed", async || {
        let outcomes = two.outcomes().await.outcomes;
        let of_it = outcomes.iter().filter(|o| o.tx_no == moved);
        let kinds: Vec<String> = of_it.map(|o| o.kind.as_str().to_owned()).collect();
        (!kinds.is_empty()).then_some(kinds)
    })
    .await;
    assert_eq!(dead, ["accepted", "dead"]);
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_administration_away_nothing_is_passed_over() {
    listen();
    let world = World::with_redeliveries(0).await;
    let tx_no = world.transfer().await;
    until_the_broker_moves_it(&world).await;
    let gate = Gate::before(world.broker.remoting_address().unwrap()).await;
    let mut config = watching(&world);
    config.admin = Some(AdminConfig {
        addresses: vec![gate.address.to_string()],
        request_timeout: Duration::from_millis(500),
        ..AdminConfig::default()
    });
    let notifier = Running::start(config).await;
    eventually("tried in vain, more than once", async || {
        (gate.refused() > 1).then_some(())
    })
    .await;
    assert_eq!(notifier.letters().await.total_open, 0);
    let told = eventually("the alarm", async || alarms("dlq_unread").pop()).await;
    assert!(told.contains("bank2"), "{told}");
    gate.open();
    letter(&notifier, tx_no).await;
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_dropped_unread_is_told_with_its_count() {
    listen();
    let world = World::that_keeps_for(Duration::from_secs(1), 0).await;
    world.transfer().await;
    until_the_broker_moves_it(&world).await;
    let admin = Admin::new(administration(&world)).unwrap();
    let queue = eventually("the letter aged out", async || {
        let queues = admin.queues("%DLQ%bank2").await.unwrap();
        queues.into_iter().find(|queue| queue.min == 1)
    })
    .await;
    // A notifier was here before, and stopped when the topic was empty.
    world.notifier().await.stop().await;
    let record = world.record().await;
    let mut db = record.write().await.unwrap();
    let position = "INSERT INTO dlq_position (group_name, broker, queue_id, next_offset, updated_ms) \
         VALUES ('bank2', ?, 0, 0, 0)";
    sqlx::query(position)
        .bind(&queue.broker)
        .execute(&mut *db)
        .await
        .unwrap();
    drop(db);
    let notifier = Running::start(watching(&world)).await;
    let told = eventually("the alarm", async || alarms("dlq_position_lost").pop()).await;
    assert!(told.contains("missed=1 "), "{told}");
    let mut db = record.read().await.unwrap();
    let next: i64 = sqlx::query_scalar("SELECT next_offset FROM dlq_position")
        .fetch_one(&mut *db)
        .await
        .unwrap();
    assert_eq!(next, 1);
    drop(db);
    notifier.stop().await;
    assert_eq!(alarms("dlq_position_lost").len(), 1);
    // Whoever was not there then is told at the next start, until somebody says that he knows.
    let notifier = Running::start(watching(&world)).await;
    let told = eventually("the alarm again", async || {
        let told = alarms("dlq_position_lost");
        (told.len() == 2).then(|| told[1].clone())
    });
    assert!(told.await.contains("missed=1 earlier=true"));
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_administration_it_says_what_is_not_watched() {
    listen();
    let world = World::new().await;
    world.notifier().await.stop().await;
    let told = alarms("dlq_not_watched").pop().unwrap();
    assert!(told.contains("%DLQ%bank2"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_the_record_refuses_is_kept_without_its_body_and_holds_up_no_other() {
    listen();
    let world = World::with_redeliveries(0).await;
    world.notifier().await.stop().await;
    let record = world.record().await;
    if record.dialect() != database::Dialect::Sqlite {
        return;
    }
    let refused = world.transfer().await;
    let mut db = record.write().await.unwrap();
    let refusal = format!(
        "CREATE TRIGGER refusal BEFORE INSERT ON dead_letter WHEN NEW.tx_no = '{refused}' \
         BEGIN SELECT RAISE(ABORT, 'refused'); END"
    );
    let refusal = sqlx::raw_sql(sqlx::AssertSqlSafe(refusal));
    refusal.execute(&mut *db).await.unwrap();
    drop(db);
    until_the_broker_moves_it(&world).await;
    let other = world.transfer().await;
    until_the_broker_moves_it(&world).await;
    let notifier = Running::start(watching(&world)).await;
    letter(&notifier, other).await;
    let letters = notifier.letters().await.letters;
    assert_eq!(letters.len(), 2);
    let bare = letters.iter().find(|l| l.tx_no != other).unwrap();
    assert_eq!(bare.reason.as_str(), "malformed");
    assert_ne!(bare.tx_no, refused);
    assert!(
        alarms("record_refused")
            .iter()
            .any(|told| told.contains("offset=0"))
    );
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_stands_still_is_told() {
    listen();
    let world = World::with_redeliveries(0).await;
    world.notifier().await.stop().await;
    let record = world.record().await;
    if record.dialect() != database::Dialect::Sqlite {
        return;
    }
    let mut db = record.write().await.unwrap();
    let stuck =
        "CREATE TRIGGER stuck BEFORE UPDATE ON dlq_position BEGIN SELECT RAISE(IGNORE); END";
    sqlx::raw_sql(stuck).execute(&mut *db).await.unwrap();
    drop(db);
    world.transfer().await;
    until_the_broker_moves_it(&world).await;
    let notifier = Running::start(watching(&world)).await;
    eventually("the alarm", async || {
        let told = alarms("dlq_unread");
        told.iter()
            .any(|told| told.contains("stands at 0"))
            .then_some(())
    })
    .await;
    notifier.stop().await;
}

/// A port before the broker's that closes what comes until it is opened.
struct Gate {
    address: std::net::SocketAddr,
    is_open: std::sync::Arc<std::sync::atomic::AtomicBool>,
    refused: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl Gate {
    async fn before(broker: std::net::SocketAddr) -> Self {
        use std::sync::atomic::Ordering::SeqCst;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gate = Self {
            address: listener.local_addr().unwrap(),
            is_open: std::sync::Arc::default(),
            refused: std::sync::Arc::default(),
        };
        let (is_open, refused) = (gate.is_open.clone(), gate.refused.clone());
        tokio::spawn(async move {
            loop {
                let (mut from, _) = listener.accept().await.unwrap();
                if !is_open.load(SeqCst) {
                    refused.fetch_add(1, SeqCst);
                    continue;
                }
                tokio::spawn(async move {
                    let mut to = tokio::net::TcpStream::connect(broker).await.unwrap();
                    // Either side may close; the test looks at what came of it.
                    let _closed = tokio::io::copy_bidirectional(&mut from, &mut to).await;
                });
            }
        });
        gate
    }

    fn open(&self) {
        self.is_open
            .store(true, std::sync::atomic::Ordering::SeqCst);
    }

    fn refused(&self) -> usize {
        self.refused.load(std::sync::atomic::Ordering::SeqCst)
    }
}
