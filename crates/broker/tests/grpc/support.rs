//! A broker on a temporary folder, and a client that says little.

use std::time::Duration;

use broker::{Broker, Config, GroupConfig, TopicConfig, TopicKind};
use rocketmq_wire::v2::messaging_service_client::MessagingServiceClient;
use rocketmq_wire::v2::receive_message_response::Content;
use rocketmq_wire::v2::settings::PubSub;
use rocketmq_wire::v2::telemetry_command::Command;
use rocketmq_wire::{resource, v2};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Request, Streaming};

pub(crate) const NORMAL: &str = "normal";
pub(crate) const TRANSACTIONAL: &str = "transactional";
pub(crate) const GROUP: &str = "group";
/// The shortest lease that a receive may ask for.
pub(crate) const LEASE: Duration = Duration::from_secs(10);

pub(crate) struct Running {
    pub(crate) broker: Broker,
    /// Kept until the broker is done with it.
    _folder: TempDir,
    pub(crate) config: Config,
}

/// A broker with a topic of each kind and a group of three attempts.
pub(crate) async fn start(change: impl FnOnce(&mut Config)) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let topic = |name: &str, kind| TopicConfig {
        name: name.into(),
        kind,
    };
    let mut config = Config {
        data: folder.path().join("broker"),
        listen: ([127, 0, 0, 1], 0).into(),
        remoting_listen: Some(([127, 0, 0, 1], 0).into()),
        long_poll_min: Duration::from_millis(100),
        topics: vec![
            topic(NORMAL, TopicKind::Normal),
            topic(TRANSACTIONAL, TopicKind::Transaction),
        ],
        groups: vec![GroupConfig {
            name: GROUP.into(),
            retry_max_times: 2,
            delays: Vec::new(),
        }],
        ..Config::default()
    };
    change(&mut config);
    let broker = Broker::start(config.clone()).await.unwrap();
    Running {
        broker,
        _folder: folder,
        config,
    }
}

impl Running {
    pub(crate) async fn client(&self, id: &str) -> Client {
        let address = format!("http://{}", self.broker.address());
        let channel = Channel::from_shared(address)
            .unwrap()
            .connect()
            .await
            .unwrap();
        let grpc = MessagingServiceClient::new(channel).max_decoding_message_size(64 << 20);
        Client {
            grpc,
            id: id.into(),
        }
    }

    /// A client that the broker knows as a consumer.
    pub(crate) async fn consumer(&self) -> (Client, Telemetry) {
        let mut client = self.client("consumer").await;
        let telemetry = client.telemetry(consumer_settings(GROUP)).await;
        (client, telemetry)
    }

    /// Stops the broker and starts another on the same folder.
    pub(crate) async fn restart(self) -> Running {
        self.restart_after(|_| {}).await
    }

    /// As `restart`, with something done to the folder in between.
    pub(crate) async fn restart_after(self, change: impl FnOnce(&Config)) -> Running {
        self.broker.stop().await.unwrap();
        change(&self.config);
        let broker = Broker::start(self.config.clone()).await.unwrap();
        Running { broker, ..self }
    }
}

pub(crate) fn consumer_settings(group: &str) -> v2::Settings {
    let subscription = v2::Subscription {
        group: Some(resource(group)),
        ..Default::default()
    };
    v2::Settings {
        client_type: Some(v2::ClientType::SimpleConsumer.into()),
        pub_sub: Some(PubSub::Subscription(subscription)),
        ..Default::default()
    }
}

pub(crate) fn producer_settings(topics: &[&str]) -> v2::Settings {
    let topics = topics.iter().copied().map(resource).collect();
    v2::Settings {
        client_type: Some(v2::ClientType::Producer.into()),
        pub_sub: Some(PubSub::Publishing(v2::Publishing {
            topics,
            ..Default::default()
        })),
        ..Default::default()
    }
}

/// An open telemetry stream.
pub(crate) struct Telemetry {
    pub(crate) say: mpsc::Sender<v2::TelemetryCommand>,
    pub(crate) hear: Streaming<v2::TelemetryCommand>,
}

impl Telemetry {
    pub(crate) async fn settings(
        &mut self,
        settings: v2::Settings,
    ) -> Result<v2::Settings, tonic::Status> {
        let command = v2::TelemetryCommand {
            status: None,
            command: Some(Command::Settings(settings)),
        };
        self.say.send(command).await.unwrap();
        let reply = self.hear.message().await?.expect("a reply to Settings");
        match reply.command {
            Some(Command::Settings(settings)) => Ok(settings),
            other => panic!("not Settings: {other:?}"),
        }
    }

    /// The next check-back.
    pub(crate) async fn check(
        &mut self,
        within: Duration,
    ) -> Option<v2::RecoverOrphanedTransactionCommand> {
        let command = tokio::time::timeout(within, self.hear.message())
            .await
            .ok()?
            .ok()??;
        match command.command {
            Some(Command::RecoverOrphanedTransactionCommand(check)) => Some(check),
            other => panic!("not a check-back: {other:?}"),
        }
    }
}

#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) grpc: MessagingServiceClient<Channel>,
    pub(crate) id: String,
}

pub(crate) fn message(topic: &str, id: &str, body: &str) -> v2::Message {
    let system = v2::SystemProperties {
        message_id: id.into(),
        ..Default::default()
    };
    v2::Message {
        topic: Some(resource(topic)),
        system_properties: Some(system),
        body: body.to_owned().into(),
        ..Default::default()
    }
}

pub(crate) fn half(id: &str, recovery_s: i64) -> v2::Message {
    let mut message = message(TRANSACTIONAL, id, id);
    let system = message.system_properties.as_mut().unwrap();
    system.set_message_type(v2::MessageType::Transaction);
    system.orphaned_transaction_recovery_duration = Some(prost_types::Duration {
        seconds: recovery_s,
        nanos: 0,
    });
    message
}

impl Client {
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request
            .metadata_mut()
            .insert("x-mq-client-id", self.id.parse().unwrap());
        request
            .metadata_mut()
            .insert("x-mq-language", "RUST".parse().unwrap());
        request
    }

    pub(crate) async fn open_telemetry(&mut self) -> Telemetry {
        let (say, said) = mpsc::channel(16);
        let request = self.request(ReceiverStream::new(said));
        let hear = self.grpc.telemetry(request).await.unwrap().into_inner();
        Telemetry { say, hear }
    }

    pub(crate) async fn telemetry(&mut self, settings: v2::Settings) -> Telemetry {
        let mut telemetry = self.open_telemetry().await;
        telemetry.settings(settings).await.unwrap();
        telemetry
    }

    pub(crate) async fn send_all(&mut self, messages: Vec<v2::Message>) -> v2::SendMessageResponse {
        let request = self.request(v2::SendMessageRequest { messages });
        self.grpc.send_message(request).await.unwrap().into_inner()
    }

    /// Sends one message, which must be taken.
    pub(crate) async fn send(&mut self, message: v2::Message) -> v2::SendResultEntry {
        let reply = self.send_all(vec![message]).await;
        assert_eq!(code(reply.status), v2::Code::Ok);
        reply.entries.into_iter().next().unwrap()
    }

    pub(crate) async fn end(
        &mut self,
        id: &str,
        resolution: v2::TransactionResolution,
    ) -> v2::Status {
        let request = self.request(v2::EndTransactionRequest {
            topic: Some(resource(TRANSACTIONAL)),
            message_id: id.into(),
            transaction_id: id.into(),
            resolution: resolution.into(),
            ..Default::default()
        });
        self.grpc
            .end_transaction(request)
            .await
            .unwrap()
            .into_inner()
            .status
            .unwrap()
    }

    pub(crate) async fn receive_with(
        &mut self,
        asked: v2::ReceiveMessageRequest,
    ) -> (v2::Status, Vec<v2::Message>) {
        let request = self.request(asked);
        let mut stream = self
            .grpc
            .receive_message(request)
            .await
            .unwrap()
            .into_inner();
        let (mut status, mut messages, mut timestamps) = (None, Vec::new(), 0);
        while let Some(reply) = stream.message().await.unwrap() {
            match reply.content.unwrap() {
                Content::Status(told) => status = Some(told),
                Content::Message(message) => messages.push(message),
                Content::DeliveryTimestamp(_) => timestamps += 1,
            }
        }
        assert_eq!(timestamps, 1, "a receive ends with its time");
        (status.unwrap(), messages)
    }

    /// Receives up to 32 messages, waiting for as long as is asked.
    pub(crate) async fn receive(
        &mut self,
        group: &str,
        topic: &str,
        wait: Duration,
    ) -> Vec<v2::Message> {
        let (status, messages) = self.receive_with(receive(group, topic, wait)).await;
        let expected = if messages.is_empty() {
            v2::Code::MessageNotFound
        } else {
            v2::Code::Ok
        };
        assert_eq!(status.code(), expected, "{status:?}");
        messages
    }

    /// Receives exactly one message, within a few seconds.
    pub(crate) async fn receive_one(&mut self, group: &str, topic: &str) -> v2::Message {
        let mut messages = self.receive(group, topic, Duration::from_secs(5)).await;
        assert_eq!(messages.len(), 1);
        messages.remove(0)
    }

    pub(crate) async fn ack_handles(&mut self, handles: &[&str]) -> v2::AckMessageResponse {
        let entry = |handle: &&str| v2::AckMessageEntry {
            message_id: "any".into(),
            receipt_handle: (*handle).into(),
            lite_topic: None,
        };
        let request = self.request(v2::AckMessageRequest {
            group: Some(resource(GROUP)),
            topic: Some(resource(NORMAL)),
            entries: handles.iter().map(entry).collect(),
        });
        self.grpc.ack_message(request).await.unwrap().into_inner()
    }

    pub(crate) async fn ack(&mut self, handle: &str) -> v2::Code {
        code(self.ack_handles(&[handle]).await.status)
    }

    pub(crate) async fn change(
        &mut self,
        handle: &str,
        invisible: Duration,
        suspend: bool,
    ) -> (v2::Code, String) {
        let request = self.request(v2::ChangeInvisibleDurationRequest {
            group: Some(resource(GROUP)),
            topic: Some(resource(NORMAL)),
            receipt_handle: handle.into(),
            invisible_duration: Some(invisible.try_into().unwrap()),
            suspend: Some(suspend),
            ..Default::default()
        });
        let reply = self
            .grpc
            .change_invisible_duration(request)
            .await
            .unwrap()
            .into_inner();
        (code(reply.status), reply.receipt_handle)
    }

    pub(crate) async fn forward(&mut self, group: &str, handle: &str) -> v2::Status {
        let request = self.request(v2::ForwardMessageToDeadLetterQueueRequest {
            group: Some(resource(group)),
            topic: Some(resource(NORMAL)),
            receipt_handle: handle.into(),
            ..Default::default()
        });
        let reply = self
            .grpc
            .forward_message_to_dead_letter_queue(request)
            .await
            .unwrap();
        reply.into_inner().status.unwrap()
    }
}

pub(crate) fn receive(group: &str, topic: &str, wait: Duration) -> v2::ReceiveMessageRequest {
    let queue = v2::MessageQueue {
        topic: Some(resource(topic)),
        id: -1,
        ..Default::default()
    };
    v2::ReceiveMessageRequest {
        group: Some(resource(group)),
        message_queue: Some(queue),
        batch_size: 32,
        invisible_duration: Some(LEASE.try_into().unwrap()),
        long_polling_timeout: Some(wait.try_into().unwrap()),
        ..Default::default()
    }
}

pub(crate) fn code(status: Option<v2::Status>) -> v2::Code {
    status.expect("a reply has a status").code()
}

pub(crate) fn handle(message: &v2::Message) -> &str {
    message.system_properties.as_ref().unwrap().receipt_handle()
}

pub(crate) fn attempt(message: &v2::Message) -> i32 {
    message
        .system_properties
        .as_ref()
        .unwrap()
        .delivery_attempt()
}

pub(crate) fn id(message: &v2::Message) -> &str {
    &message.system_properties.as_ref().unwrap().message_id
}

/// Waits until something is so; five seconds at most.
pub(crate) async fn until(so: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    while !so() {
        assert!(
            std::time::Instant::now() < deadline,
            "it did not come about"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
