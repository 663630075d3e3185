//! A client that says exactly what it is told to: the generated stub and the required metadata.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rocketmq::Credentials;
use rocketmq_wire::v2::messaging_service_client::MessagingServiceClient;
use rocketmq_wire::v2::receive_message_response::Content;
use rocketmq_wire::{metadata, resource, v2};
use tonic::Request;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::bench::Bench;
use crate::telemetry::{Telemetry, consumer_settings, producer_settings};
use crate::wire::{code, ok, span};

/// The shortest lease that a receive may ask for.
pub(crate) const LEASE: Duration = Duration::from_secs(10);
/// More than any call takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// One client id on a connection of its own.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) grpc: MessagingServiceClient<Channel>,
    pub(crate) id: String,
    credentials: Option<Credentials>,
}

/// What a receive brought.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) status: Option<v2::Status>,
    pub(crate) messages: Vec<v2::Message>,
    /// How many delivery timestamps came, and whether one came last.
    pub(crate) timestamps: usize,
    pub(crate) timestamp_last: bool,
    pub(crate) took: Duration,
}

impl Client {
    pub(crate) async fn connect(bench: &Bench, id: &str) -> anyhow::Result<Self> {
        let scheme = if bench.ca().is_some() {
            "https"
        } else {
            "http"
        };
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{}", bench.grpc()))?;
        endpoint = endpoint.tcp_nodelay(true);
        if let Some(ca) = bench.ca() {
            let trusted = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
            endpoint = endpoint.tls_config(trusted)?;
        }
        let channel = endpoint
            .connect()
            .await
            .with_context(|| format!("gRPC {}", bench.grpc()))?;
        Ok(Self {
            grpc: MessagingServiceClient::new(channel)
                .max_decoding_message_size(64 << 20)
                .max_encoding_message_size(64 << 20),
            id: id.to_owned(),
            credentials: bench.remoting().credentials.clone(),
        })
    }

    /// A request with all that clients send along.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let headers = [
            (metadata::CLIENT_ID, self.id.as_str()),
            (metadata::LANGUAGE, metadata::LANGUAGE_RUST),
            (metadata::CLIENT_VERSION, "5.0.0"),
            (metadata::PROTOCOL, metadata::PROTOCOL_V2),
            (metadata::REQUEST_ID, "conformance"),
        ];
        for (name, value) in headers {
            if let Ok(value) = value.parse() {
                request.metadata_mut().insert(name, value);
            }
        }
        if let Some(credentials) = &self.credentials {
            let now_s = u64::try_from(service::clock::now_ms() / 1000).unwrap_or_default();
            for (name, value) in credentials.headers(now_s) {
                if let Ok(value) = value.parse() {
                    request.metadata_mut().insert(name, value);
                }
            }
        }
        request
    }

    /// Takes up a consumer of `group`; it lasts as long as the stream is kept.
    pub(crate) async fn consume(&self, group: &str) -> anyhow::Result<Telemetry> {
        let mut telemetry = Telemetry::open(self);
        telemetry.settings(consumer_settings(group)).await?;
        Ok(telemetry)
    }

    /// Takes up a producer for the topics.
    pub(crate) async fn produce(&self, topics: &[&str]) -> anyhow::Result<Telemetry> {
        let mut telemetry = Telemetry::open(self);
        telemetry.settings(producer_settings(topics)).await?;
        Ok(telemetry)
    }

    pub(crate) async fn route(&self, topic: &str) -> anyhow::Result<v2::QueryRouteResponse> {
        let request = self.request(v2::QueryRouteRequest {
            topic: Some(resource(topic)),
            endpoints: None,
        });
        Ok(self.grpc.clone().query_route(request).await?.into_inner())
    }

    pub(crate) async fn assignment(
        &self,
        group: &str,
        topic: &str,
    ) -> anyhow::Result<v2::QueryAssignmentResponse> {
        let request = self.request(v2::QueryAssignmentRequest {
            topic: Some(resource(topic)),
            group: Some(resource(group)),
            endpoints: None,
        });
        Ok(self
            .grpc
            .clone()
            .query_assignment(request)
            .await?
            .into_inner())
    }

    pub(crate) async fn send_all(
        &self,
        messages: Vec<v2::Message>,
    ) -> anyhow::Result<v2::SendMessageResponse> {
        let request = self.request(v2::SendMessageRequest { messages });
        Ok(self.grpc.clone().send_message(request).await?.into_inner())
    }

    /// Sends one message, whatever becomes of it.
    pub(crate) async fn try_send(
        &self,
        message: v2::Message,
    ) -> anyhow::Result<Option<v2::Status>> {
        Ok(self.send_all(vec![message]).await?.status)
    }

    /// Sends one message, which must be taken.
    pub(crate) async fn send(&self, message: v2::Message) -> anyhow::Result<v2::SendResultEntry> {
        let reply = self.send_all(vec![message]).await?;
        ok(reply.status).context("send")?;
        reply
            .entries
            .into_iter()
            .next()
            .context("a result without entries")
    }

    pub(crate) async fn end(
        &self,
        topic: &str,
        transaction_id: &str,
        resolution: v2::TransactionResolution,
    ) -> anyhow::Result<Option<v2::Status>> {
        self.end_with(v2::EndTransactionRequest {
            topic: Some(resource(topic)),
            message_id: transaction_id.into(),
            transaction_id: transaction_id.into(),
            resolution: resolution.into(),
            source: v2::TransactionSource::SourceClient.into(),
            ..Default::default()
        })
        .await
    }

    pub(crate) async fn commit(&self, topic: &str, id: &str) -> anyhow::Result<Option<v2::Status>> {
        self.end(topic, id, v2::TransactionResolution::Commit).await
    }

    pub(crate) async fn end_with(
        &self,
        asked: v2::EndTransactionRequest,
    ) -> anyhow::Result<Option<v2::Status>> {
        let request = self.request(asked);
        Ok(self
            .grpc
            .clone()
            .end_transaction(request)
            .await?
            .into_inner()
            .status)
    }

    pub(crate) async fn receive_with(
        &self,
        asked: v2::ReceiveMessageRequest,
    ) -> anyhow::Result<Received> {
        self.receive_within(asked, DEADLINE).await
    }

    /// A receive under a gRPC deadline.
    pub(crate) async fn receive_within(
        &self,
        asked: v2::ReceiveMessageRequest,
        deadline: Duration,
    ) -> anyhow::Result<Received> {
        let mut request = self.request(asked);
        request.set_timeout(deadline);
        let start = Instant::now();
        let mut stream = self
            .grpc
            .clone()
            .receive_message(request)
            .await?
            .into_inner();
        let mut received = Received {
            status: None,
            messages: Vec::new(),
            timestamps: 0,
            timestamp_last: false,
            took: Duration::ZERO,
        };
        while let Some(reply) = stream.message().await? {
            received.timestamp_last = false;
            match reply.content.context("an empty part of a receive")? {
                Content::Status(status) => received.status = Some(status),
                Content::Message(message) => received.messages.push(message),
                Content::DeliveryTimestamp(_) => {
                    received.timestamps += 1;
                    received.timestamp_last = true;
                }
            }
        }
        received.took = start.elapsed();
        Ok(received)
    }

    /// One receive of up to 32 messages, by the shortest poll and lease there are.
    pub(crate) async fn receive(
        &self,
        group: &str,
        topic: &str,
    ) -> anyhow::Result<Vec<v2::Message>> {
        let received = self.receive_with(receive(group, topic)).await?;
        let status = code(received.status.clone());
        ensure!(
            matches!(status, v2::Code::Ok | v2::Code::MessageNotFound),
            "receive: {:?}",
            received.status
        );
        Ok(received.messages)
    }

    /// Receives until so many messages came; there may be more in the end, not fewer.
    pub(crate) async fn collect(
        &self,
        group: &str,
        topic: &str,
        count: usize,
        within: Duration,
    ) -> anyhow::Result<Vec<v2::Message>> {
        let (start, mut all) = (Instant::now(), Vec::new());
        while all.len() < count {
            ensure!(
                start.elapsed() < within,
                "{} of {count} messages within {within:?}",
                all.len()
            );
            all.extend(self.receive(group, topic).await?);
        }
        Ok(all)
    }

    /// Receives until exactly one message comes, 20 s at most.
    pub(crate) async fn one(&self, group: &str, topic: &str) -> anyhow::Result<v2::Message> {
        let mut all = self
            .collect(group, topic, 1, Duration::from_secs(20))
            .await?;
        ensure!(all.len() == 1, "{} messages instead of one", all.len());
        all.pop().context("no message")
    }

    /// Nothing comes within the shortest poll.
    pub(crate) async fn nothing(&self, group: &str, topic: &str) -> anyhow::Result<()> {
        let messages = self.receive(group, topic).await?;
        ensure!(
            messages.is_empty(),
            "{} messages instead of none",
            messages.len()
        );
        Ok(())
    }

    pub(crate) async fn ack_all(
        &self,
        group: &str,
        topic: &str,
        handles: &[&str],
    ) -> anyhow::Result<v2::AckMessageResponse> {
        let entry = |handle: &&str| v2::AckMessageEntry {
            message_id: "any".into(),
            receipt_handle: (*handle).into(),
            lite_topic: None,
        };
        let request = self.request(v2::AckMessageRequest {
            group: Some(resource(group)),
            topic: Some(resource(topic)),
            entries: handles.iter().map(entry).collect(),
        });
        Ok(self.grpc.clone().ack_message(request).await?.into_inner())
    }

    /// Acks a message by its own id: where the server renews, that is how it finds it.
    pub(crate) async fn ack_message(
        &self,
        group: &str,
        message: &v2::Message,
    ) -> anyhow::Result<Option<v2::Status>> {
        let system = message.system_properties.clone().unwrap_or_default();
        let request = self.request(v2::AckMessageRequest {
            group: Some(resource(group)),
            topic: message.topic.clone(),
            entries: vec![v2::AckMessageEntry {
                message_id: system.message_id,
                receipt_handle: system.receipt_handle.unwrap_or_default(),
                lite_topic: None,
            }],
        });
        Ok(self
            .grpc
            .clone()
            .ack_message(request)
            .await?
            .into_inner()
            .status)
    }

    pub(crate) async fn ack(
        &self,
        group: &str,
        topic: &str,
        handle: &str,
    ) -> anyhow::Result<Option<v2::Status>> {
        Ok(self.ack_all(group, topic, &[handle]).await?.status)
    }

    pub(crate) async fn change(
        &self,
        group: &str,
        topic: &str,
        handle: &str,
        invisible: Duration,
    ) -> anyhow::Result<v2::ChangeInvisibleDurationResponse> {
        self.change_with(change(group, topic, handle, invisible))
            .await
    }

    pub(crate) async fn change_with(
        &self,
        asked: v2::ChangeInvisibleDurationRequest,
    ) -> anyhow::Result<v2::ChangeInvisibleDurationResponse> {
        let request = self.request(asked);
        Ok(self
            .grpc
            .clone()
            .change_invisible_duration(request)
            .await?
            .into_inner())
    }

    pub(crate) async fn forward(
        &self,
        group: &str,
        topic: &str,
        handle: &str,
    ) -> anyhow::Result<Option<v2::Status>> {
        let request = self.request(v2::ForwardMessageToDeadLetterQueueRequest {
            group: Some(resource(group)),
            topic: Some(resource(topic)),
            receipt_handle: handle.into(),
            ..Default::default()
        });
        let mut grpc = self.grpc.clone();
        Ok(grpc
            .forward_message_to_dead_letter_queue(request)
            .await?
            .into_inner()
            .status)
    }

    pub(crate) async fn heartbeat(
        &self,
        group: Option<&str>,
        kind: v2::ClientType,
    ) -> anyhow::Result<Option<v2::Status>> {
        let request = self.request(v2::HeartbeatRequest {
            group: group.map(resource),
            client_type: kind.into(),
        });
        Ok(self
            .grpc
            .clone()
            .heartbeat(request)
            .await?
            .into_inner()
            .status)
    }

    pub(crate) async fn terminate(
        &self,
        group: Option<&str>,
    ) -> anyhow::Result<Option<v2::Status>> {
        let request = self.request(v2::NotifyClientTerminationRequest {
            group: group.map(resource),
        });
        Ok(self
            .grpc
            .clone()
            .notify_client_termination(request)
            .await?
            .into_inner()
            .status)
    }

    pub(crate) async fn recall(
        &self,
        topic: &str,
        handle: &str,
    ) -> anyhow::Result<v2::RecallMessageResponse> {
        let request = self.request(v2::RecallMessageRequest {
            topic: Some(resource(topic)),
            recall_handle: handle.into(),
        });
        Ok(self
            .grpc
            .clone()
            .recall_message(request)
            .await?
            .into_inner())
    }
}

/// A receive of 32 at most, by the shortest lease and poll.
pub(crate) fn receive(group: &str, topic: &str) -> v2::ReceiveMessageRequest {
    let queue = v2::MessageQueue {
        topic: Some(resource(topic)),
        id: -1,
        ..Default::default()
    };
    v2::ReceiveMessageRequest {
        group: Some(resource(group)),
        message_queue: Some(queue),
        batch_size: 32,
        invisible_duration: Some(span(LEASE)),
        long_polling_timeout: Some(span(Duration::from_secs(5))),
        ..Default::default()
    }
}

pub(crate) fn change(
    group: &str,
    topic: &str,
    handle: &str,
    invisible: Duration,
) -> v2::ChangeInvisibleDurationRequest {
    v2::ChangeInvisibleDurationRequest {
        group: Some(resource(group)),
        topic: Some(resource(topic)),
        receipt_handle: handle.into(),
        invisible_duration: Some(span(invisible)),
        ..Default::default()
    }
}
