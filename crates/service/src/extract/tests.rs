//! Bad input as a client would send it, and the problem that each gets.

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Transfer {
    to: String,
    amount_fen: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    limit: u32,
}

async fn body(text: &str, kind: Option<&str>) -> Result<Transfer, serde_json::Value> {
    let mut request = Request::post("/");
    if let Some(kind) = kind {
        request = request.header(header::CONTENT_TYPE, kind);
    }
    let request = request.body(Body::from(text.to_owned())).unwrap();
    match Json::<Transfer>::from_request(request, &()).await {
        Ok(Json(transfer)) => Ok(transfer),
        Err(problem) => Err(serde_json::to_value(problem).unwrap()),
    }
}

async fn query(text: &str) -> Result<Page, serde_json::Value> {
    let request = Request::get(format!("/?{text}")).body(()).unwrap();
    let (mut parts, ()) = request.into_parts();
    match Query::<Page>::from_request_parts(&mut parts, &()).await {
        Ok(Query(page)) => Ok(page),
        Err(problem) => Err(serde_json::to_value(problem).unwrap()),
    }
}

#[tokio::test]
async fn a_good_body_is_taken_with_and_without_a_content_type() {
    for kind in [
        Some("application/json"),
        None,
        Some("application/x-www-form-urlencoded"),
    ] {
        let transfer = body(r#"{"to":"2","amount_fen":1000}"#, kind).await.unwrap();
        assert_eq!((transfer.to.as_str(), transfer.amount_fen), ("2", 1000));
    }
    let other = body("{}", Some("text/xml")).await.unwrap_err();
    assert_eq!(other["status"], 415);
}

#[tokio::test]
async fn a_bad_field_is_named() {
    for (text, status, field) in [
        (r#"{"to":"2","amount_fen":"ten"}"#, 422, "amount_fen"),
        (r#"{"to":"2","amount_fen":1.5}"#, 422, "amount_fen"),
        (r#"{"to":7,"amount_fen":1}"#, 422, "to"),
        (r#"{"to":"2"}"#, 422, "amount_fen"),
        (r#"{"to":"2","amount_fen":1,"why":"x"}"#, 422, "why"),
    ] {
        let problem = body(text, None).await.unwrap_err();
        assert_eq!(problem["status"], status, "{text}: {problem}");
        assert_eq!(problem["field"], field, "{text}: {problem}");
    }
}

#[tokio::test]
async fn who_says_nothing_leaves_out_what_may_be_left_out() {
    let problem = body("", None).await.unwrap_err();
    assert_eq!(
        (&problem["status"], &problem["field"]),
        (&422.into(), &"to".into())
    );
}

#[tokio::test]
async fn what_is_no_json_is_a_400_without_a_field() {
    for text in [" ", "{", "amount=1"] {
        let problem = body(text, None).await.unwrap_err();
        assert_eq!(problem["status"], 400, "{text:?}: {problem}");
        assert!(problem.get("field").is_none(), "{text:?}: {problem}");
        assert_ne!(problem["detail"], "");
    }
}

#[tokio::test]
async fn a_bad_query_parameter_is_named() {
    assert_eq!(query("limit=5").await.unwrap().limit, 5);
    for (text, field) in [("limit=-1", "limit"), ("", "limit"), ("limit=1&x=2", "x")] {
        let problem = query(text).await.unwrap_err();
        assert_eq!(problem["status"], 400, "{text}: {problem}");
        assert_eq!(problem["field"], field, "{text}: {problem}");
    }
}

/// A client that reads nothing before it has sent everything, as many do.
#[tokio::test]
async fn who_sends_too_much_comes_to_read_what_the_limit_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let take = post(async |Json(_): Json<Transfer>| "taken");
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", take)).await });
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = 20 * BODY_LIMIT;
    let head = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; length]).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains(&BODY_LIMIT.to_string()), "{answer}");
}
