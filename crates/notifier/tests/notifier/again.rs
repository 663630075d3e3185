//! What goes out again: an operator's resend, from the letter alone, until a record has seen it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use notification::{Envelope, TxNo, message};
use reqwest::{Method, StatusCode};
use rocketmq::{
    Client, Deferral, OrphanedHalf, Resolution, TransactionChecker, TransactionConfig,
    TransactionProducer,
};
use serde_json::json;

use crate::support::{Running, TOPIC, World, bare, envelope, eventually, reach, subscription};

/// A notification that was rejected, by a notifier that is gone.
async fn rejected(world: &World) -> Envelope {
    world.receiver.answer(422);
    let notifier = world.notifier().await;
    let mut envelope = envelope();
    envelope.notification.traceparent =
        Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned());
    world.send(&envelope).await;
    notifier.until(envelope.notification.tx_no, "dead").await;
    eventually("forwarded", async || {
        (world.dead() == 1 && world.left("bank2") == 0).then_some(())
    })
    .await;
    notifier.stop().await;
    world.receiver.answer(200);
    envelope
}

async fn resend(notifier: &Running, tx_no: TxNo, status: u16) {
    let path = format!("/v1/dead-letters/{tx_no}/resend");
    let anyway = json!({"anyway": true});
    let (answered, told) = notifier.post(&path, anyway).await;
    assert_eq!(answered.as_u16(), status, "{told}");
}

/// The open requests: how often each was sent, and when it is due again.
async fn requests(world: &World) -> Vec<(i64, i64)> {
    let record = world.record().await;
    let mut db = record.read().await.unwrap();
    sqlx::query_as("SELECT sends, next_send_ms FROM send_request")
        .fetch_all(&mut *db)
        .await
        .unwrap()
}

async fn execute(world: &World, text: &'static str) {
    let record = world.record().await;
    let mut db = record.write().await.unwrap();
    let statement = sqlx::raw_sql(text);
    sqlx::Executor::execute(&mut *db, statement).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resend_is_the_initiators_message_for_its_group_and_is_asked_for_until_it_is_seen() {
    let world = World::new().await;
    let sent = rejected(&world).await;
    let tx_no = sent.notification.tx_no;
    // One that sends and does not receive for the group.
    let mut config = world.config();
    config.subscriptions = vec![subscription("other", "bank2")];
    let sender = Running::start(config).await;
    resend(&sender, tx_no, 202).await;
    let consumer = world.consumer().await;
    let delivery = consumer.next().await.unwrap().pop().unwrap();
    let seen = delivery.message();
    let again = Envelope::decode(&seen.topic, &seen.properties, seen.body.clone()).unwrap();
    assert_eq!(again.notification, sent.notification, "on its own topic");
    assert_eq!(again.initiator_id, sent.initiator_id);
    assert_eq!(again.generation, 1);
    assert_eq!(again.for_group.unwrap().as_str(), "bank2");
    assert_eq!(seen.keys, [tx_no.to_string()]);
    assert_eq!(seen.properties[message::FOR_GROUP], "bank2");
    // Its one-way commit may have been lost for all that is known: the request stays, for ten minutes on.
    let now_ms = service::clock::now_ms();
    let put_off = eventually("the request put off", async || {
        let open = requests(&world).await;
        assert_eq!(open.len(), 1, "it is not seen yet");
        open.into_iter()
            .find(|(_, next_ms)| *next_ms > now_ms + 60_000)
    });
    let (sends, next_ms) = put_off.await;
    assert_eq!(sends, 1);
    assert!(
        (next_ms - now_ms - 600_000).abs() < 60_000,
        "{}",
        next_ms - now_ms
    );
    // Its time has come, and nobody has seen it: it is sent once more.
    execute(&world, "UPDATE send_request SET next_send_ms = 1").await;
    let twice = consumer.next().await.unwrap();
    assert_eq!(twice[0].message().keys, [tx_no.to_string()]);
    consumer.stop();
    while let Some(late) = consumer.next().await {
        assert!(late.is_empty(), "no more than two");
    }
    for copy in twice.into_iter().chain([delivery]) {
        copy.defer(Duration::ZERO, Deferral::Suspended)
            .await
            .unwrap();
    }
    consumer.close().await;
    // Whoever receives it sees it, and nothing is asked for any more.
    let notifier = world.notifier().await;
    notifier
        .until_of("bank2", tx_no, "delivered", |view| {
            view.notification.state.as_str() == "delivered"
        })
        .await;
    assert_eq!(requests(&world).await, []);
    notifier.stop().await;
    sender.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resend_that_a_pause_holds_has_been_seen() {
    let world = World::new().await;
    let tx_no = rejected(&world).await.notification.tx_no;
    let notifier = world.notifier().await;
    let why = || json!({"reason": "a test"});
    let pause = "/v1/endpoints/bank2/pause";
    notifier.told(Method::POST, pause, why(), 200).await;
    resend(&notifier, tx_no, 202).await;
    eventually("nothing is to be sent anew", async || {
        requests(&world).await.is_empty().then_some(())
    })
    .await;
    let view = notifier.until(tx_no, "waiting").await;
    let (row, calls) = (view.notification, world.receiver.calls().len());
    assert_eq!(
        (row.generation, row.attempts, row.parks, calls),
        (1, 0, 0, 1)
    );
    let resume = "/v1/endpoints/bank2/resume";
    notifier.told(Method::POST, resume, why(), 200).await;
    notifier.until(tx_no, "delivered").await;
    assert_eq!(world.receiver.calls_of(tx_no).len(), 2);
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resend_whose_request_can_not_be_written_brings_nothing_to_life() {
    let world = World::new().await;
    let tx_no = rejected(&world).await.notification.tx_no;
    let notifier = world.notifier().await;
    execute(
        &world,
        "ALTER TABLE send_request RENAME TO send_request_away",
    )
    .await;
    let path = format!("/v1/dead-letters/{tx_no}/resend");
    let (status, told) = notifier.post(&path, json!({"anyway": true})).await;
    assert!(status.is_server_error(), "{status} {told}");
    let view = notifier.find(tx_no).await.unwrap();
    assert_eq!(view.notification.state.as_str(), "dead");
    assert_eq!(view.notification.generation, 0);
    assert_eq!(notifier.letters().await.total_open, 1);
    execute(
        &world,
        "ALTER TABLE send_request_away RENAME TO send_request",
    )
    .await;
    resend(&notifier, tx_no, StatusCode::ACCEPTED.as_u16()).await;
    notifier.until(tx_no, "delivered").await;
    notifier.stop().await;
}

/// An initiator that does not know yet, and remembers how often the broker had asked.
#[derive(Default)]
struct Asked(Mutex<Vec<u32>>);

impl TransactionChecker for Asked {
    fn check<'a>(&'a self, half: &'a OrphanedHalf) -> BoxFuture<'a, Resolution> {
        self.0.lock().unwrap().push(half.checks);
        Box::pin(async { Resolution::Unknown })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_check_back_goes_to_whoever_only_resends() {
    let world = World::that_checks_back_every(Duration::from_millis(200)).await;
    let notifier = world.notifier().await;
    let client = Client::new(reach(&world.broker.address().to_string())).unwrap();
    let config = TransactionConfig {
        topics: vec![TOPIC.to_owned()],
        recovery: Duration::from_secs(1),
        ..TransactionConfig::default()
    };
    let asked = Arc::<Asked>::default();
    let initiator = TransactionProducer::start(&client, config, Some(asked.clone()))
        .await
        .unwrap();
    let half = initiator.begin(bare(&envelope())).await.unwrap();
    let checks = eventually("eight check-backs", async || {
        let asked = asked.0.lock().unwrap().clone();
        (asked.len() >= 8).then_some(asked)
    });
    // None was asked of anybody else: who declares a topic is asked in turn.
    assert_eq!(checks.await[..8], [1, 2, 3, 4, 5, 6, 7, 8]);
    half.rollback().await.unwrap();
    notifier.stop().await;
}
