//! A client that says exactly what it is told to: the generated stub and the required metadata.
//! Here it connects, makes itself known, asks for routes, and says what a producer says;
//! `consuming` has the rest.

use anyhow::Context;
use rocketmq::Credentials;
use rocketmq_wire::v2::messaging_service_client::MessagingServiceClient;
use rocketmq_wire::{metadata, resource, v2};
use tonic::Request;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::bench::Bench;
use crate::telemetry::{Telemetry, consumer_settings, producer_settings};
use crate::wire::ok;

/// One client id on a connection of its own.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) grpc: MessagingServiceClient<Channel>,
    pub(crate) id: String,
    credentials: Option<Credentials>,
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
