//! What lies in the embedded broker's topics is read page by page, and nothing is consumed by reading.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use std::time::Duration;

use broker::{Broker, GroupConfig, TopicConfig, TopicKind};
use ringback::browse::{Cursor, DeadMessage, Walk};
use ringback::half::{self, Stage};
use rocketmq::{
    Admin, AdminConfig, Client, ClientConfig, Consumer, ConsumerConfig, Message, TransactionConfig,
    TransactionProducer,
};
use tempfile::TempDir;

const DLQ: &str = "%DLQ%bank2";

struct World {
    broker: Broker,
    admin: Admin,
    client: Client,
    producer: TransactionProducer,
    _data: TempDir,
}

impl World {
    async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let broker = Broker::start(broker::Config {
            data: data.path().to_path_buf(),
            listen: ([127, 0, 0, 1], 0).into(),
            remoting_listen: Some(([127, 0, 0, 1], 0).into()),
            topics: vec![TopicConfig {
                name: "topic_txmsg".into(),
                kind: TopicKind::Transaction,
            }],
            groups: vec![GroupConfig {
                name: "bank2".into(),
                retry_max_times: 1000,
                delays: vec![],
            }],
            ..broker::Config::default()
        })
        .await
        .unwrap();
        let admin = Admin::new(AdminConfig {
            addresses: vec![broker.remoting_address().unwrap().to_string()],
            ..AdminConfig::default()
        })
        .unwrap();
        let client = Client::new(ClientConfig {
            endpoints: vec![broker.address().to_string()],
            ..ClientConfig::default()
        })
        .unwrap();
        let producer = TransactionProducer::start(&client, TransactionConfig::default(), None)
            .await
            .unwrap();
        Self {
            broker,
            admin,
            client,
            producer,
            _data: data,
        }
    }

    /// Sends and commits these, and moves all of them to the dead-letter topic.
    async fn dead(&self, bodies: &[&'static str]) {
        for body in bodies {
            let half = self
                .producer
                .begin(Message::new("topic_txmsg", *body))
                .await;
            half.unwrap().commit().await.unwrap();
        }
        let config = ConsumerConfig {
            group: "bank2".into(),
            topic: "topic_txmsg".into(),
            ..ConsumerConfig::default()
        };
        let consumer = Consumer::start(&self.client, config).await.unwrap();
        let mut moved = 0;
        while moved < bodies.len() {
            for delivery in consumer.next().await.unwrap() {
                delivery.dead_letter().await.unwrap();
                moved += 1;
            }
        }
        consumer.close().await;
    }

    /// The bodies of at most `most` messages after a cursor, and where to go on.
    async fn page(&self, after: &Cursor, most: usize) -> (Vec<String>, Cursor) {
        let mut walk = Walk::begin(&self.admin, &[DLQ.to_owned()], after)
            .await
            .unwrap();
        let mut bodies = Vec::new();
        while bodies.len() < most
            && let Some(found) = walk.next().await.unwrap()
        {
            let dead = DeadMessage::read(&found.broker, &found.message);
            bodies.push(dead.body_text.unwrap());
        }
        (bodies, walk.cursor())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_topic_is_read_page_by_page_as_often_as_one_likes() {
    let world = World::new().await;
    let (none, _) = world.page(&Cursor::default(), 10).await;
    assert!(none.is_empty(), "a topic that is not there has no messages");
    world.dead(&["one", "two", "three"]).await;
    for _ in 0..2 {
        let (first, after) = world.page(&Cursor::default(), 2).await;
        // As text, as it is passed on the command line.
        let (second, end) = world.page(&after.to_string().parse().unwrap(), 2).await;
        let mut all = [first, second].concat();
        all.sort_unstable();
        assert_eq!(all, ["one", "three", "two"]);
        assert!(world.page(&end, 2).await.0.is_empty());
    }
    world.broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn half_messages_are_in_flight_until_they_are_ended() {
    let world = World::new().await;
    let begin = |body| world.producer.begin(Message::new("topic_txmsg", body));
    let (committed, open) = (begin("one").await.unwrap(), begin("two").await.unwrap());
    let id = open.message_id().to_owned();
    committed.commit().await.unwrap();
    let until = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let halves = half::halves(&world.admin).await.unwrap();
        let ids: Vec<_> = halves.iter().map(|half| half.message_id.clone()).collect();
        if ids == [Some(id.clone())] {
            assert_eq!(halves[0].stage, Stage::InFlight);
            break;
        }
        assert!(std::time::Instant::now() < until, "{ids:?}");
        tokio::task::yield_now().await;
    }
    open.rollback().await.unwrap();
    while !half::halves(&world.admin).await.unwrap().is_empty() {
        assert!(std::time::Instant::now() < until, "the ended one is gone");
    }
    world.broker.stop().await.unwrap();
}
