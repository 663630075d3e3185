//! Puts a notifier together from its configuration: one client, the directory of endpoints, a
//! receiver for each subscription.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rocketmq::{Client, Consumer, ConsumerConfig, TransactionConfig, TransactionProducer};
use service::clock::Clock;
use service::metrics::Registered;
use service::shutdown::Shutdown;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::api::{ApiState, Subscribed};
use crate::carry::{Carrier, OnShelf, Others, Permits, Shelf};
use crate::config::{Config, Destination, SubscriptionConfig};
use crate::decide::Rules;
use crate::directory::{Directory, Refresher};
use crate::dlq::DlqReader;
use crate::egress::Egress;
use crate::in_hand::InHand;
use crate::ladders::Ladders;
use crate::lateness::Lateness;
use crate::letters;
use crate::metrics::{Meters, Sources, Watched};
use crate::oldest::Oldest;
use crate::overdue::Overdue;
use crate::parking::Sleepers;
use crate::receive::Receiver;
use crate::record::Record;
use crate::resend::Resender;
use crate::retention::{Retention, Spans};
use crate::ring::Ringer;
use crate::sealing::Sealing;
use crate::tokens::Tokens;

/// How long a poll waits at the broker. Polls end by themselves on shutdown, so this is how long
/// an idle notifier takes to stop; five seconds is the broker's least.
const LONG_POLL: Duration = Duration::from_secs(5);

/// The most messages of one poll.
const BATCH: usize = 32;

/// Everything that runs beside the API and the record.
pub(super) struct Notifier {
    client: Client,
    directory: Directory,
    pub(super) refresher: Refresher,
    ringer: Ringer,
    subscribed: Vec<Subscribed>,
    watched: Vec<Watched>,
    started_ms: i64,
    pub(super) receivers: Vec<(Receiver, OnShelf)>,
    pub(super) resender: Resender,
    pub(super) tokens: Tokens,
    pub(super) dlq: Option<DlqReader>,
    pub(super) retention: Retention,
    pub(super) producer: TransactionProducer,
    wake: Arc<Notify>,
    asked: Arc<Notify>,
    pub(super) jobs: letters::Carrier,
    pub(super) overdue: Overdue,
    pub(super) oldest: Oldest,
    pub(super) tasks: TaskTracker,
}

impl Notifier {
    pub(super) async fn start(
        config: &Config,
        record: &Record,
        clock: Clock,
        shutdown: &Shutdown,
    ) -> anyhow::Result<Self> {
        let client = Client::new(config.broker.clone())?;
        // It declares no topic, so it is given no check-backs and needs no checker.
        let producer =
            TransactionProducer::start(&client, TransactionConfig::default(), None).await?;
        let (wake, asked) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let sealing = Sealing::from_file(config.notifier.encryption_key_file.as_deref())?;
        let directory = Directory::new(config, Egress::new(&config.egress), sealing)?;
        let in_hand = InHand::default();
        let mut notifier = Self {
            jobs: letters::Carrier {
                record: record.clone(),
                directory: directory.clone(),
                worker: letters::claimant(&config.notifier.worker()),
                asked: asked.clone(),
                wake: wake.clone(),
            },
            overdue: Overdue {
                record: record.clone(),
                directory: directory.clone(),
                in_hand: in_hand.clone(),
                groups: Vec::new(),
                after: config.notifier.overdue_after(),
            },
            oldest: Oldest {
                record: record.clone(),
                bound: config.notifier.oldest_waiting,
            },
            directory: directory.clone(),
            refresher: Refresher::new(directory, record.clone()),
            ringer: Ringer::new(clock.clone()),
            subscribed: Vec::new(),
            watched: Vec::new(),
            started_ms: clock.now_ms(),
            receivers: Vec::new(),
            resender: Resender {
                database: record.database().clone(),
                sealer: record.sealer().clone(),
                producer: producer.clone(),
                clock: clock.clone(),
                wake: wake.clone(),
                meters: record.meters().clone(),
            },
            tokens: Tokens::new(
                record.database().clone(),
                config.token.clone(),
                clock.clone(),
            ),
            retention: Retention::new(record.clone(), Spans::of(&config.notifier)),
            dlq: DlqReader::new(config, record).context("broker.admin")?,
            producer,
            wake,
            asked,
            tasks: TaskTracker::new(),
            client,
        };
        let sleepers = Sleepers::new(Instant::now());
        for subscription in &config.subscriptions {
            let consumer = consumer(&notifier.client, config, subscription).await?;
            let ladders = Ladders::new(consumer.backoff_policy());
            let watched = (subscription.group.clone(), consumer.lookout());
            notifier.overdue.groups.push(watched);
            let permits = Permits::new(config.notifier.permits);
            let (shelf, on_shelf) = Shelf::new();
            let meters = Arc::<Meters>::default();
            notifier.watched.push(Watched {
                group: subscription.group.clone(),
                topic: subscription.topic.clone(),
                meters: meters.clone(),
                permits: permits.clone(),
            });
            notifier.subscribed.push(Subscribed {
                group: subscription.group.clone(),
                topic: subscription.topic.clone(),
                endpoint: subscription.endpoint.clone(),
                ladders: ladders.clone(),
            });
            let receiver = Receiver {
                group: subscription.group.clone(),
                consumer,
                carrier: Arc::new(Carrier {
                    directory: notifier.directory.clone(),
                    subscription: subscription.clone(),
                    ladders,
                    ringer: notifier.ringer.clone(),
                    record: record.clone(),
                    rules: Rules {
                        crashes_workers_after: config.notifier.crashes_workers_after,
                        longest_deferral: config.notifier.longest_deferral,
                    },
                    lateness: Lateness::new(config.notifier.permits),
                    permits,
                    shelf,
                    meters,
                    others: match subscription.endpoint {
                        Destination::One(_) => Others::None,
                        Destination::Named => Others::Some,
                    },
                    sleepers: sleepers.clone(),
                    lease: config.notifier.lease,
                    clock: clock.clone(),
                    shutdown: shutdown.clone(),
                }),
                in_hand: in_hand.clone(),
                tasks: notifier.tasks.clone(),
            };
            notifier.receivers.push((receiver, on_shelf));
        }
        Ok(notifier)
    }

    pub(super) fn api_state(&self, config: &Config, record: &Record) -> ApiState {
        ApiState {
            record: record.clone(),
            client: self.client.clone(),
            tokens: self.tokens.clone(),
            subscribed: self.subscribed.clone().into(),
            directory: self.directory.clone(),
            ringer: self.ringer.clone(),
            feed_lag: config.notifier.feed_lag,
            clock: self.resender.clock.clone(),
            producer: self.producer.clone(),
            wake: self.wake.clone(),
            asked: self.asked.clone(),
            metrics: Registered::new(Sources {
                started_ms: self.started_ms,
                directory: self.directory.clone(),
                subscriptions: self.watched.clone(),
                record: record.clone(),
            }),
            who_may_scrape: config.notifier.metrics,
        }
    }
}

async fn consumer(
    client: &Client,
    config: &Config,
    subscription: &SubscriptionConfig,
) -> anyhow::Result<Consumer> {
    let group = &subscription.group;
    let config = ConsumerConfig {
        group: group.to_string(),
        topic: subscription.topic.to_string(),
        // Whatever a broker-side filter leaves out is gone for good.
        filter: "*".to_owned(),
        lease: config.notifier.lease,
        permits: config.notifier.permits,
        batch: BATCH,
        long_poll: LONG_POLL,
        ..ConsumerConfig::default()
    };
    let consumer = Consumer::start(client, config).await;
    consumer.with_context(|| format!("subscribing group {group}"))
}
