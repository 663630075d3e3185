//! `ringback init` against the embedded broker: what is missing is made, a second run finds nothing to do, and no
//! message is swallowed by the first poll.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use std::path::Path;
use std::time::Duration;

use ringback::config::File;
use ringback::setup::{self, Action, Found, carry_out};
use rocketmq::{
    Admin, AdminConfig, Client, ClientConfig, Consumer, ConsumerConfig, Message, TransactionConfig,
    TransactionProducer,
};
use tempfile::TempDir;

const TOML: &str = r#"
[[endpoint]]
id = "bank2"
url = "http://127.0.0.1:1/"
secrets = ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]
ladder = "10s,30s"

[[subscription]]
group = "bank2"
topic = "topic_txmsg"
endpoint = "bank2"
"#;

struct World {
    broker: broker::Broker,
    admin: Admin,
    client: Client,
    wanted: setup::Wanted,
    _data: TempDir,
}

impl World {
    async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let broker = broker::Broker::start(broker::Config {
            data: data.path().to_path_buf(),
            listen: "127.0.0.1:0".parse().unwrap(),
            remoting_listen: Some("127.0.0.1:0".parse().unwrap()),
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
        let file = File::parse(TOML, Path::new("ringback.toml")).unwrap();
        Self {
            broker,
            admin,
            client,
            wanted: setup::wanted(&file, None).unwrap(),
            _data: data,
        }
    }

    async fn found(&self) -> Found {
        carry_out::read(&self.admin, &self.wanted).await.unwrap()
    }

    /// One run of `init`: what it did.
    async fn init(&self) -> Vec<Action> {
        let changes = setup::plan(&self.wanted, &self.found().await).unwrap();
        for step in changes.iter().filter_map(|change| change.step.as_ref()) {
            carry_out::carry_out(&self.admin, &self.client, step, Duration::from_secs(30))
                .await
                .unwrap();
        }
        changes.iter().map(|change| change.action).collect()
    }

    async fn commit(&self, body: &'static [u8]) {
        let producer = TransactionProducer::start(&self.client, TransactionConfig::default(), None)
            .await
            .unwrap();
        let message = Message::new("topic_txmsg", body);
        let half = producer.begin(message).await.unwrap();
        half.commit().await.unwrap();
        producer.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_made_once() {
    let world = World::new().await;
    assert_eq!(
        world.init().await,
        [Action::Created, Action::Created, Action::Begun]
    );
    let found = world.found().await;
    assert_eq!(found.groups[0].delays, [10, 30].map(Duration::from_secs));
    assert_eq!(found.groups[0].retry_max_times, 1000);
    assert_eq!(world.init().await, [Action::Unchanged; 3]);
    world.broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_poll_swallows_nothing() {
    let world = World::new().await;
    let changes = setup::plan(&world.wanted, &world.found().await).unwrap();
    let topic = changes[0].step.as_ref().unwrap();
    carry_out::carry_out(&world.admin, &world.client, topic, Duration::from_secs(30))
        .await
        .unwrap();
    for body in [b"one".as_slice(), b"two", b"three"] {
        world.commit(body).await;
    }
    assert_eq!(
        world.init().await,
        [Action::Unchanged, Action::Created, Action::Begun]
    );

    let consumer = Consumer::start(
        &world.client,
        ConsumerConfig {
            group: "bank2".into(),
            topic: "topic_txmsg".into(),
            ..ConsumerConfig::default()
        },
    )
    .await
    .unwrap();
    let mut bodies = Vec::new();
    let receiving = async {
        while bodies.len() < 3 {
            for delivery in consumer.next().await.unwrap() {
                bodies.push(delivery.message().body.clone());
                // The poll used none of the broker's attempts.
                assert_eq!(delivery.message().delivery_attempt, 1);
                delivery.ack().await.unwrap();
            }
        }
    };
    // Well before the poll's lease of ten seconds: it gave them back.
    tokio::time::timeout(Duration::from_secs(8), receiving)
        .await
        .unwrap();
    bodies.sort_unstable();
    assert_eq!(bodies, [b"one".as_slice(), b"three", b"two"]);
    consumer.close().await;
    world.broker.stop().await.unwrap();
}
