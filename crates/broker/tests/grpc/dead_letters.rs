//! Messages that nobody could do anything with.

use std::time::Duration;

use broker::GroupConfig;
use rocketmq_wire::v2::Code;

use crate::support::*;

const DEAD: &str = "%DLQ%group";
const SOON: Duration = Duration::from_millis(100);

/// Receives the group's one message and lets it come back, until it does not.
async fn exhaust(client: &mut Client, attempts: i32) {
    for expected in 1..=attempts {
        let received = client.receive_one(GROUP, NORMAL).await;
        assert_eq!(attempt(&received), expected);
        client
            .change(handle(&received), Duration::ZERO, false)
            .await;
    }
}

#[tokio::test]
async fn after_the_last_attempt_the_next_receive_moves_it_to_the_dead_letter_topic() {
    let running = start(|_| {}).await;
    let (mut client, _telemetry) = running.consumer().await;
    let mut sent = message(NORMAL, "m1", "body");
    sent.user_properties.insert("own".into(), "property".into());
    client.send(sent).await;
    exhaust(&mut client, 3).await;
    assert_eq!(running.broker.stats().dead(GROUP), 0);
    let (status, messages) = client
        .receive_with(receive(GROUP, NORMAL, Duration::from_secs(5)))
        .await;
    assert_eq!((status.code(), messages.len()), (Code::MessageNotFound, 0));
    assert_eq!(running.broker.stats().dead(GROUP), 1);
    assert!(client.receive(GROUP, NORMAL, SOON).await.is_empty());

    let dead = client.receive_one("reader", DEAD).await;
    assert_eq!(
        (id(&dead), &dead.body[..], attempt(&dead)),
        ("m1", &b"body"[..], 5)
    );
    assert_eq!(dead.user_properties["own"], "property");
    assert_eq!(dead.topic.as_ref().unwrap().name, DEAD);
    assert_eq!(client.ack(handle(&dead)).await, Code::Ok);
}

#[tokio::test]
async fn forwarding_acks_and_is_not_idempotent() {
    let running = start(|_| {}).await;
    let (mut client, _telemetry) = running.consumer().await;
    client.send(message(NORMAL, "m1", "body")).await;
    let received = client.receive_one(GROUP, NORMAL).await;
    let status = client.forward(GROUP, handle(&received)).await;
    assert_eq!((status.code(), status.message.as_str()), (Code::Ok, "0"));
    let stats = running.broker.stats();
    assert_eq!(
        (
            stats.dead(GROUP),
            stats.ready(GROUP, NORMAL),
            stats.invisible(GROUP, NORMAL)
        ),
        (1, 0, 0)
    );
    assert_eq!(attempt(&client.receive_one("reader", DEAD).await), 2);

    assert_eq!(
        client.forward(GROUP, handle(&received)).await.code(),
        Code::Ok
    );
    assert_eq!(
        running.broker.stats().dead(GROUP),
        2,
        "as with Apache RocketMQ"
    );
}

#[tokio::test]
async fn an_expired_handle_forwards_and_the_message_comes_again() {
    let running = start(|_| {}).await;
    let (mut client, _telemetry) = running.consumer().await;
    client.send(message(NORMAL, "m1", "body")).await;
    let received = client.receive_one(GROUP, NORMAL).await;
    let (_, expired) = client
        .change(handle(&received), Duration::ZERO, false)
        .await;
    until(|| running.broker.stats().ready(GROUP, NORMAL) == 1).await;
    assert_eq!(client.forward(GROUP, &expired).await.code(), Code::Ok);
    assert_eq!(running.broker.stats().dead(GROUP), 1);
    assert_eq!(attempt(&client.receive_one(GROUP, NORMAL).await), 2);
}

#[tokio::test]
async fn a_reader_with_too_few_attempts_moves_a_dead_message_on() {
    let running = start(|config| {
        let delays = Vec::new();
        config.groups.push(GroupConfig {
            name: "impatient".into(),
            retry_max_times: 3,
            delays,
        });
    })
    .await;
    let (mut client, _telemetry) = running.consumer().await;
    client.send(message(NORMAL, "m1", "body")).await;
    exhaust(&mut client, 3).await;
    client.receive(GROUP, NORMAL, SOON).await;
    // The dead message comes as attempt 5; this reader allows four.
    assert!(client.receive("impatient", DEAD, SOON).await.is_empty());
    assert_eq!(running.broker.stats().dead("impatient"), 1);
    assert_eq!(
        attempt(&client.receive_one("reader", "%DLQ%impatient").await),
        6
    );
    assert_eq!(
        attempt(&client.receive_one("reader", DEAD).await),
        5,
        "it is still here, too"
    );
}

#[tokio::test]
async fn a_group_that_reads_its_own_dead_letters_does_not_multiply_them() {
    let running = start(|_| {}).await;
    let (mut client, _telemetry) = running.consumer().await;
    client.send(message(NORMAL, "m1", "body")).await;
    exhaust(&mut client, 3).await;
    client.receive(GROUP, NORMAL, SOON).await;
    for _ in 0..3 {
        assert!(client.receive(GROUP, DEAD, SOON).await.is_empty());
    }
    assert_eq!(running.broker.stats().dead(GROUP), 1);
}

#[tokio::test]
async fn forwarding_needs_a_group_a_topic_and_a_handle() {
    let running = start(|_| {}).await;
    let (mut client, _telemetry) = running.consumer().await;
    client.send(message(NORMAL, "m1", "body")).await;
    let received = client.receive_one(GROUP, NORMAL).await;
    assert_eq!(
        client.forward(" ", handle(&received)).await.code(),
        Code::IllegalConsumerGroup
    );
    assert_eq!(
        client.forward(GROUP, "garbage").await.code(),
        Code::InternalServerError
    );
    assert_eq!(
        client
            .forward("unknown-group", handle(&received))
            .await
            .code(),
        Code::Ok
    );
    assert_eq!(running.broker.stats().dead("unknown-group"), 1);
}
