//! The queue of spans and whom they go to: OpenTelemetry's batch processor and OTLP exporter, round which we count.
//!
//! The processor gathers on a thread of its own and drops what its queue can't hold; as it counts that only for its own
//! log, admission is decided here, before it. The exporter's client is ours (rustls with ring, no proxy, no redirect).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context;
use async_trait::async_trait;
use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{RetryPolicy, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanEvents, SpanExporter, SpanLinks,
    SpanProcessor,
};

use super::{Kind, Span};
use crate::http_client::{self, HttpOptions};

/// Spans that wait to be sent, at most.
pub(super) const MOST_WAITING: usize = 4096;

/// Spans in one request.
const BATCH: usize = 512;

/// How long spans are gathered before they are sent.
const GATHER: Duration = Duration::from_secs(1);

/// How long a collector may take for a request.
const PATIENCE: Duration = Duration::from_secs(5);

/// Spans on their way to a collector.
#[derive(Debug)]
pub(super) struct Batches {
    processor: BatchSpanProcessor,
    counts: Arc<Counts>,
    scope: InstrumentationScope,
}

#[derive(Debug, Default)]
struct Counts {
    waiting: AtomicUsize,
    left_out: AtomicUsize,
    away: AtomicBool,
}

impl Batches {
    /// For the collector at `url`, as this service's and this worker's.
    pub(super) fn start(url: &str, service: &str, worker: String) -> anyhow::Result<Self> {
        let client = http_client::build(&HttpOptions {
            timeout: PATIENCE,
            ..HttpOptions::default()
        })?;
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(Client {
                client,
                runtime: tokio::runtime::Handle::current(),
            })
            .with_endpoint(url)
            .with_timeout(PATIENCE)
            // A span is not worth a second try: the next batch is.
            .with_retry_policy(RetryPolicy::default().with_max_retries(0))
            .build()
            .context("the exporter of spans")?;
        let counts = Arc::new(Counts::default());
        let exporter = Telling {
            exporter,
            counts: counts.clone(),
        };
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(MOST_WAITING)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(GATHER)
            .build();
        let mut processor = BatchSpanProcessor::builder(exporter)
            .with_batch_config(config)
            .build();
        let resource = Resource::builder_empty().with_attributes([
            KeyValue::new("service.namespace", "ringback"),
            KeyValue::new("service.name", service.to_owned()),
            KeyValue::new("service.instance.id", worker),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ]);
        processor.set_resource(&resource.build());
        Ok(Self {
            processor,
            counts,
            scope: InstrumentationScope::builder("ringback").build(),
        })
    }

    /// Takes a span if there is room; never waits.
    pub(super) fn take(&self, span: Span) {
        let waiting = &self.counts.waiting;
        if waiting.fetch_add(1, Ordering::Relaxed) >= MOST_WAITING {
            waiting.fetch_sub(1, Ordering::Relaxed);
            self.counts.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.processor.on_end(data(span, self.scope.clone()));
    }

    /// Sends what waits, for so long at most. It blocks.
    pub(super) fn finish(&self, within: Duration) -> OTelSdkResult {
        self.processor.shutdown_with_timeout(within)
    }
}

/// Counts what goes out and tells once when the collector is away.
#[derive(Debug)]
struct Telling {
    exporter: opentelemetry_otlp::SpanExporter,
    counts: Arc<Counts>,
}

impl SpanExporter for Telling {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.counts.waiting.fetch_sub(spans, Ordering::Relaxed);
        let sent = self.exporter.export(batch).await;
        match &sent {
            Ok(()) => {
                if self.counts.away.swap(false, Ordering::Relaxed) {
                    let left_out = self.counts.left_out.swap(0, Ordering::Relaxed);
                    tracing::info!(event = "spans_taken_again", left_out);
                }
            }
            Err(error) => {
                self.counts.left_out.fetch_add(spans, Ordering::Relaxed);
                if !self.counts.away.swap(true, Ordering::Relaxed) {
                    tracing::warn!(event = "spans_not_taken", %error);
                }
            }
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        let left_out = self.counts.left_out.load(Ordering::Relaxed);
        if left_out > 0 {
            tracing::info!(event = "spans_left_out", left_out);
        }
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Our client, driven by the process's runtime: the processor's thread has none.
#[derive(Debug)]
struct Client {
    client: reqwest::Client,
    runtime: tokio::runtime::Handle,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sending = self.runtime.spawn(async move {
            let answer = client.execute(request.try_into()?).await?;
            let status = answer.status();
            // What an answer says is for people: how many bytes of it come is the collector's choice, so none is read.
            Ok::<_, HttpError>(Response::builder().status(status).body(Bytes::new())?)
        });
        sending.await?
    }
}

fn data(span: Span, instrumentation_scope: InstrumentationScope) -> SpanData {
    let context = SpanContext::new(
        span.trace_id.into(),
        span.span_id.into(),
        TraceFlags::SAMPLED,
        false,
        TraceState::NONE,
    );
    let attributes = span.attributes.into_iter();
    SpanData {
        span_context: context,
        parent_span_id: span.parent.unwrap_or(0).into(),
        parent_span_is_remote: matches!(span.kind, Kind::Server | Kind::Consumer),
        span_kind: match span.kind {
            Kind::Server => SpanKind::Server,
            Kind::Client => SpanKind::Client,
            Kind::Producer => SpanKind::Producer,
            Kind::Consumer => SpanKind::Consumer,
            Kind::Internal => SpanKind::Internal,
        },
        name: span.name.into(),
        start_time: UNIX_EPOCH + millis(span.started_ms),
        end_time: UNIX_EPOCH + millis(span.ended_ms),
        attributes: attributes
            .map(|(key, value)| KeyValue::new(key, value))
            .collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: match span.error {
            Some(why) => Status::error(why),
            None => Status::Unset,
        },
        instrumentation_scope,
    }
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

#[cfg(test)]
mod tests;
