//! A stand-in for an OpenTelemetry collector: OTLP/HTTP in protobuf, and what it was told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use prost::Message;

/// A span as a collector is told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldSpan {
    /// The service that told it.
    pub service: String,
    /// 32 hex digits.
    pub trace: String,
    /// 16 hex digits.
    pub id: String,
    /// That of whoever caused it; empty for the first.
    pub parent: String,
    /// What was done.
    pub name: String,
    /// OTLP's number for which side it is.
    pub kind: i32,
    /// What else is known.
    pub attributes: BTreeMap<String, String>,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// Unix time in nanoseconds.
    pub started_ns: u64,
    /// The same.
    pub ended_ns: u64,
}

/// A collector on a port of its own; clones are one.
#[derive(Debug, Clone)]
pub struct Collector {
    address: std::net::SocketAddr,
    state: Arc<Mutex<Kept>>,
}

#[derive(Debug)]
struct Kept {
    spans: Vec<ToldSpan>,
    answer: StatusCode,
    requests: usize,
}

impl Collector {
    /// One that takes everything.
    pub async fn start() -> Collector {
        let state = Arc::new(Mutex::new(Kept {
            spans: Vec::new(),
            answer: StatusCode::OK,
            requests: 0,
        }));
        let router = Router::new()
            .route("/v1/traces", post(take))
            .with_state(state.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("some port is free");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(async move { axum::serve(listener, router).await });
        Collector { address, state }
    }

    /// What to configure.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it answers so; what it refuses it does not keep.
    pub fn answers(&self, answer: StatusCode) {
        self.kept().answer = answer;
    }

    /// How many requests have come.
    pub fn requests(&self) -> usize {
        self.kept().requests
    }

    /// What it was told of a trace, 32 hex digits, so far.
    pub fn spans_of(&self, trace: &str) -> Vec<ToldSpan> {
        let kept = self.kept();
        let of_it = kept.spans.iter().filter(|span| span.trace == trace);
        of_it.cloned().collect()
    }

    /// All that it was told so far.
    pub fn spans(&self) -> Vec<ToldSpan> {
        self.kept().spans.clone()
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn take(State(state): State<Arc<Mutex<Kept>>>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST;
    };
    let mut kept = state.lock().unwrap_or_else(PoisonError::into_inner);
    kept.requests += 1;
    if kept.answer.is_success() {
        kept.spans.extend(read(request));
    }
    kept.answer
}

fn read(request: ExportTraceServiceRequest) -> Vec<ToldSpan> {
    let mut spans = Vec::new();
    for of_resource in request.resource_spans {
        let resource = texts(of_resource.resource.unwrap_or_default().attributes);
        let service = resource.get("service.name").cloned().unwrap_or_default();
        for span in of_resource.scope_spans.into_iter().flat_map(|of| of.spans) {
            let status = span.status.unwrap_or_default();
            spans.push(ToldSpan {
                service: service.clone(),
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                name: span.name,
                kind: span.kind,
                attributes: texts(span.attributes),
                error: (status.code == 2).then_some(status.message),
                started_ns: span.start_time_unix_nano,
                ended_ns: span.end_time_unix_nano,
            });
        }
    }
    spans
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        other => format!("{other:?}"),
    };
    let pairs = attributes.into_iter();
    pairs.map(|pair| (pair.key, text(pair.value))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
