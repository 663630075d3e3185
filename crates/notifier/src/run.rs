//! One notifier, from its configuration to its end.
//!
//! It ends in the order in which messages flow: polls end by themselves, what was received is
//! carried to its record and settled or given back, the record is flushed, the store is closed.
//! The hard phase cuts each of these steps off; nothing is lost by that, only repeated.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use database::Database;
use notification::{EndpointId, Group};
use rocketmq::{Client, Consumer, ConsumerConfig, TransactionConfig, TransactionProducer};
use service::clock::Clock;
use service::http_client::HttpOptions;
use service::shutdown::Shutdown;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use crate::api::{self, ApiState, Subscribed};
use crate::carry::Carrier;
use crate::config::{Config, SubscriptionConfig};
use crate::decide::Rules;
use crate::endpoint::Endpoint;
use crate::in_hand::InHand;
use crate::ladders::Ladders;
use crate::lane::Lane;
use crate::receive::Receiver;
use crate::record::{Record, RecordOptions};
use crate::resend::Resender;
use crate::ring::Ringer;

/// How long a poll waits at the broker. Polls end by themselves on shutdown, so this is how long
/// an idle notifier takes to stop; five seconds is the broker's least.
const LONG_POLL: std::time::Duration = std::time::Duration::from_secs(5);

/// The most messages of one poll.
const BATCH: usize = 32;

/// Runs a notifier until the shutdown's soft phase has been worked through or its hard one begins.
/// `ready` is told the API's address once everything is under way; the broker need not be up.
pub async fn run(
    config: Config,
    shutdown: Shutdown,
    ready: impl FnOnce(SocketAddr),
) -> anyhow::Result<()> {
    config.check()?;
    let listener = service::http::bind(config.notifier.listen).await?;
    let address = listener.local_addr().context("the API's address")?;
    let clock = Clock::system();
    let database = Database::open(&config.database).await?;
    let (record, flusher) =
        Record::open(database.clone(), record_options(&config), clock.clone()).await?;
    let notifier = Notifier::start(&config, &record, clock, &shutdown).await?;
    let mut flushing = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { shutdown.unless_forced(flusher.run()).await }
    });
    let router = api::router(notifier.api_state(&config, &record));
    let serving = tokio::spawn(service::http::serve(listener, router, shutdown.clone()));
    ready(address);
    tracing::info!(event = "notifier_started", %address);

    drop(record);
    let mut running = std::pin::pin!(notifier.run(&shutdown));
    tokio::select! {
        ended = &mut running => {
            ended?;
            serving.await.context("the API's task")??;
            flushing.await.context("the record's task")?;
        }
        // In order, it ends when the last handle on the record is gone, which is during a shutdown.
        ended = &mut flushing => {
            ended.context("the record's task")?;
            anyhow::ensure!(shutdown.is_requested(), "the record's task ended before its time");
            running.await?;
            serving.await.context("the API's task")??;
        }
    }
    let closed = shutdown.unless_forced(database.close()).await;
    tracing::info!(event = "notifier_stopped", in_order = closed.is_some());
    Ok(())
}

fn record_options(config: &Config) -> RecordOptions {
    RecordOptions {
        places: config.notifier.permits * config.subscriptions.len(),
        write_deadline: config.notifier.write_deadline(),
        worker: config.notifier.worker(),
    }
}

/// Everything that runs beside the API and the record.
struct Notifier {
    client: Client,
    endpoints: HashMap<EndpointId, (Arc<Endpoint>, Lane)>,
    subscribed: Vec<Subscribed>,
    receivers: Vec<Receiver>,
    resender: Resender,
    producer: TransactionProducer,
    wake: Arc<Notify>,
    tasks: TaskTracker,
}

impl Notifier {
    async fn start(
        config: &Config,
        record: &Record,
        clock: Clock,
        shutdown: &Shutdown,
    ) -> anyhow::Result<Self> {
        let client = Client::new(config.broker.clone())?;
        // It declares no topic, so it is given no check-backs and needs no checker.
        let producer =
            TransactionProducer::start(&client, TransactionConfig::default(), None).await?;
        let wake = Arc::new(Notify::new());
        let mut notifier = Self {
            endpoints: endpoints(config)?,
            subscribed: Vec::new(),
            receivers: Vec::new(),
            resender: Resender {
                database: record.database().clone(),
                producer: producer.clone(),
                clock: clock.clone(),
                wake: wake.clone(),
            },
            producer,
            wake,
            tasks: TaskTracker::new(),
            client,
        };
        let ringer = Ringer::new(http_client(config)?, clock.clone());
        let in_hand = InHand::default();
        for subscription in &config.subscriptions {
            let (endpoint, lane) = &notifier.endpoints[&subscription.endpoint];
            let consumer = consumer(&notifier.client, config, subscription).await?;
            let ladders = Ladders::new(endpoint.ladder.as_ref(), consumer.backoff_policy());
            notifier.subscribed.push(Subscribed {
                group: subscription.group.clone(),
                topic: subscription.topic.clone(),
                ladders: ladders.clone(),
            });
            notifier.receivers.push(Receiver {
                group: subscription.group.clone(),
                consumer,
                carrier: Arc::new(Carrier {
                    endpoint: endpoint.clone(),
                    lane: lane.clone(),
                    ladders,
                    ringer: ringer.clone(),
                    record: record.clone(),
                    rules: Rules {
                        crashes_workers_after: config.notifier.crashes_workers_after,
                    },
                    lease: config.notifier.lease,
                    clock: clock.clone(),
                    shutdown: shutdown.clone(),
                }),
                in_hand: in_hand.clone(),
                tasks: notifier.tasks.clone(),
            });
        }
        Ok(notifier)
    }

    fn api_state(&self, config: &Config, record: &Record) -> ApiState {
        ApiState {
            record: record.clone(),
            client: self.client.clone(),
            token: config.token.clone(),
            subscribed: self.subscribed.clone().into(),
            endpoints: Arc::new(self.endpoints.keys().cloned().collect()),
            feed_lag: config.notifier.feed_lag,
            clock: self.resender.clock.clone(),
            wake: self.wake.clone(),
        }
    }

    /// Until the soft phase has been worked through.
    async fn run(self, shutdown: &Shutdown) -> anyhow::Result<()> {
        let mut loops = JoinSet::new();
        for receiver in self.receivers {
            let shutdown = shutdown.clone();
            loops.spawn(async move { shutdown.unless_forced(receiver.run()).await });
        }
        let (resender, resending) = (self.resender, shutdown.clone());
        loops.spawn(async move {
            let run = Box::pin(resender.run(resending.clone()));
            resending.unless_forced(run).await
        });
        while let Some(ended) = loops.join_next().await {
            ended.context("a loop of the notifier's")?;
        }
        self.tasks.close();
        self.tasks.wait().await;
        shutdown.unless_forced(self.producer.close()).await;
        Ok(())
    }
}

fn endpoints(config: &Config) -> anyhow::Result<HashMap<EndpointId, (Arc<Endpoint>, Lane)>> {
    let mut endpoints = HashMap::new();
    for endpoint in &config.endpoints {
        let lane = Lane::new(endpoint.queue, endpoint.concurrency);
        let ready = Arc::new(Endpoint::new(endpoint, config.ladder.as_ref())?);
        endpoints.insert(endpoint.id.clone(), (ready, lane));
    }
    Ok(endpoints)
}

async fn consumer(
    client: &Client,
    config: &Config,
    subscription: &SubscriptionConfig,
) -> anyhow::Result<Consumer> {
    let group: &Group = &subscription.group;
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

/// One client for all endpoints; each attempt has its endpoint's own deadline on top.
fn http_client(config: &Config) -> anyhow::Result<reqwest::Client> {
    let longest = config
        .endpoints
        .iter()
        .map(|endpoint| endpoint.timeout)
        .max();
    let widest = config
        .endpoints
        .iter()
        .map(|endpoint| endpoint.concurrency)
        .max();
    let defaults = HttpOptions::default();
    service::http_client::build(&HttpOptions {
        timeout: longest.unwrap_or(defaults.timeout) * 2,
        connect_timeout: longest.unwrap_or(defaults.connect_timeout),
        idle_per_host: widest.unwrap_or(defaults.idle_per_host),
        ..defaults
    })
}
