//! A real server on a port of its own, asked by a real client.

use std::sync::Arc;
use std::time::Duration;

use axum::routing::get;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;
use crate::http_client::{HttpOptions, build};

struct Served {
    url: String,
    shutdown: Shutdown,
    task: JoinHandle<anyhow::Result<()>>,
    entered: Arc<Notify>,
    leave: Arc<Notify>,
}

/// `/quick` answers at once; `/slow` says that it was entered and answers when told.
async fn start() -> Served {
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (at_entry, at_exit) = (entered.clone(), leave.clone());
    let slow = move || async move {
        at_entry.notify_one();
        at_exit.notified().await;
        "slow"
    };
    let router = Router::new()
        .route("/quick", get(|| async { "quick" }))
        .route("/slow", get(slow));
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let shutdown = Shutdown::new();
    let task = tokio::spawn(serve(listener, router, shutdown.clone()));
    Served {
        url,
        shutdown,
        task,
        entered,
        leave,
    }
}

#[tokio::test]
async fn a_request_that_has_begun_is_finished_in_the_soft_phase() {
    let served = start().await;
    let client = build(&HttpOptions::default()).unwrap();
    let slow = tokio::spawn(client.get(format!("{}/slow", served.url)).send());
    served.entered.notified().await;
    served.shutdown.request();
    served.leave.notify_one();
    let answer = slow.await.unwrap().unwrap();
    assert_eq!(answer.text().await.unwrap(), "slow");
    served.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_hard_phase_cuts_a_request_off() {
    let served = start().await;
    let client = build(&HttpOptions::default()).unwrap();
    let slow = tokio::spawn(client.get(format!("{}/slow", served.url)).send());
    served.entered.notified().await;
    served.shutdown.force();
    let ended = tokio::time::timeout(Duration::from_secs(10), served.task).await;
    ended.unwrap().unwrap().unwrap();
    slow.abort();
}

#[tokio::test]
async fn an_unknown_path_or_method_is_a_problem() {
    let served = start().await;
    let client = build(&HttpOptions::default()).unwrap();
    let path = client.get(format!("{}/nowhere", served.url)).send();
    let method = client.post(format!("{}/quick", served.url)).send();
    for (answer, status) in [(path.await.unwrap(), 404), (method.await.unwrap(), 405)] {
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(problem["status"], status);
    }
    served.shutdown.force();
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let first = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = first.local_addr().unwrap();
    let error = bind(address).await.unwrap_err().to_string();
    assert!(
        error.contains("listen") && error.contains(&address.to_string()),
        "{error}"
    );
}
