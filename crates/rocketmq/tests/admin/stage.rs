//! The brokers that the tests run on.

use std::time::Duration;

use broker::{Broker, Config};
use rocketmq::{
    Admin, AdminConfig, Client, ClientConfig, Consumer, ConsumerConfig, Credentials, Delivery,
    GroupSpec, Producer, QueueRef, StoredMessage, TopicKind, TopicSpec, TransactionConfig,
    TransactionProducer,
};
use tempfile::TempDir;
use tokio::time::Instant;

/// How long a condition may take: check-backs of Apache RocketMQ use themselves up in 33 s.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(50);

/// One broker, and a name that nothing on it has.
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) grpc: String,
    pub(crate) remoting: String,
    pub(crate) run: String,
    credentials: Option<Credentials>,
    _embedded: Option<(Broker, TempDir)>,
}

/// Every broker there is to test on.
pub(crate) async fn stages() -> Vec<Stage> {
    let mut stages = vec![embedded().await];
    stages.extend(elsewhere());
    stages
}

async fn embedded() -> Stage {
    let folder = tempfile::tempdir().unwrap();
    let any = ([127, 0, 0, 1], 0).into();
    let config = Config {
        data: folder.path().join("broker"),
        listen: any,
        remoting_listen: Some(any),
        check_interval: Duration::from_millis(100),
        check_max: 3,
        ..Config::default()
    };
    let broker = Broker::start(config).await.unwrap();
    Stage {
        name: "embedded",
        grpc: broker.address().to_string(),
        remoting: broker.remoting_address().unwrap().to_string(),
        run: run(),
        credentials: None,
        _embedded: Some((broker, folder)),
    }
}

fn elsewhere() -> Option<Stage> {
    #[expect(clippy::disallowed_methods, reason = "a test's own switch")]
    let variable = |name: &str| std::env::var(format!("RINGBACK_ROCKETMQ{name}")).ok();
    let credentials = variable("_ACCESS_KEY")
        .zip(variable("_SECRET_KEY"))
        .map(|(access, secret)| Credentials::new(access, secret).unwrap());
    Some(Stage {
        name: "rocketmq",
        grpc: variable("")?,
        remoting: variable("_ADMIN")?,
        run: run(),
        credentials,
        _embedded: None,
    })
}

fn run() -> String {
    format!("admin_{:08x}", fastrand::u32(..))
}

impl Stage {
    pub(crate) fn admin(&self) -> Admin {
        self.admin_at(&[&self.remoting])
    }

    pub(crate) fn admin_at(&self, addresses: &[&str]) -> Admin {
        Admin::new(AdminConfig {
            addresses: addresses
                .iter()
                .map(|&address| address.to_owned())
                .collect(),
            credentials: self.credentials.clone(),
            ..AdminConfig::default()
        })
        .unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(ClientConfig {
            endpoints: vec![self.grpc.clone()],
            // A broker that has just started, on a busy machine, takes its time.
            request_timeout: Duration::from_secs(20),
            credentials: self.credentials.clone(),
            ..ClientConfig::default()
        })
        .unwrap()
    }

    /// Makes a topic of this run and waits until clients see it.
    pub(crate) async fn topic(&self, name: &str, kind: TopicKind) -> String {
        let name = format!("{}_{name}", self.run);
        let topic = TopicSpec {
            name: name.clone(),
            kind,
            queues: 2,
        };
        self.admin().create_topic(&topic).await.unwrap();
        let client = self.client();
        self.until("a route", async || client.route(&name).await.ok())
            .await;
        name
    }

    /// Makes a group of this run.
    pub(crate) async fn group(&self) -> String {
        let name = format!("{}_group", self.run);
        let group = GroupSpec {
            name: name.clone(),
            retry_max_times: 1000,
            delays: vec![Duration::from_secs(10)],
        };
        self.admin().create_group(&group).await.unwrap();
        name
    }

    pub(crate) async fn producer(&self, topic: &str) -> Producer {
        Producer::start(&self.client(), vec![topic.to_owned()])
            .await
            .unwrap()
    }

    /// A producer whose halves are first checked after `recovery`, and that answers nothing.
    pub(crate) async fn halves(&self, recovery: Duration) -> TransactionProducer {
        let config = TransactionConfig {
            recovery,
            ..TransactionConfig::default()
        };
        TransactionProducer::start(&self.client(), config, None)
            .await
            .unwrap()
    }

    /// Receives `count` messages of a topic.
    pub(crate) async fn receive(
        &self,
        group: &str,
        topic: &str,
        count: usize,
    ) -> (Consumer, Vec<Delivery>) {
        let config = ConsumerConfig {
            group: group.to_owned(),
            topic: topic.to_owned(),
            long_poll: Duration::from_secs(5),
            ..ConsumerConfig::default()
        };
        let consumer = Consumer::start(&self.client(), config).await.unwrap();
        let mut received = Vec::new();
        while received.len() < count {
            let batch = tokio::time::timeout(PATIENCE, consumer.next()).await;
            received.extend(batch.expect("messages in time").expect("a consumer"));
        }
        (consumer, received)
    }

    /// Everything that lies in a topic, by queue.
    pub(crate) async fn everything(&self, topic: &str) -> Vec<(QueueRef, StoredMessage)> {
        let admin = self.admin();
        let mut all = Vec::new();
        let Ok(queues) = admin.queues(topic).await else {
            return all;
        };
        for ends in queues {
            let queue = ends.queue();
            let mut offset = ends.min;
            while offset < ends.max {
                let pulled = admin.pull(&queue, offset, 32).await.unwrap();
                assert!(pulled.next_offset > offset, "{}: {pulled:?}", self.name);
                offset = pulled.next_offset;
                let messages = pulled.messages.into_iter();
                all.extend(messages.map(|message| (queue.clone(), message)));
            }
        }
        all
    }

    /// The message of that id in a topic, as soon as it is there.
    pub(crate) async fn stored(&self, topic: &str, id: &str) -> StoredMessage {
        let found = self.until("a stored message", async || {
            let all = self.everything(topic).await.into_iter();
            all.map(|(_, message)| message)
                .find(|message| message.message_id() == Some(id))
        });
        found.await
    }

    /// Waits until something is there.
    pub(crate) async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(Instant::now() < deadline, "{}: never {what}", self.name);
            tokio::time::sleep(PAUSE).await;
        }
    }
}
