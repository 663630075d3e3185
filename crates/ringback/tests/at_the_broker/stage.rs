//! An embedded broker of each test's own, and its clients.

use std::time::Duration;

use broker::{Broker, Config, GroupConfig, TopicConfig, TopicKind};
use rocketmq::{
    Admin, AdminConfig, Client, ClientConfig, Consumer, ConsumerConfig, Message, TransactionConfig,
    TransactionProducer,
};
use tempfile::TempDir;

pub(crate) const TOPIC: &str = "topic_txmsg";
pub(crate) const GROUP: &str = "bank2";

pub(crate) struct Stage {
    pub(crate) admin: Admin,
    pub(crate) client: Client,
    pub(crate) producer: TransactionProducer,
    broker: Broker,
    pub(crate) data: TempDir,
}

impl Stage {
    /// With [`TOPIC`] and [`GROUP`].
    pub(crate) async fn new() -> Self {
        Self::of(Config {
            topics: vec![TopicConfig {
                name: TOPIC.into(),
                kind: TopicKind::Transaction,
            }],
            groups: vec![GroupConfig {
                name: GROUP.into(),
                retry_max_times: 1000,
                delays: vec![],
            }],
            ..Config::default()
        })
        .await
    }

    /// With nothing.
    pub(crate) async fn empty() -> Self {
        Self::of(Config::default()).await
    }

    async fn of(config: Config) -> Self {
        let data = tempfile::tempdir().unwrap();
        let any = ([127, 0, 0, 1], 0).into();
        let broker = Broker::start(Config {
            data: data.path().join("broker"),
            listen: any,
            remoting_listen: Some(any),
            ..config
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
            admin,
            client,
            producer,
            broker,
            data,
        }
    }

    pub(crate) async fn commit(&self, message: Message) {
        let half = self.producer.begin(message).await.unwrap();
        half.commit().await.unwrap();
    }

    pub(crate) async fn consumer(&self) -> Consumer {
        let config = ConsumerConfig {
            group: GROUP.into(),
            topic: TOPIC.into(),
            // A poll is let finish when the consumer closes.
            long_poll: Duration::from_secs(5),
            ..ConsumerConfig::default()
        };
        Consumer::start(&self.client, config).await.unwrap()
    }

    /// The bodies of the next messages, each a first attempt.
    pub(crate) async fn receive(&self, count: usize) -> Vec<String> {
        let consumer = self.consumer().await;
        let mut bodies = Vec::new();
        let receiving = async {
            while bodies.len() < count {
                for delivery in consumer.next().await.unwrap() {
                    let body = delivery.message().body.to_vec();
                    bodies.push(String::from_utf8(body).unwrap());
                    assert_eq!(delivery.message().delivery_attempt, 1);
                    delivery.ack().await.unwrap();
                }
            }
        };
        // Well before any lease of ten seconds: nobody else holds them.
        let received = tokio::time::timeout(Duration::from_secs(8), receiving).await;
        received.expect("messages in time");
        consumer.close().await;
        bodies.sort_unstable();
        bodies
    }

    /// Commits these, and moves all of them to the dead-letter topic.
    pub(crate) async fn dead(&self, messages: Vec<Message>) {
        let count = messages.len();
        for message in messages {
            self.commit(message).await;
        }
        let consumer = self.consumer().await;
        let mut moved = 0;
        while moved < count {
            for delivery in consumer.next().await.unwrap() {
                delivery.dead_letter().await.unwrap();
                moved += 1;
            }
        }
        consumer.close().await;
    }

    pub(crate) async fn stop(self) {
        self.broker.stop().await.unwrap();
    }
}
