use std::sync::Mutex;

use axum::Router;
use axum::extract::{Request as Asked, State};
use axum::http::StatusCode;
use axum::routing::post;

use super::*;

fn span() -> Span {
    Span {
        trace_id: 1,
        span_id: 2,
        parent: None,
        name: "step",
        kind: Kind::Internal,
        started_ms: 1_700_000_000_001,
        ended_ms: 1_700_000_000_002,
        attributes: vec![("ringback.group", "bank2".to_owned())],
        error: None,
    }
}

type Got = Arc<Mutex<Vec<String>>>;

/// A collector that answers everything so: where it is, and what it was asked.
async fn collector(answer: StatusCode) -> (String, Got) {
    let got = Got::default();
    let take = async move |State(got): State<Got>, asked: Asked| {
        let kind = asked.headers()["content-type"].to_str().unwrap();
        let line = format!("{} {kind}", asked.uri().path());
        got.lock().unwrap().push(line);
        answer
    };
    let router = Router::new().fallback(post(take)).with_state(got.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, got)
}

fn batches(url: &str) -> Arc<Batches> {
    Arc::new(Batches::start(url, "service", "host:1".to_owned()).unwrap())
}

/// Ends it as a process does.
async fn finish(batches: &Arc<Batches>, within: Duration) -> OTelSdkResult {
    let batches = batches.clone();
    let finishing = tokio::task::spawn_blocking(move || batches.finish(within));
    finishing.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_goes_out_at_the_end_in_one_request() {
    let (url, got) = collector(StatusCode::OK).await;
    let batches = batches(&url);
    for _ in 0..3 {
        batches.take(span());
    }
    finish(&batches, PATIENCE).await.unwrap();
    assert_eq!(*got.lock().unwrap(), ["/v1/traces application/x-protobuf"]);
    assert_eq!(batches.counts.waiting.load(Ordering::Relaxed), 0);
    assert_eq!(batches.counts.left_out.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_collector_refuses_is_counted() {
    let (url, got) = collector(StatusCode::SERVICE_UNAVAILABLE).await;
    let batches = batches(&url);
    for _ in 0..3 {
        batches.take(span());
    }
    // The processor tells of a shutdown, not of what came of the last batch.
    let _told = finish(&batches, PATIENCE).await;
    assert_eq!(got.lock().unwrap().len(), 1);
    assert!(batches.counts.away.load(Ordering::Relaxed));
    assert_eq!(batches.counts.left_out.load(Ordering::Relaxed), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_costs_a_full_queue_and_holds_up_nobody() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    // It takes connections, by the kernel, and answers nothing.
    let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let batches = batches(&url);
    for _ in 0..3 * MOST_WAITING {
        batches.take(span());
    }
    let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    let (waiting, left_out) = (&batches.counts.waiting, &batches.counts.left_out);
    assert!(count(waiting) <= MOST_WAITING, "{}", count(waiting));
    assert!(count(left_out) >= MOST_WAITING, "{}", count(left_out));
    let ended = finish(&batches, Duration::from_millis(50)).await;
    assert!(ended.is_err(), "it had nowhere to send to");
}
