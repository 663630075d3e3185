//! The broker, the receiver, a sender, and the database that the record lies in.

use std::time::Duration;

use broker::{Broker, GroupConfig, TopicConfig, TopicKind};
use bytes::Bytes;
use database::testing::Databases;
use notification::{
    BusinessKey, ContentType, Envelope, EventType, Group, InitiatorId, Notification, Source, Topic,
    TxNo,
};
use notifier::{
    Config, EgressConfig, EndpointConfig, Filter, OperatorToken, Settings, SubscriptionConfig,
};
use rocketmq::{
    Client, ClientConfig, Consumer, ConsumerConfig, Message, TransactionConfig, TransactionProducer,
};
use service::{clock, ids};
use tempfile::TempDir;

use super::{Receiver, Running};

pub(crate) const TOPIC: &str = "topic_txmsg";
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

pub(crate) struct World {
    pub(crate) broker: Broker,
    pub(crate) receiver: Receiver,
    producer: TransactionProducer,
    databases: Databases,
    _folder: TempDir,
}

impl World {
    /// Groups `bank2` and `other`, with a ladder of two rungs of 1.2 seconds.
    pub(crate) async fn new() -> Self {
        Self::with_redeliveries(1000).await
    }

    /// The same, but the broker lets a message die that it has redelivered so often.
    pub(crate) async fn with_redeliveries(retry_max_times: u32) -> Self {
        Self::that_keeps_for(Duration::from_secs(3600), retry_max_times).await
    }

    /// The same, and the broker drops what is older than its retention.
    pub(crate) async fn that_keeps_for(retention: Duration, retry_max_times: u32) -> Self {
        let usual = broker::Config::default();
        Self::with(retry_max_times, broker::Config { retention, ..usual }).await
    }

    /// The same, and the broker asks this often what became of a half.
    pub(crate) async fn that_checks_back_every(check_interval: Duration) -> Self {
        let usual = broker::Config::default();
        let retention = Duration::from_secs(3600);
        let config = broker::Config {
            check_interval,
            retention,
            ..usual
        };
        Self::with(1000, config).await
    }

    async fn with(retry_max_times: u32, config: broker::Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let group = |name: &str| GroupConfig {
            name: name.into(),
            retry_max_times,
            // More than what is waited out without the broker.
            delays: vec![Duration::from_millis(1_200); 2],
        };
        let broker = Broker::start(broker::Config {
            data: folder.path().join("broker"),
            listen: ([127, 0, 0, 1], 0).into(),
            remoting_listen: Some(([127, 0, 0, 1], 0).into()),
            long_poll_min: Duration::from_millis(100),
            long_poll_max: Duration::from_millis(500),
            topics: vec![TopicConfig {
                name: TOPIC.into(),
                kind: TopicKind::Transaction,
            }],
            groups: vec![group("bank2"), group("other")],
            ..config
        });
        let broker = broker.await.unwrap();
        let client = Client::new(reach(&broker.address().to_string())).unwrap();
        let config = TransactionConfig::default();
        let producer = TransactionProducer::start(&client, config, None)
            .await
            .unwrap();
        Self {
            broker,
            receiver: Receiver::start().await,
            producer,
            databases: Databases::within(folder.path()),
            _folder: folder,
        }
    }

    /// A worker of the group `bank2` that a test plays itself.
    pub(crate) async fn consumer(&self) -> Consumer {
        let client = Client::new(reach(&self.broker.address().to_string())).unwrap();
        let config = ConsumerConfig {
            group: "bank2".to_owned(),
            topic: TOPIC.to_owned(),
            lease: Duration::from_secs(10),
            permits: 8,
            long_poll: Duration::from_secs(5),
            ..ConsumerConfig::default()
        };
        Consumer::start(&client, config).await.unwrap()
    }

    /// One endpoint and one subscription, both `bank2`.
    pub(crate) fn config(&self) -> Config {
        Config {
            notifier: Settings {
                listen: ([127, 0, 0, 1], 0).into(),
                lease: Duration::from_secs(10),
                feed_lag: Duration::from_secs(1),
                ..Settings::default()
            },
            endpoints: vec![self.endpoint("bank2", &self.receiver)],
            subscriptions: vec![subscription("bank2", "bank2")],
            egress: loopback(),
            ladder: None,
            database: self.databases.config("notifier"),
            broker: reach(&self.broker.address().to_string()),
            admin: None,
            token: OperatorToken::new(TOKEN),
        }
    }

    pub(crate) fn endpoint(&self, id: &str, receiver: &Receiver) -> EndpointConfig {
        let given = serde_json::json!({
            "id": id,
            "url": receiver.url(),
            "secrets": [Receiver::secret().expose()],
        });
        serde_json::from_value(given).unwrap()
    }

    /// A notifier as most tests want it.
    pub(crate) async fn notifier(&self) -> Running {
        Running::start(self.config()).await
    }

    /// The record, as somebody else on the machine reaches it.
    pub(crate) async fn record(&self) -> database::Database {
        let config = self.databases.config("notifier");
        database::Database::open(&config).await.unwrap()
    }

    /// A transfer with a number of its own, sent and committed.
    pub(crate) async fn transfer(&self) -> TxNo {
        let envelope = envelope();
        self.send(&envelope).await;
        envelope.notification.tx_no
    }

    pub(crate) async fn send(&self, envelope: &Envelope) {
        let wire = envelope.to_message();
        self.send_message(Message {
            topic: wire.topic,
            body: wire.body,
            tag: Some(wire.tag),
            keys: wire.keys,
            properties: wire.properties,
        })
        .await;
    }

    /// Any message, as half and commit.
    pub(crate) async fn send_message(&self, message: Message) {
        let half = self.producer.begin(message).await.unwrap();
        half.commit().await.unwrap();
    }

    /// Messages that the group still has to do with.
    pub(crate) fn left(&self, group: &str) -> u64 {
        let stats = self.broker.stats();
        stats.ready(group, TOPIC) + stats.invisible(group, TOPIC)
    }

    pub(crate) fn dead(&self) -> u64 {
        self.broker.stats().dead("bank2")
    }
}

/// The receivers of these tests are on this machine.
pub(crate) fn loopback() -> EgressConfig {
    toml::from_str(r#"allow = ["127.0.0.0/8"]"#).unwrap()
}

pub(crate) fn reach(address: &str) -> ClientConfig {
    ClientConfig {
        endpoints: vec![address.to_owned()],
        ..ClientConfig::default()
    }
}

pub(crate) fn subscription(group: &str, endpoint: &str) -> SubscriptionConfig {
    SubscriptionConfig {
        group: Group::new(group).unwrap(),
        topic: Topic::new(TOPIC).unwrap(),
        endpoint: endpoint.parse().unwrap(),
        filter: Filter::default(),
    }
}

/// A transfer of generation 0 with a number of its own.
pub(crate) fn envelope() -> Envelope {
    let now_ms = u64::try_from(clock::now_ms()).unwrap();
    let notification = Notification {
        source: Source::new("bank1").unwrap(),
        tx_no: TxNo::from_parts(now_ms, ids::random10()),
        topic: Topic::new(TOPIC).unwrap(),
        event_type: EventType::new("transfer").unwrap(),
        business_key: BusinessKey::new("transfer 10.00").unwrap(),
        content_type: ContentType::new("application/json").unwrap(),
        endpoint: None,
        notify_url: None,
        traceparent: None,
        body: Bytes::from_static(b"{\"amount_fen\":1000}"),
    };
    let initiator = InitiatorId::new("0198f3c2-0000-7c10-9b1e-5d3f0a6c2e11").unwrap();
    Envelope::new(notification, initiator)
}

/// An envelope's message without tag and keys, to be changed.
pub(crate) fn bare(envelope: &Envelope) -> Message {
    let wire = envelope.to_message();
    let mut message = Message::new(wire.topic, wire.body);
    message.properties = wire.properties;
    message
}
