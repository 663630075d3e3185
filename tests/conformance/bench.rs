//! The broker that is judged: where it is, what it is, and fresh topics and groups on it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rocketmq_wire::remoting::{CreateGroup, CreateTopic, TopicKind};
use rocketmq_wire::v2::Code;
use tokio::sync::Mutex;

use crate::client::Client;
use crate::remote::{self, Remote};
use crate::restart::Restart;
use crate::suite::Outcome;
use crate::wire::code;

/// How long a topic may take to be seen by the proxy.
const ROUTED: Duration = Duration::from_secs(30);

/// First check-back, and from one to the next, as both brokers are configured for the suite.
pub(crate) const CHECK_AFTER: Duration = Duration::from_secs(3);
pub(crate) const CHECK_INTERVAL: Duration = Duration::from_secs(2);
pub(crate) const CHECK_MAX: u32 = 15;

/// Which broker it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Embedded,
    /// With its version, such as (5, 5, 0).
    RocketMq((u32, u32, u32)),
}

/// A broker under judgement; cheap to clone.
#[derive(Clone)]
pub(crate) struct Bench(Arc<Inner>);

struct Inner {
    kind: Kind,
    /// `host:port` of the gRPC service.
    grpc: String,
    /// The CA that the gRPC service's certificate is from, in PEM; without one it is plaintext.
    ca: Option<String>,
    /// The broker's remoting, and as whom everything is asked.
    remoting: Remote,
    /// Tells this run's names from those of others.
    run: String,
    made: AtomicU32,
    restart: Option<Mutex<Restart>>,
}

impl Bench {
    pub(crate) fn new(
        kind: Kind,
        grpc: String,
        ca: Option<String>,
        remoting: Remote,
        restart: Option<Restart>,
    ) -> Self {
        let run: String = std::iter::repeat_with(fastrand::alphanumeric)
            .take(6)
            .collect();
        Self(Arc::new(Inner {
            kind,
            grpc,
            ca,
            remoting,
            run,
            made: AtomicU32::new(0),
            restart: restart.map(Mutex::new),
        }))
    }

    pub(crate) fn grpc(&self) -> &str {
        &self.0.grpc
    }

    pub(crate) fn ca(&self) -> Option<&str> {
        self.0.ca.as_deref()
    }

    pub(crate) fn remoting(&self) -> &Remote {
        &self.0.remoting
    }

    pub(crate) fn is_embedded(&self) -> bool {
        self.0.kind == Kind::Embedded
    }

    /// Whether it is Apache RocketMQ of a version before `version`.
    pub(crate) fn is_before(&self, version: (u32, u32, u32)) -> bool {
        matches!(self.0.kind, Kind::RocketMq(own) if own < version)
    }

    /// What is declared for each of the two: a difference that is known and meant.
    pub(crate) fn either<T>(&self, rocketmq: T, embedded: T) -> T {
        if self.is_embedded() {
            embedded
        } else {
            rocketmq
        }
    }

    /// What is declared for Apache RocketMQ from 5.5.0 on and for the embedded broker, and what for
    /// those before.
    pub(crate) fn since_5_5<T>(&self, since: T, before: T) -> T {
        if self.is_before((5, 5, 0)) {
            before
        } else {
            since
        }
    }

    /// What is declared, and what where every request has credentials: Apache RocketMQ then looks
    /// whether the names in a request are allowed before it looks whether they are names.
    pub(crate) fn asked_who<T>(&self, usual: T, with_credentials: T) -> T {
        match self.remoting().credentials {
            None => usual,
            Some(_) => with_credentials,
        }
    }

    /// What a blank topic or group is answered by.
    pub(crate) fn blank(&self, usual: Code, null: &'static str) -> (Code, &'static str) {
        self.asked_who((usual, "blank"), (Code::Unauthorized, null))
    }

    /// How late the broker may be with what it puts off. The embedded one promises 0.2 s when idle; the
    /// suite is a crowd of 24 on one process and machines of CI are noisy, so 1 s is asked of it. The
    /// grain of Apache RocketMQ is 1 to 4 s, and its JVM shares the machine with the suite. What is
    /// early has no such allowance anywhere.
    pub(crate) fn lateness(&self) -> Duration {
        self.either(Duration::from_secs(6), Duration::from_secs(1))
    }

    /// How long what is to happen at once may take, for the same reasons.
    pub(crate) fn at_once(&self) -> Duration {
        self.either(Duration::from_secs(3), Duration::from_secs(1))
    }

    /// A name that nobody has used.
    pub(crate) fn name(&self, label: &str) -> String {
        let n = self.0.made.fetch_add(1, Ordering::Relaxed);
        format!("c_{}_{n}_{label}", self.0.run)
    }

    /// A topic with one queue, made over remoting, that the proxy has a route to.
    pub(crate) async fn topic(&self, kind: TopicKind) -> anyhow::Result<String> {
        self.topic_with(kind, 1).await
    }

    pub(crate) async fn normal(&self) -> anyhow::Result<String> {
        self.topic(TopicKind::Normal).await
    }

    pub(crate) async fn transactional(&self) -> anyhow::Result<String> {
        self.topic(TopicKind::Transaction).await
    }

    pub(crate) async fn topic_with(&self, kind: TopicKind, queues: u32) -> anyhow::Result<String> {
        let topic = self.name(kind.as_str());
        let request = CreateTopic {
            topic: topic.clone(),
            queues,
            kind,
        };
        remote::done(self.remoting(), request.to_frame(1)).await?;
        let client = self.client().await?;
        self.until(ROUTED, "a route to a new topic", async || {
            Ok(code(client.route(&topic).await?.status) == Code::Ok)
        })
        .await?;
        Ok(topic)
    }

    /// A group of 17 deliveries, without a policy.
    pub(crate) async fn group(&self) -> anyhow::Result<String> {
        self.group_with(16, &[]).await
    }

    pub(crate) async fn group_with(
        &self,
        retries: u32,
        delays: &[Duration],
    ) -> anyhow::Result<String> {
        let group = self.name("group");
        let request = CreateGroup {
            group: group.clone(),
            retry_max_times: retries,
            delays: delays.to_vec(),
        };
        remote::done(self.remoting(), request.to_frame(1)?).await?;
        Ok(group)
    }

    /// A client that the broker knows nothing of.
    pub(crate) async fn client(&self) -> anyhow::Result<Client> {
        Client::connect(self, &self.name("client")).await
    }

    /// Waits until something is so.
    pub(crate) async fn until(
        &self,
        within: Duration,
        what: &str,
        so: impl AsyncFn() -> anyhow::Result<bool>,
    ) -> Outcome {
        let start = Instant::now();
        while !so().await? {
            ensure!(start.elapsed() < within, "{what}: not within {within:?}");
            pass(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// The way to kill it and bring it back, if there is one.
    pub(crate) async fn restart(&self) -> anyhow::Result<tokio::sync::MutexGuard<'_, Restart>> {
        let restart = self.0.restart.as_ref();
        Ok(restart
            .context("no way to restart this broker")?
            .lock()
            .await)
    }

    pub(crate) fn can_restart(&self) -> bool {
        self.0.restart.is_some()
    }
}

impl fmt::Display for Bench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind {
            Kind::Embedded => write!(f, "the embedded broker"),
            Kind::RocketMq((major, minor, patch)) => {
                write!(f, "Apache RocketMQ {major}.{minor}.{patch}")
            }
        }
    }
}

/// Lets time pass: for behaviours that are about nothing else.
pub(crate) async fn pass(span: Duration) {
    tokio::time::sleep(span).await;
}
