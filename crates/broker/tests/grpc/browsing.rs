//! Queues by offset, as they are read over remoting: what only this broker can show quickly. The
//! rest is in the client's tests of administration, which run on Apache RocketMQ too.

use std::time::{Duration, Instant};

use rocketmq_wire::StoredMessage;
use rocketmq_wire::properties::HALF_TOPIC;
use rocketmq_wire::remoting::{End, OffsetRequest, PullAnswer, PullOutcome, PullRequest, offset};
use rocketmq_wire::v2::TransactionResolution as Resolution;
use tokio::net::TcpStream;

use crate::administration::ask;
use crate::support::*;

async fn remoting(running: &Running) -> TcpStream {
    let address = running.broker.remoting_address().unwrap();
    TcpStream::connect(address).await.unwrap()
}

async fn end(stream: &mut TcpStream, topic: &str, end: End) -> i64 {
    let request = OffsetRequest {
        end,
        topic: topic.to_owned(),
        queue_id: 0,
    };
    offset(&ask(stream, &request.to_frame(1)).await).unwrap()
}

pub(crate) async fn pull(stream: &mut TcpStream, topic: &str, offset: i64) -> PullAnswer {
    let request = PullRequest {
        topic: topic.to_owned(),
        queue_id: 0,
        offset,
        max: 32,
    };
    let answer = ask(stream, &request.to_frame(1)).await;
    PullAnswer::from_frame(&answer).unwrap().expect("an answer")
}

#[tokio::test]
async fn a_half_s_offset_is_never_given_twice() {
    let running = start(|_| {}).await;
    let mut client = running.client("c").await;
    let first = client.send(half("m1", 30)).await.offset;
    client.end("m1", Resolution::Rollback).await;
    let mut stream = remoting(&running).await;
    assert_eq!(end(&mut stream, HALF_TOPIC, End::First).await, first + 1);
    assert_eq!(end(&mut stream, HALF_TOPIC, End::Next).await, first + 1);

    let running = running.restart().await;
    let second = running.client("c").await.send(half("m2", 30)).await.offset;
    assert_eq!(second, first + 1);
    let mut stream = remoting(&running).await;
    let found = pull(&mut stream, HALF_TOPIC, second).await;
    let halves = StoredMessage::decode_all(&found.messages).unwrap();
    assert_eq!(halves[0].message_id(), Some("m2"));
    assert_eq!(halves[0].origin(), Some(TRANSACTIONAL));
    let gone = pull(&mut stream, HALF_TOPIC, first).await;
    assert_eq!(gone.outcome, PullOutcome::OffsetMoved);
    assert_eq!(gone.next_offset, second);
}

#[tokio::test]
async fn what_outlived_its_retention_is_said_to_be_gone() {
    let running = start(|config| config.retention = Duration::from_secs(1)).await;
    let mut client = running.client("c").await;
    for id in ["m1", "m2"] {
        client.send(message(NORMAL, id, id)).await;
    }
    let mut stream = remoting(&running).await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while end(&mut stream, NORMAL, End::First).await < 2 {
        assert!(Instant::now() < deadline, "it stays");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let gone = pull(&mut stream, NORMAL, 0).await;
    assert_eq!(gone.outcome, PullOutcome::OffsetMoved);
    assert_eq!(
        (gone.next_offset, gone.min_offset, gone.max_offset),
        (2, 2, 2)
    );
    assert_eq!(
        pull(&mut stream, NORMAL, 2).await.outcome,
        PullOutcome::NotFound
    );
}

#[tokio::test]
async fn a_page_ends_at_its_bytes_and_one_message_always_fits() {
    let running = start(|_| {}).await;
    let mut client = running.client("c").await;
    let large = "x".repeat(300 * 1024);
    for (id, body) in [("m1", large.as_str()), ("m2", "small"), ("m3", &large)] {
        client.send(message(NORMAL, id, body)).await;
    }
    let mut stream = remoting(&running).await;
    let mut pages = Vec::new();
    let mut from = 0;
    while from < 3 {
        let page = pull(&mut stream, NORMAL, from).await;
        let messages = StoredMessage::decode_all(&page.messages).unwrap();
        pages.push(messages.len());
        assert!(page.next_offset > from);
        from = page.next_offset;
    }
    assert_eq!(pages, [1, 1, 1]);
}
