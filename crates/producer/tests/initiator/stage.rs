//! An embedded broker, databases, and initiators on them.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use database::testing::Databases;
use notification::{Envelope, Group, Source, Topic, TxNo};
use producer::{Config, Initiator, NewNotification, Steps, Token};
use rocketmq::{
    Client, ClientConfig, Consumer, ConsumerConfig, Message, TransactionConfig, TransactionProducer,
};
use service::clock::Clock;
use service::shutdown::Shutdown;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::time::{Instant, sleep, timeout};

use crate::fake_notifier::FakeNotifier;
use crate::log;
use crate::transfers::{debit, transfer, whole};
use crate::wire::Wire;

pub(crate) const TOPIC: &str = "topic_txmsg";
pub(crate) const SOURCE: &str = "bank1";
pub(crate) const GROUP: &str = "bank2";
pub(crate) const TOKEN: &str = "operator";
/// An address where nothing listens: no notifier, so the relay rests.
const NOWHERE: &str = "http://nowhere.invalid";

pub(crate) fn group(name: &str) -> Group {
    Group::new(name).expect("a group")
}

/// Broker and databases of one test.
pub(crate) struct Stage {
    broker: Option<broker::Broker>,
    databases: Databases,
    _folder: TempDir,
    pub(crate) notifier: String,
    /// From the half message to the COMMIT at most; check-backs begin a second later.
    pub(crate) deadline: Duration,
    pub(crate) clock: Clock,
    /// Who must accept.
    pub(crate) accepted_by: Vec<Group>,
}

impl Stage {
    /// Check-backs follow each other every 200 ms and never end, so that none is waited for.
    pub(crate) async fn start() -> Stage {
        Stage::with_check_max(1_000).await
    }

    /// The same with another deadline; the first check-back of a half comes a second after it.
    pub(crate) async fn with_deadline(deadline: Duration) -> Stage {
        Stage {
            deadline,
            ..Stage::start().await
        }
    }

    /// The same with a notifier.
    pub(crate) async fn with_notifier(notifier: &FakeNotifier) -> Stage {
        Stage {
            notifier: notifier.url(),
            ..Stage::start().await
        }
    }

    /// The same, with a wire between: routes name its end.
    pub(crate) async fn behind(wire: &Wire, notifier: &FakeNotifier) -> Stage {
        let advertised = wire.address.to_string();
        let stage = Stage {
            notifier: notifier.url(),
            ..Stage::begin(1_000, Some(advertised)).await
        };
        wire.leads_to(stage.broker().address());
        stage
    }

    pub(crate) async fn with_check_max(check_max: u32) -> Stage {
        Stage::begin(check_max, None).await
    }

    async fn begin(check_max: u32, advertise: Option<String>) -> Stage {
        log::keep();
        let folder = TempDir::new().expect("a temporary folder");
        let broker = broker::Broker::start(broker::Config {
            data: folder.path().join("broker"),
            listen: ([127, 0, 0, 1], 0).into(),
            check_interval: Duration::from_millis(200),
            check_max,
            advertise,
            long_poll_min: Duration::from_millis(200),
            topics: vec![broker::TopicConfig {
                name: TOPIC.into(),
                kind: broker::TopicKind::Transaction,
            }],
            groups: vec![broker::GroupConfig {
                name: GROUP.into(),
                retry_max_times: 16,
                delays: Vec::new(),
            }],
            ..broker::Config::default()
        })
        .await
        .expect("the broker starts");
        Stage {
            broker: Some(broker),
            databases: Databases::within(folder.path()),
            _folder: folder,
            notifier: NOWHERE.into(),
            deadline: Duration::from_secs(25),
            clock: Clock::system(),
            accepted_by: vec![group(GROUP)],
        }
    }

    pub(crate) async fn initiator(&self, steps: Arc<dyn Steps>) -> Initiator {
        self.initiator_on("bank1", steps).await
    }

    /// An initiator on the database of that name.
    pub(crate) async fn initiator_on(&self, name: &str, steps: Arc<dyn Steps>) -> Initiator {
        self.launch(name, steps).await
    }

    /// An initiator that can be killed like a process.
    pub(crate) async fn process(&self, steps: Arc<dyn Steps>) -> Process {
        let runtime = Runtime::new().expect("a runtime");
        let initiator = runtime
            .spawn(self.launch("bank1", steps))
            .await
            .expect("no panic");
        Process { runtime, initiator }
    }

    fn launch(
        &self,
        name: &str,
        steps: Arc<dyn Steps>,
    ) -> impl Future<Output = Initiator> + Send + 'static {
        let (config, client, database) = (self.config(), self.client_config(), self.database(name));
        let clock = self.clock.clone();
        async move {
            let starting =
                Initiator::start(config, client, database, steps, clock, Shutdown::new());
            let initiator = starting.await.expect("the initiator starts");
            let ledger = "CREATE TABLE IF NOT EXISTS ledger (tx_no VARCHAR(36) NOT NULL PRIMARY KEY, amount_fen BIGINT)";
            let mut connection = initiator.database().write().await.expect("a connection");
            sqlx::query(ledger)
                .execute(&mut *connection)
                .await
                .expect("the business table");
            drop(connection);
            initiator
        }
    }

    pub(crate) fn config(&self) -> Config {
        Config {
            source: Source::new(SOURCE).expect("a source"),
            topic: Topic::new(TOPIC).expect("a topic"),
            transaction_deadline: self.deadline,
            check_back_after: self.deadline + Duration::from_secs(1),
            accepted_by: self.accepted_by.clone(),
            relay_after: [600, 3_600, 86_400].map(Duration::from_secs).to_vec(),
            relay_max_age: Duration::from_secs(30 * 86_400),
            retention: Duration::from_secs(90 * 86_400),
            notifier: self.notifier.clone(),
            token: Token::new(TOKEN),
        }
    }

    pub(crate) fn database(&self, name: &str) -> database::Config {
        self.databases.config(name)
    }

    pub(crate) fn client_config(&self) -> ClientConfig {
        ClientConfig {
            endpoints: vec![self.broker().address().to_string()],
            ..ClientConfig::default()
        }
    }

    fn broker(&self) -> &broker::Broker {
        self.broker.as_ref().expect("the broker was not stopped")
    }

    pub(crate) async fn stop_broker(&mut self) {
        let broker = self.broker.take().expect("stopped once");
        broker.stop().await.expect("the broker stops");
    }

    /// Messages that consumers can see.
    pub(crate) fn visible(&self) -> u64 {
        self.broker().stats().topic(TOPIC).messages
    }

    /// Half messages whose transaction is open.
    pub(crate) fn halves(&self) -> u64 {
        self.broker().stats().halves(TOPIC)
    }

    /// Waits until so many messages are visible and no half message is open.
    pub(crate) async fn settles_at(&self, visible: u64) {
        eventually("the halves end", async || self.halves() == 0).await;
        assert_eq!(self.visible(), visible, "visible messages");
    }

    /// Receives so many messages and says which.
    pub(crate) async fn receive(&self, count: usize) -> Vec<TxNo> {
        let received = self.receive_whole(count).await;
        let numbers = received.into_iter().map(|one| one.notification.tx_no);
        numbers.collect()
    }

    /// Receives so many messages and says with which bodies.
    pub(crate) async fn receive_bodies(&self, count: usize) -> Vec<bytes::Bytes> {
        let received = self.receive_whole(count).await;
        let bodies = received.into_iter().map(|one| one.notification.body);
        bodies.collect()
    }

    /// Receives so many messages, whole.
    pub(crate) async fn receive_whole(&self, count: usize) -> Vec<Envelope> {
        let client = Client::new(self.client_config()).expect("an address");
        let config = ConsumerConfig {
            group: GROUP.into(),
            topic: TOPIC.into(),
            filter: "*".into(),
            lease: Duration::from_secs(30),
            permits: 256,
            batch: 32,
            polls: 1,
            more_polls: 0,
            long_poll: Duration::from_millis(200),
        };
        let consumer = Consumer::start(&client, config).await.expect("a consumer");
        let mut received = Vec::new();
        while received.len() < count {
            let batch = timeout(Duration::from_secs(60), consumer.next())
                .await
                .expect("in time");
            for delivery in batch.expect("not stopped") {
                let message = delivery.message();
                let envelope =
                    Envelope::decode(&message.topic, &message.properties, message.body.clone());
                received.push(envelope.expect("our own message"));
                delivery.ack().await.expect("acked");
            }
        }
        consumer.close().await;
        received
    }

    /// Sends a second half message of the same transaction, about which the broker asks after a second
    /// already: a check-back that comes before the transaction can have ended.
    pub(crate) async fn early_half(&self, initiator: &Initiator, new: &NewNotification) {
        // It declares no topic, so it is asked nothing itself.
        let config = TransactionConfig {
            topics: Vec::new(),
            recovery: Duration::from_secs(1),
            checks_in_flight: 1,
        };
        let client = Client::new(self.client_config()).expect("an address");
        let producer = TransactionProducer::start(&client, config, None)
            .await
            .expect("a producer");
        let envelope = Envelope::new(whole(new), initiator.id().clone());
        let wire = envelope.to_message();
        let mut message = Message::new(wire.topic, wire.body);
        message.tag = Some(wire.tag);
        message.keys = wire.keys;
        message.properties = wire.properties;
        let half = producer.begin(message).await.expect("the half is held");
        drop(half);
        producer.close().await;
    }
}

/// An initiator in a runtime of its own. Killed, it stops wherever it stands and answers nobody.
pub(crate) struct Process {
    runtime: Runtime,
    pub(crate) initiator: Initiator,
}

impl Process {
    /// Sends without waiting for what comes of it.
    pub(crate) fn send(&self, tx_no: TxNo) {
        let initiator = self.initiator.clone();
        self.runtime.spawn(async move {
            initiator
                .send_in_transaction(transfer(tx_no), debit(tx_no))
                .await
        });
    }

    pub(crate) fn kill(self) {
        drop(self.initiator);
        self.runtime.shutdown_background();
    }
}

/// Waits for a condition, a minute at most.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(Instant::now() < deadline, "in vain: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}
