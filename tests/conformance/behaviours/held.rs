//! A message in the hands of a consumer, and what the consumer may do with it.

use std::time::{Duration, Instant};

use anyhow::ensure;
use rocketmq_wire::v2;

use crate::bench::{Bench, pass};
use crate::client::Client;
use crate::consuming::LEASE;
use crate::suite::Outcome;
use crate::telemetry::Telemetry;
use crate::wire::{MessageExt, message, ok};

/// The one message of its topic, under a lease of [`LEASE`].
pub(crate) struct Held {
    pub(crate) client: Client,
    _stream: Telemetry,
    pub(crate) topic: String,
    pub(crate) group: String,
    pub(crate) handle: String,
}

impl Held {
    /// Sends a message to a fresh topic and receives it.
    pub(crate) async fn take(bench: &Bench) -> anyhow::Result<Self> {
        let (client, topic, group) = (
            bench.client().await?,
            bench.normal().await?,
            bench.group().await?,
        );
        let stream = client.consume(&group).await?;
        client.send(message(&topic)).await?;
        let handle = client.one(&group, &topic).await?.handle();
        Ok(Self {
            client,
            _stream: stream,
            topic,
            group,
            handle,
        })
    }

    pub(crate) async fn ack(&self, handles: &[&str]) -> anyhow::Result<v2::AckMessageResponse> {
        self.client.ack_all(&self.group, &self.topic, handles).await
    }

    /// Puts it off; the new handle.
    pub(crate) async fn change(&self, handle: &str, invisible: Duration) -> anyhow::Result<String> {
        let reply = self
            .client
            .change(&self.group, &self.topic, handle, invisible)
            .await?;
        ok(reply.status)?;
        Ok(reply.receipt_handle)
    }

    /// The message, and when it came.
    pub(crate) async fn again(&self, within: Duration) -> anyhow::Result<(v2::Message, Instant)> {
        let came = self
            .client
            .collect(&self.group, &self.topic, 1, within)
            .await?;
        ensure!(came.len() == 1, "{} copies", came.len());
        Ok((came[0].clone(), Instant::now()))
    }

    /// It does not come again, although its lease is over.
    pub(crate) async fn gone(&self, bench: &Bench) -> Outcome {
        pass(LEASE.saturating_sub(Duration::from_secs(4)) + bench.lateness()).await;
        self.client.nothing(&self.group, &self.topic).await
    }
}
