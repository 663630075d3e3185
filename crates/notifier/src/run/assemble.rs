//! Puts a notifier together from its configuration: one client, a lane for each endpoint, a
//! receiver for each subscription.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use notification::EndpointId;
use rocketmq::{Client, Consumer, ConsumerConfig, TransactionConfig, TransactionProducer};
use service::clock::Clock;
use service::http_client::HttpOptions;
use service::shutdown::Shutdown;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::api::{ApiState, Subscribed};
use crate::carry::Carrier;
use crate::config::{Config, SubscriptionConfig};
use crate::decide::Rules;
use crate::dlq::DlqReader;
use crate::endpoint::Endpoint;
use crate::in_hand::InHand;
use crate::ladders::Ladders;
use crate::lane::Lane;
use crate::receive::Receiver;
use crate::record::Record;
use crate::resend::Resender;
use crate::ring::Ringer;

/// How long a poll waits at the broker. Polls end by themselves on shutdown, so this is how long
/// an idle notifier takes to stop; five seconds is the broker's least.
const LONG_POLL: Duration = Duration::from_secs(5);

/// The most messages of one poll.
const BATCH: usize = 32;

/// Everything that runs beside the API and the record.
pub(super) struct Notifier {
    client: Client,
    endpoints: HashMap<EndpointId, (Arc<Endpoint>, Lane)>,
    subscribed: Vec<Subscribed>,
    pub(super) receivers: Vec<Receiver>,
    pub(super) resender: Resender,
    pub(super) dlq: Option<DlqReader>,
    pub(super) producer: TransactionProducer,
    wake: Arc<Notify>,
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
            dlq: DlqReader::new(config, record).context("broker.admin")?,
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

    pub(super) fn api_state(&self, config: &Config, record: &Record) -> ApiState {
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
