//! What the client must not do: follow, wait on, repeat.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::*;
use crate::Shutdown;

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let followed = Arc::new(AtomicUsize::new(0));
    let count = followed.clone();
    let target = move || async move {
        count.fetch_add(1, Ordering::SeqCst);
    };
    let redirect = || async { (StatusCode::FOUND, [(header::LOCATION, "/there")]) };
    let router = Router::new()
        .route("/here", get(redirect))
        .route("/there", get(target));
    let listener = crate::http::bind("127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let url = format!("http://{}/here", listener.local_addr().unwrap());
    let shutdown = Shutdown::new();
    let server = tokio::spawn(crate::http::serve(listener, router, shutdown.clone()));
    let answer = build(&HttpOptions::default())
        .unwrap()
        .get(url)
        .send()
        .await;
    assert_eq!(answer.unwrap().status(), 302);
    assert_eq!(followed.load(Ordering::SeqCst), 0);
    shutdown.force();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_never_answers_meets_the_deadline_and_is_asked_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let server = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut buffer = [0; 1024];
                while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
            });
        }
    });
    let options = HttpOptions {
        timeout: Duration::from_millis(300),
        ..HttpOptions::default()
    };
    let error = build(&options).unwrap().get(url).send().await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    server.abort();
}

#[tokio::test]
async fn a_connection_that_dies_under_a_request_is_not_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let server = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let mut buffer = [0; 1024];
            assert!(stream.read(&mut buffer).await.unwrap() > 0);
        }
    });
    let client = build(&HttpOptions::default()).unwrap();
    let result = client.post(url).body("x").send().await;
    assert!(result.is_err());
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    server.abort();
}
