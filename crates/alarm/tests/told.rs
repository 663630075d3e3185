//! From events in the log to a webhook and a command, on real sockets and processes.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alarm::{Config, Process, State};
use axum::Router;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use database::testing::Vacant;
use notification::{Secret, verify};
use service::shutdown::Shutdown;
use tokio::task::JoinHandle;
use tracing_subscriber::layer::SubscriberExt;

const DEADLINE: Duration = Duration::from_secs(30);
const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

type Posts = Arc<Mutex<Vec<(HeaderMap, axum::body::Bytes)>>>;

/// A webhook that refuses the first request and keeps the others.
async fn webhook() -> (String, Posts) {
    let posts = Posts::default();
    let refused = Arc::new(Mutex::new(false));
    let keep = {
        let posts = posts.clone();
        move |Shared(refused): Shared<Arc<Mutex<bool>>>, headers: HeaderMap, body| async move {
            if !std::mem::replace(&mut *refused.lock().expect("unpoisoned"), true) {
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            posts.lock().expect("unpoisoned").push((headers, body));
            StatusCode::NO_CONTENT
        }
    };
    let router = Router::new().route("/", post(keep)).with_state(refused);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("its address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, posts)
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(DEADLINE, waiting).await;
    assert!(in_time.is_ok(), "not within {DEADLINE:?}: {what}");
}

/// Soon, and often.
fn towards(webhook: String, told: &Path) -> Config {
    Config {
        webhook: Some(webhook),
        secrets: vec![SECRET.parse().expect("a secret")],
        command: into(told),
        wait: Duration::from_millis(500),
        interval: Duration::from_secs(1),
        ..Config::default()
    }
}

/// Tells what the ears hear, as a notifier would, until the shutdown.
fn tell(config: Config, shutdown: &Shutdown) -> (alarm::Ears, JoinHandle<anyhow::Result<()>>) {
    let (ears, heard) = alarm::listen();
    let process = Process {
        service: "notifier".to_owned(),
        worker: "here:1".to_owned(),
    };
    let running = alarm::run(config, process, None, heard, shutdown.clone());
    (ears, tokio::spawn(running))
}

/// A command that puts each notice on a line of this file.
fn into(file: &Path) -> Vec<String> {
    let script = "cat >> \"$0\"; echo >> \"$0\"";
    ["sh", "-c", script, file.to_str().expect("a path in UTF-8")]
        .map(str::to_owned)
        .into()
}

fn lines(file: &Path) -> usize {
    std::fs::read_to_string(file)
        .unwrap_or_default()
        .lines()
        .count()
}

#[tokio::test]
async fn an_outage_is_told_once_and_its_end_once_signed_and_to_the_command_too() {
    let (url, posts) = webhook().await;
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let shutdown = Shutdown::new();
    let (ears, running) = tell(towards(url, &told), &shutdown);

    let log = tracing::subscriber::set_default(tracing_subscriber::registry().with(ears));
    for _ in 0..1000 {
        tracing::warn!(event = "endpoint_failing", endpoint = "bank2", minutes = 5);
    }
    until("the first notice", || posts.lock().unwrap().len() == 1).await;
    tracing::info!(event = "endpoint_recovered", endpoint = "bank2");
    until("the end", || posts.lock().unwrap().len() == 2).await;
    until("the command's second run", || lines(&told) == 2).await;
    drop(log);
    shutdown.request();
    running.await.unwrap().unwrap();

    let notices: Vec<alarm::Notice> = posts
        .lock()
        .unwrap()
        .iter()
        .map(|(headers, body)| {
            let header = |name: &str| headers[name].to_str().unwrap();
            let secrets: Vec<Secret> = vec![SECRET.parse().unwrap()];
            let timestamp_s = header("webhook-timestamp").parse().unwrap();
            let (id, signature) = (header("webhook-id"), header("webhook-signature"));
            verify(&secrets, id, timestamp_s, signature, body, timestamp_s, 1).unwrap();
            serde_json::from_slice(body).unwrap()
        })
        .collect();
    assert_eq!(notices[0].state, State::Firing);
    assert_eq!(notices[0].subjects[0].about, "endpoint=bank2");
    assert_eq!(notices[0].subjects[0].count, 1000);
    assert_eq!(notices[0].subjects[0].fields["minutes"], "5");
    assert_eq!((notices[1].state, notices[1].firing), (State::Resolved, 0));
    assert_eq!(posts.lock().unwrap().len(), 2, "nothing else was told");
    let command = std::fs::read_to_string(&told).unwrap();
    assert!(command.starts_with("{\"id\":"), "{command}");
    assert!(command.contains("\"key\":\"notifier/endpoint_failing\""));
}

#[tokio::test]
async fn a_webhook_that_is_away_keeps_no_command_waiting() {
    let nobody = Vacant::new();
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let shutdown = Shutdown::new();
    let url = format!("http://{}/", nobody.address());
    let (ears, running) = tell(towards(url, &told), &shutdown);
    let log = tracing::subscriber::set_default(tracing_subscriber::registry().with(ears));
    tracing::warn!(event = "endpoint_failing", endpoint = "bank2", minutes = 5);
    let says = |word: &str| std::fs::read_to_string(&told).is_ok_and(|told| told.contains(word));
    until("the command's run", || says("endpoint_failing")).await;
    tracing::info!(event = "endpoint_recovered", endpoint = "bank2");
    until("the end", || says("\"state\":\"resolved\"")).await;
    drop(log);
    shutdown.force();
    running.await.unwrap().unwrap();
}
