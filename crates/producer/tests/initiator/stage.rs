//! An embedded broker, a SQLite folder, and initiators on them.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use database::{Database, Tx};
use notification::{
    BusinessKey, BusinessState, ContentType, Envelope, EventType, Group, Notification, Source,
    Topic, TxNo, api,
};
use producer::{Business, BusinessError, Config, Initiator, NewNotification, Steps, Token};
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

pub const TOPIC: &str = "topic_txmsg";
pub const SOURCE: &str = "bank1";
pub const GROUP: &str = "bank2";
pub const TOKEN: &str = "operator";
/// An address where nothing listens: no notifier, so the relay rests.
const NOWHERE: &str = "http://127.0.0.1:9";

/// Broker and folder of one test.
pub struct Stage {
    broker: Option<broker::Broker>,
    folder: TempDir,
    pub notifier: String,
    /// From the half message to the COMMIT at most; check-backs begin a second later.
    pub deadline: Duration,
    pub clock: Clock,
}

impl Stage {
    /// Check-backs follow each other every 200 ms and never end, so that none is waited for.
    pub async fn start() -> Stage {
        Stage::with_check_max(1_000).await
    }

    /// The same with a short deadline, so that the first check-back of a half comes after five seconds.
    pub async fn with_early_check_backs() -> Stage {
        Stage {
            deadline: Duration::from_secs(4),
            ..Stage::start().await
        }
    }

    /// The same with a notifier.
    pub async fn with_notifier(notifier: &FakeNotifier) -> Stage {
        Stage {
            notifier: notifier.url(),
            ..Stage::start().await
        }
    }

    pub async fn with_check_max(check_max: u32) -> Stage {
        log::keep();
        let folder = TempDir::new().expect("a temporary folder");
        let broker = broker::Broker::start(broker::Config {
            data: folder.path().join("broker"),
            listen: ([127, 0, 0, 1], 0).into(),
            check_interval: Duration::from_millis(200),
            check_max,
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
            folder,
            notifier: NOWHERE.into(),
            deadline: Duration::from_secs(25),
            clock: Clock::system(),
        }
    }

    pub async fn initiator(&self, steps: Arc<dyn Steps>) -> Initiator {
        self.initiator_on("bank1", steps).await
    }

    /// An initiator on the database of that name.
    pub async fn initiator_on(&self, name: &str, steps: Arc<dyn Steps>) -> Initiator {
        self.launch(name, steps).await
    }

    /// An initiator that can be killed like a process.
    pub async fn process(&self, steps: Arc<dyn Steps>) -> Process {
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

    pub fn config(&self) -> Config {
        Config {
            source: Source::new(SOURCE).expect("a source"),
            topic: Topic::new(TOPIC).expect("a topic"),
            transaction_deadline: self.deadline,
            check_back_after: self.deadline + Duration::from_secs(1),
            accepted_by: vec![Group::new(GROUP).expect("a group")],
            relay_after: [600, 3_600, 86_400].map(Duration::from_secs).to_vec(),
            relay_max_age: Duration::from_secs(30 * 86_400),
            notifier: self.notifier.clone(),
            token: Token::new(TOKEN),
        }
    }

    pub fn database(&self, name: &str) -> database::Config {
        database::Config::sqlite(self.folder.path().join(format!("{name}.sqlite")))
    }

    pub fn client_config(&self) -> ClientConfig {
        ClientConfig {
            endpoints: vec![self.broker().address().to_string()],
            ..ClientConfig::default()
        }
    }

    fn broker(&self) -> &broker::Broker {
        self.broker.as_ref().expect("the broker was not stopped")
    }

    pub async fn stop_broker(&mut self) {
        let broker = self.broker.take().expect("stopped once");
        broker.stop().await.expect("the broker stops");
    }

    /// Messages that consumers can see.
    pub fn visible(&self) -> u64 {
        self.broker().stats().topic(TOPIC).messages
    }

    /// Half messages whose transaction is open.
    pub fn halves(&self) -> u64 {
        self.broker().stats().halves(TOPIC)
    }

    /// Waits until so many messages are visible and no half message is open.
    pub async fn settles_at(&self, visible: u64) {
        eventually("the halves end", async || self.halves() == 0).await;
        assert_eq!(self.visible(), visible, "visible messages");
    }

    /// Receives so many messages and says which.
    pub async fn receive(&self, count: usize) -> Vec<TxNo> {
        let client = Client::new(self.client_config()).expect("an address");
        let config = ConsumerConfig {
            group: GROUP.into(),
            topic: TOPIC.into(),
            filter: "*".into(),
            lease: Duration::from_secs(30),
            permits: 256,
            batch: 32,
            polls: 1,
            long_poll: Duration::from_millis(200),
        };
        let consumer = Consumer::start(&client, config).await.expect("a consumer");
        let mut numbers = Vec::new();
        while numbers.len() < count {
            let batch = timeout(Duration::from_secs(60), consumer.next())
                .await
                .expect("in time");
            for delivery in batch.expect("not stopped") {
                let message = delivery.message();
                let envelope =
                    Envelope::decode(&message.topic, &message.properties, message.body.clone());
                numbers.push(envelope.expect("our own message").notification.tx_no);
                delivery.ack().await.expect("acked");
            }
        }
        consumer.close().await;
        numbers
    }

    /// Sends a second half message of the same transaction, about which the broker asks after a second
    /// already: a check-back that comes before the transaction can have ended.
    pub async fn early_half(&self, initiator: &Initiator, new: &NewNotification) {
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
pub struct Process {
    runtime: Runtime,
    pub initiator: Initiator,
}

impl Process {
    /// Sends without waiting for what comes of it.
    pub fn send(&self, tx_no: TxNo) {
        let initiator = self.initiator.clone();
        self.runtime.spawn(async move {
            initiator
                .send_in_transaction(transfer(tx_no), debit(tx_no))
                .await
        });
    }

    pub fn kill(self) {
        drop(self.initiator);
        self.runtime.shutdown_background();
    }
}

/// Waits for a condition, a minute at most.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(Instant::now() < deadline, "in vain: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// A fresh number of the present.
pub fn fresh() -> TxNo {
    let now_ms = u64::try_from(service::clock::now_ms()).expect("after 1970");
    TxNo::from_parts(now_ms, std::array::from_fn(|_| fastrand::u8(..)))
}

/// A transfer of 10.00.
pub fn transfer(tx_no: TxNo) -> NewNotification {
    transfer_of(tx_no, 1_000)
}

pub fn transfer_of(tx_no: TxNo, amount_fen: i64) -> NewNotification {
    NewNotification {
        tx_no,
        event_type: EventType::new("transfer").expect("an event type"),
        business_key: BusinessKey::new("transfer").expect("a key"),
        content_type: ContentType::new("application/json").expect("a type"),
        notify_url: None,
        traceparent: None,
        body: Bytes::from(format!("{{\"amount_fen\":{amount_fen}}}")),
    }
}

fn whole(new: &NewNotification) -> Notification {
    Notification {
        source: Source::new(SOURCE).expect("a source"),
        topic: Topic::new(TOPIC).expect("a topic"),
        tx_no: new.tx_no,
        event_type: new.event_type.clone(),
        business_key: new.business_key.clone(),
        content_type: new.content_type.clone(),
        notify_url: None,
        traceparent: None,
        body: new.body.clone(),
    }
}

/// The business change: one line in the ledger.
pub fn debit(tx_no: TxNo) -> Business {
    Box::new(move |tx| Box::pin(write(tx, tx_no)))
}

/// The same change, which is then refused.
pub fn debit_and_refuse(tx_no: TxNo) -> Business {
    Box::new(move |tx| {
        Box::pin(async move {
            write(tx, tx_no).await?;
            Err(BusinessError::Refused("the account is closed".into()))
        })
    })
}

pub async fn write(tx: &mut Tx, tx_no: TxNo) -> Result<(), BusinessError> {
    sqlx::query("INSERT INTO ledger (tx_no, amount_fen) VALUES (?, 1000)")
        .bind(tx_no.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// How often the business change of that number was made.
pub async fn debits(database: &Database, tx_no: &TxNo) -> i64 {
    let mut connection = database.read().await.expect("a connection");
    sqlx::query_scalar("SELECT COUNT(*) FROM ledger WHERE tx_no = ?")
        .bind(tx_no.to_string())
        .fetch_one(&mut *connection)
        .await
        .expect("the ledger is read")
}

/// What the result API says.
pub async fn result(initiator: &Initiator, tx_no: &TxNo) -> api::ResultView {
    initiator.result(tx_no).await.expect("the result is read")
}

pub async fn state(initiator: &Initiator, tx_no: &TxNo) -> BusinessState {
    result(initiator, tx_no).await.state
}
