//! Telemetry: what makes a server know its clients, and what happens when it forgets them.

use std::sync::atomic::Ordering;

use rocketmq::{Consumer, ConsumerConfig, Producer, TransactionConfig, TransactionProducer};
use rocketmq_wire::v2;

use crate::fake::{Call, Fake, GROUP, TOPIC, eventually};

fn is_settings(call: &Call) -> bool {
    matches!(call, Call::Settings(_))
}

async fn publisher(fake: &Fake) -> TransactionProducer {
    let config = TransactionConfig {
        topics: vec![TOPIC.to_owned()],
        ..Default::default()
    };
    TransactionProducer::start(&fake.client(), config, None)
        .await
        .unwrap()
}

fn subscribing() -> ConsumerConfig {
    ConsumerConfig {
        group: GROUP.to_owned(),
        topic: TOPIC.to_owned(),
        polls: 1,
        ..Default::default()
    }
}

#[tokio::test]
async fn a_producer_declares_its_topics_before_it_sends_anything() {
    let fake = Fake::start().await;
    let _producer = publisher(&fake).await;
    eventually("settings", || fake.count(is_settings) == 1).await;
    let Some(Call::Settings(settings)) = fake.calls().into_iter().next() else {
        panic!("settings come first");
    };
    let Some(v2::settings::PubSub::Publishing(publishing)) = settings.pub_sub else {
        panic!("a producer publishes");
    };
    assert_eq!(publishing.topics[0].name, TOPIC);
}

#[tokio::test]
async fn settings_are_sent_on_every_connect() {
    let fake = Fake::start().await;
    let _producer = publisher(&fake).await;
    for times in 1..=3 {
        eventually("settings", || fake.count(is_settings) == times).await;
        fake.end_streams();
    }
}

#[tokio::test]
async fn settings_reach_a_server_that_comes_up_later_and_one_that_died() {
    let mut fake = Fake::start().await;
    fake.die().await;
    let _producer = publisher(&fake).await;
    fake.listen().await;
    eventually("settings after the start", || fake.count(is_settings) == 1).await;
    fake.die().await;
    fake.listen().await;
    eventually("settings after the restart", || {
        fake.count(is_settings) == 2
    })
    .await;
}

#[tokio::test]
async fn settings_are_sent_again_when_a_heartbeat_shows_that_they_are_forgotten() {
    let fake = Fake::start().await;
    let _producer = publisher(&fake).await;
    eventually("settings", || fake.count(is_settings) == 1).await;
    fake.forget_clients();
    eventually("settings again", || fake.count(is_settings) == 2).await;
    assert!(fake.count(|call| matches!(call, Call::Heartbeat)) >= 1);
}

#[tokio::test]
async fn a_consumer_that_was_forgotten_sends_its_settings_and_receives_again() {
    let fake = Fake::start().await;
    let consumer = Consumer::start(&fake.client(), subscribing())
        .await
        .unwrap();
    fake.put("one", b"1");
    assert_eq!(
        consumer.next().await.unwrap()[0].message().message_id,
        "one"
    );
    fake.forget_clients();
    eventually("settings again", || fake.count(is_settings) == 2).await;
    fake.put("two", b"2");
    assert_eq!(
        consumer.next().await.unwrap()[0].message().message_id,
        "two"
    );
}

#[tokio::test]
async fn the_groups_policy_reaches_whoever_watches_it() {
    let fake = Fake::start().await;
    let consumer = Consumer::start(&fake.client(), subscribing())
        .await
        .unwrap();
    let mut policy = consumer.backoff_policy();
    let policy = policy
        .wait_for(Option::is_some)
        .await
        .unwrap()
        .clone()
        .unwrap();
    assert_eq!((policy.max_attempts, policy.delays[0].as_secs()), (3, 7));
}

#[tokio::test]
async fn closing_says_goodbye_once_and_dropping_does_not() {
    let fake = Fake::start().await;
    let (closed, dropped) = (publisher(&fake).await, publisher(&fake).await);
    let registered = || {
        let clients = fake.state.clients.lock().unwrap();
        clients
            .values()
            .filter(|client| client.settings.is_some())
            .count()
    };
    eventually("both are known", || registered() == 2).await;
    drop(dropped);
    closed.close().await;
    assert_eq!(fake.count(|call| matches!(call, Call::Goodbye)), 1);
    assert_eq!(registered(), 1);
}

#[tokio::test]
async fn whoever_is_dropped_ends_its_streams() {
    let fake = Fake::start().await;
    let open = || fake.state.streams_open.load(Ordering::SeqCst);
    let client = fake.client();
    let consumer = Consumer::start(&client, subscribing()).await.unwrap();
    eventually("the consumer's stream", || open() == 1).await;
    drop(consumer);
    eventually("the consumer's stream has ended", || open() == 0).await;
    let topics = vec![TOPIC.to_owned()];
    let producer = Producer::start(&client, topics).await.unwrap();
    eventually("the producer's stream", || open() == 1).await;
    drop(producer);
    eventually("the producer's stream has ended", || open() == 0).await;
    let halves = publisher(&fake).await;
    eventually("the half producer's stream", || open() == 1).await;
    drop(halves);
    eventually("the half producer's stream has ended", || open() == 0).await;
}

#[tokio::test]
async fn a_server_that_acknowledges_and_hangs_up_is_tried_ever_more_rarely() {
    let fake = Fake::start().await;
    fake.script().ends_streams = true;
    let began = tokio::time::Instant::now();
    let _producer = publisher(&fake).await;
    eventually("six tries", || fake.count(is_settings) >= 6).await;
    // Five pauses that double, each at least half its length: 50 ms and up to 800 ms.
    assert!(began.elapsed() >= std::time::Duration::from_millis(1_500));
}
