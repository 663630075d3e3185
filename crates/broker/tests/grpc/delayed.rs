//! Messages with a delivery time: punctual, durable, and taken back where that is allowed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use broker::{Config, TopicConfig, TopicKind};
use rocketmq_wire::v2::Code;
use rocketmq_wire::{resource, v2};

use crate::support::*;

const DELAYED: &str = "delayed";

fn with_topic(config: &mut Config) {
    config.topics.push(TopicConfig {
        name: DELAYED.into(),
        kind: TopicKind::Delay,
    });
}

/// Now, since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the time that the wire speaks of"
)]
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

fn due_at(id: &str, at: Duration) -> v2::Message {
    let mut message = message(DELAYED, id, id);
    let system = message.system_properties.as_mut().unwrap();
    system.delivery_timestamp = Some(prost_types::Timestamp {
        seconds: at.as_secs().try_into().unwrap(),
        nanos: at.subsec_nanos().try_into().unwrap(),
    });
    message
}

async fn recall(client: &mut Client, handle: &str) -> v2::RecallMessageResponse {
    recall_in(client, DELAYED, handle).await
}

async fn recall_in(client: &mut Client, topic: &str, handle: &str) -> v2::RecallMessageResponse {
    let request = client.request(v2::RecallMessageRequest {
        topic: Some(resource(topic)),
        recall_handle: handle.into(),
    });
    client
        .grpc
        .recall_message(request)
        .await
        .unwrap()
        .into_inner()
}

#[tokio::test]
async fn delayed_messages_come_in_the_order_of_their_times_and_never_early() {
    let running = start(with_topic).await;
    let (mut client, _telemetry) = running.consumer().await;
    let start = now();
    for (id, after_ms) in [("third", 900), ("first", 300), ("second", 600)] {
        client
            .send(due_at(id, start + Duration::from_millis(after_ms)))
            .await;
    }
    for (expected, after_ms) in [("first", 300), ("second", 600), ("third", 900)] {
        let came = client.receive_one(GROUP, DELAYED).await;
        let at = now() - start;
        assert_eq!(id(&came), expected);
        assert!(
            at >= Duration::from_millis(after_ms),
            "{expected} after {at:?}"
        );
        assert_eq!(attempt(&came), 1);
    }
}

#[tokio::test]
async fn a_delayed_message_outlives_the_process_and_comes_once() {
    let running = start(with_topic).await;
    let (mut client, telemetry) = running.consumer().await;
    let due = now() + Duration::from_millis(1500);
    client.send(due_at("m", due)).await;
    drop((client, telemetry));
    let running = running.restart().await;
    let (mut client, _telemetry) = running.consumer().await;
    let came = client.receive_one(GROUP, DELAYED).await;
    assert_eq!(id(&came), "m");
    assert!(now() >= due, "early");
    assert_eq!(running.broker.stats().ready(GROUP, DELAYED), 0);
}

#[tokio::test]
async fn where_recalling_is_enabled_a_message_is_taken_back_until_it_is_delivered() {
    let running = start(|config| {
        with_topic(config);
        config.recall_enabled = true;
    })
    .await;
    let (mut client, _telemetry) = running.consumer().await;
    let due = now() + Duration::from_millis(700);
    let gone = client.send(due_at("gone", due)).await;
    let stays = client.send(due_at("stays", due)).await;
    let recalled = recall(&mut client, &gone.recall_handle).await;
    assert_eq!(
        (code(recalled.status), recalled.message_id.as_str()),
        (Code::Ok, "gone")
    );
    let again = recall(&mut client, &gone.recall_handle).await;
    assert_eq!(code(again.status), Code::NotFound);
    assert_eq!(id(&client.receive_one(GROUP, DELAYED).await), "stays");
    let late = recall(&mut client, &stays.recall_handle).await;
    assert_eq!(code(late.status), Code::NotFound);
    let none = client
        .receive(GROUP, DELAYED, Duration::from_millis(100))
        .await;
    assert!(none.is_empty(), "{none:?}");
}

#[tokio::test]
async fn a_handle_takes_back_what_is_in_the_topic_that_the_request_names_and_nothing_else() {
    let running = start(|config| {
        with_topic(config);
        config.recall_enabled = true;
    })
    .await;
    let mut client = running.client("c").await;
    let due = now() + Duration::from_secs(60);
    let sent = client.send(due_at("m", due)).await;
    let refused = recall_in(&mut client, NORMAL, &sent.recall_handle).await;
    assert_eq!(code(refused.status), Code::InternalServerError);
    let recalled = recall(&mut client, &sent.recall_handle).await;
    assert_eq!(code(recalled.status), Code::Ok, "it was still there");
}
