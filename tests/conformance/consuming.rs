//! The consumer's half of what a client says: receive, then ack, change or forward.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rocketmq_wire::v2::receive_message_response::Content;
use rocketmq_wire::{resource, v2};

use crate::client::Client;
use crate::wire::{code, span};

/// The shortest lease that a receive may ask for.
pub(crate) const LEASE: Duration = Duration::from_secs(10);
/// More than any call takes.
const DEADLINE: Duration = Duration::from_secs(60);

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
