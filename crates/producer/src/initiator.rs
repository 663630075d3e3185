//! The initiator as a whole: its database, its producer, and the tasks that watch over what it sent.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use database::{Database, Migrations};
use notification::{Envelope, Group, InitiatorId, Notification, Source};
use rocketmq::{Client, ClientConfig, Message, TransactionConfig, TransactionProducer};
use service::clock::Clock;
use service::shutdown::Shutdown;
use service::worker;
use tokio_util::task::TaskTracker;

use crate::answer::{Business, NewNotification, SendError, SendOutcome};
use crate::checker::Checker;
use crate::config::Config;
use crate::feed::{self, Freshness};
use crate::lasting::{PAUSE, lasting};
use crate::metrics::{self, Meters};
use crate::relay::{self, Pace};
use crate::steps::Steps;
use crate::{identity, retention, sending};

/// The initiator's tables, in `sql/producer`.
pub const MIGRATIONS: Migrations = Migrations {
    name: "producer",
    files: &[
        (
            1,
            "outgoing",
            include_str!("../../../sql/producer/0001_outgoing.sql"),
        ),
        (
            2,
            "groups",
            include_str!("../../../sql/producer/0002_groups.sql"),
        ),
        (
            3,
            "endpoint",
            include_str!("../../../sql/producer/0003_endpoint.sql"),
        ),
    ],
};

/// How long the checker waits for a lock before it answers nothing.
const CHECKER_LOCK_WAIT: Duration = Duration::from_secs(1);
/// The checker's own connections of each kind (SQLite has one writer whatever is asked for): a locked
/// row keeps one of them waiting, not all.
const CHECKER_CONNECTIONS: u32 = 4;
/// How many check-backs are answered at a time.
const CHECKS_IN_FLIGHT: usize = 16;
/// The deadline of one request to the outcome feed.
const FEED_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends notifications that are true: each goes out if and only if its business change committed.
///
/// Cheap to clone; all clones are one initiator.
#[derive(Clone)]
pub struct Initiator(Arc<Shared>);

/// What sendings, feed reader and relay have in common.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) id: InitiatorId,
    pub(crate) database: Database,
    pub(crate) producer: TransactionProducer,
    pub(crate) http: reqwest::Client,
    pub(crate) steps: Arc<dyn Steps>,
    pub(crate) clock: Clock,
    pub(crate) freshness: Freshness,
    pub(crate) pace: Pace,
    pub(crate) meters: Arc<Meters>,
    tasks: TaskTracker,
}

impl Initiator {
    /// Opens the business database, brings its `outgoing` table up to date, and starts answering
    /// check-backs, reading the outcome feed and relaying. Neither the broker nor the notifier needs to
    /// be up; a database server that is away is waited for, for ever. The reader and the relay end with the shutdown's soft phase; see [`Initiator::close`].
    ///
    /// # Errors
    /// A configuration that contradicts itself, or a database that can't be opened or migrated.
    pub async fn start(
        config: Config,
        broker: ClientConfig,
        database: database::Config,
        steps: Arc<dyn Steps>,
        clock: Clock,
        shutdown: Shutdown,
    ) -> anyhow::Result<Initiator> {
        config.check()?;
        let checkers = database::Config {
            readers: CHECKER_CONNECTIONS,
            lock_wait: CHECKER_LOCK_WAIT,
            ..database.clone()
        };
        let fresh = InitiatorId::new(service::ids::uuid7(clock.now_ms()))?;
        let (database, id) = Database::ready_when_there(&database, |database| {
            let (fresh, now_ms) = (fresh.clone(), clock.now_ms());
            async move {
                database.migrate(&MIGRATIONS).await?;
                let id = identity::initiator_id(&database, fresh, now_ms);
                database.in_time(id).await
            }
        })
        .await
        .context("opening the initiator's database, its tables and its id")?;

        let checkers = Database::open_when_there(&checkers)
            .await
            .context("opening the checker's connections")?;
        let meters = Arc::<Meters>::default();
        let checker = Checker::new(checkers, id.clone(), worker::name(), clock.clone())
            .counting(meters.clone());
        let publishing = TransactionConfig {
            topics: vec![config.topic.as_str().to_owned()],
            recovery: config.check_back_after,
            checks_in_flight: CHECKS_IN_FLIGHT,
        };
        let client = Client::new(broker).context("broker address")?;
        let producer =
            TransactionProducer::start(&client, publishing, Some(Arc::new(checker))).await?;
        let http = service::http_client::build(&service::http_client::HttpOptions {
            timeout: FEED_TIMEOUT,
            ..Default::default()
        })?;

        let shared = Arc::new(Shared {
            config,
            id,
            database,
            producer,
            http,
            steps,
            clock,
            freshness: Freshness::default(),
            pace: Pace::default(),
            meters,
            tasks: TaskTracker::new(),
        });
        let (reader, relay) = (Arc::clone(&shared), Arc::clone(&shared));
        let (reader_stop, relay_stop) = (shutdown.soft(), shutdown.soft());
        shared.tasks.spawn(async move {
            let read = || feed::run(&reader, reader_stop.clone());
            lasting("feed reader", PAUSE, &reader_stop, read).await;
        });
        shared.tasks.spawn(async move {
            let send = || relay::run(&relay, relay_stop.clone());
            lasting("relay", PAUSE, &relay_stop, send).await;
        });
        let (forgetting, forget_stop) = (Arc::clone(&shared), shutdown.soft());
        shared.tasks.spawn(async move {
            let forget = || retention::run(&forgetting, forget_stop.clone());
            lasting("retention", PAUSE, &forget_stop, forget).await;
        });
        let (counting, count_stop) = (Arc::clone(&shared), shutdown.soft());
        shared.tasks.spawn(async move {
            let count = || metrics::keep(&counting, count_stop.clone());
            lasting("count of what is outgoing", PAUSE, &count_stop, count).await;
        });
        Ok(Initiator(shared))
    }

    /// Commits a business change together with its notification, in the order: half message, `outgoing`
    /// row, `business`, COMMIT, end.
    ///
    /// It goes on in a task of its own: dropping the returned future cancels nothing. Calling again with
    /// the same `tx_no` and the same content does nothing again and tells what became of it.
    ///
    /// # Errors
    /// Each [`SendError`] means that nothing was committed by this call.
    pub async fn send_in_transaction(
        &self,
        notification: NewNotification,
        business: Business,
    ) -> Result<SendOutcome, SendError> {
        let sent = self.send(notification, business).await;
        self.0.meters.sent(&sent);
        sent
    }

    async fn send(
        &self,
        notification: NewNotification,
        business: Business,
    ) -> Result<SendOutcome, SendError> {
        let notification = self.0.complete(notification);
        notification.check()?;
        let (retention, now_ms) = (self.0.config.retention, self.0.clock.now_ms());
        retention::refuse_old(&notification.tx_no, retention, now_ms)?;
        let shared = Arc::clone(&self.0);
        let task = self
            .0
            .tasks
            .spawn(async move { sending::run(&shared, &notification, business).await });
        // Nobody aborts the task, so that an error here is a panic. The caller's code runs only before
        // COMMIT; what was dropped in the unwinding sends nothing.
        task.await.unwrap_or(Err(SendError::Panicked))
    }

    /// The business database.
    pub fn database(&self) -> &Database {
        &self.0.database
    }

    /// The name under which receivers and the notifier know this initiator.
    pub fn source(&self) -> &Source {
        &self.0.config.source
    }

    /// This database's random id, as its half messages carry it.
    pub fn id(&self) -> &InitiatorId {
        &self.0.id
    }

    /// Waits until the sendings under way are done (the reader and the relay end by the shutdown's soft
    /// phase, which must have come), then takes leave of the broker.
    pub async fn close(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.producer.close().await;
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }
}

impl Shared {
    fn complete(&self, new: NewNotification) -> Notification {
        Notification {
            source: self.config.source.clone(),
            tx_no: new.tx_no,
            topic: self.config.topic.clone(),
            event_type: new.event_type,
            business_key: new.business_key,
            content_type: new.content_type,
            endpoint: new.endpoint,
            notify_url: new.notify_url,
            traceparent: new.traceparent,
            body: new.body,
        }
    }

    /// The message of a first send.
    pub(crate) fn message(&self, notification: &Notification) -> Message {
        self.message_of(notification, 0, None)
    }

    /// The message of any send; the broker's client gives each a fresh id.
    pub(crate) fn message_of(
        &self,
        notification: &Notification,
        generation: u32,
        for_group: Option<Group>,
    ) -> Message {
        let envelope = Envelope {
            notification: notification.clone(),
            initiator_id: self.id.clone(),
            generation,
            for_group,
        };
        let wire = envelope.to_message();
        Message {
            topic: wire.topic,
            body: wire.body,
            tag: Some(wire.tag),
            keys: wire.keys,
            properties: wire.properties,
        }
    }
}
