//! Half messages: visible after COMMIT alone, asked about on schedule, and not for ever.

use std::time::{Duration, Instant};

use broker::Config;
use rocketmq_wire::v2::{Code, TransactionResolution as Resolution};

use crate::support::*;

const SOON: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(5);

fn brisk(config: &mut Config) {
    config.check_interval = Duration::from_millis(200);
    config.check_max = 3;
}

#[tokio::test]
async fn a_half_message_is_visible_once_it_is_committed() {
    let running = start(|_| {}).await;
    let (mut client, _telemetry) = running.consumer().await;
    client.send(half("m1", 30)).await;
    assert_eq!(running.broker.stats().halves(TRANSACTIONAL), 1);
    assert!(client.receive(GROUP, TRANSACTIONAL, SOON).await.is_empty());

    assert_eq!(client.end("m1", Resolution::Commit).await.code(), Code::Ok);
    let received = client.receive_one(GROUP, TRANSACTIONAL).await;
    assert_eq!((id(&received), attempt(&received)), ("m1", 1));
    assert_eq!(received.user_properties["__transactionId__"], "m1");
    assert_eq!(running.broker.stats().halves(TRANSACTIONAL), 0);
    let again = client.end("m1", Resolution::Commit).await;
    assert_eq!(again.code(), Code::InternalServerError);
}

#[tokio::test]
async fn a_rolled_back_half_message_is_gone() {
    let running = start(|_| {}).await;
    let (mut client, _telemetry) = running.consumer().await;
    client.send(half("m1", 30)).await;
    assert_eq!(
        client.end("m1", Resolution::Rollback).await.code(),
        Code::Ok
    );
    assert_eq!(
        client.end("m1", Resolution::Commit).await.code(),
        Code::InternalServerError
    );
    assert!(client.receive(GROUP, TRANSACTIONAL, SOON).await.is_empty());
    assert_eq!(running.broker.stats().halves(TRANSACTIONAL), 0);
}

#[tokio::test]
async fn of_two_halves_with_one_id_the_newest_is_ended() {
    let running = start(|_| {}).await;
    let (mut client, _telemetry) = running.consumer().await;
    let mut newer = half("m1", 30);
    newer.body = "newer".into();
    client.send(half("m1", 30)).await;
    client.send(newer).await;
    assert_eq!(client.end("m1", Resolution::Commit).await.code(), Code::Ok);
    assert_eq!(client.receive_one(GROUP, TRANSACTIONAL).await.body, "newer");
    assert_eq!(running.broker.stats().halves(TRANSACTIONAL), 1);
}

#[tokio::test]
async fn ending_it_neither_way_leaves_it_open_and_uses_its_record_up() {
    let running = start(brisk).await;
    let mut client = running.client("producer").await;
    let mut telemetry = client.telemetry(producer_settings(&[TRANSACTIONAL])).await;
    client.send(half("m1", 1)).await;
    assert_eq!(
        client.end("m1", Resolution::Unspecified).await.code(),
        Code::Ok
    );
    assert_eq!(
        client.end("m1", Resolution::Commit).await.code(),
        Code::InternalServerError
    );
    telemetry
        .check(PATIENCE)
        .await
        .expect("it is still asked about");
    assert_eq!(client.end("m1", Resolution::Commit).await.code(), Code::Ok);
}

#[tokio::test]
async fn an_open_half_is_asked_about_on_schedule_until_the_limit() {
    let running = start(brisk).await;
    let mut client = running.client("producer").await;
    let mut telemetry = client.telemetry(producer_settings(&[TRANSACTIONAL])).await;
    let mut sent = half("m1", 1);
    sent.user_properties.insert("own".into(), "property".into());
    let start = Instant::now();
    client.send(sent).await;
    for n in 1..=3_u32 {
        let check = telemetry.check(PATIENCE).await.expect("a check-back");
        let due = Duration::from_secs(1) + Duration::from_millis(200) * (n - 1);
        assert!(
            start.elapsed() >= due,
            "check {n} after {:?}",
            start.elapsed()
        );
        assert!(
            start.elapsed() < due + Duration::from_secs(2),
            "check {n} after {:?}",
            start.elapsed()
        );
        assert_eq!(check.transaction_id, "m1");
        let message = check.message.unwrap();
        assert_eq!((id(&message), &message.body[..]), ("m1", &b"m1"[..]));
        assert_eq!(
            message.user_properties["TRANSACTION_CHECK_TIMES"],
            n.to_string()
        );
        assert_eq!(
            message.user_properties["CHECK_IMMUNITY_TIME_IN_SECONDS"],
            "1"
        );
        assert_eq!(message.user_properties["own"], "property");
    }
    until(|| {
        running
            .broker
            .stats()
            .topic("TRANS_CHECK_MAX_TIME_TOPIC")
            .messages
            == 1
    })
    .await;
    assert_eq!(running.broker.stats().halves(TRANSACTIONAL), 0);
    assert!(
        telemetry.check(Duration::from_millis(500)).await.is_none(),
        "no further check-back"
    );
    // Its record lasts from the last check-back, limit or not.
    assert_eq!(client.end("m1", Resolution::Commit).await.code(), Code::Ok);
    let (mut consumer, _telemetry) = running.consumer().await;
    assert_eq!(id(&consumer.receive_one(GROUP, TRANSACTIONAL).await), "m1");
}

#[tokio::test]
async fn an_end_comes_too_late_when_its_record_is_over_and_in_time_after_the_next_check() {
    let running = start(|config| {
        brisk(config);
        config.check_interval = Duration::from_secs(1);
        config.transaction_record = Duration::from_millis(300);
    })
    .await;
    let mut client = running.client("producer").await;
    let mut telemetry = client.telemetry(producer_settings(&[TRANSACTIONAL])).await;
    let sent = Instant::now();
    client.send(half("m1", 1)).await;
    while sent.elapsed() < Duration::from_millis(400) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let late = client.end("m1", Resolution::Commit).await;
    assert_eq!(late.code(), Code::InternalServerError);
    assert!(
        late.message.contains("cannot found transaction data"),
        "{}",
        late.message
    );
    telemetry.check(PATIENCE).await.expect("a check-back");
    assert_eq!(client.end("m1", Resolution::Commit).await.code(), Code::Ok);
}

#[tokio::test]
async fn check_backs_that_nobody_hears_are_counted() {
    let running = start(brisk).await;
    let mut client = running.client("producer").await;
    // It publishes another topic: it must not be asked.
    let mut telemetry = client.telemetry(producer_settings(&[NORMAL])).await;
    client.send(half("m1", 0)).await;
    until(|| {
        running
            .broker
            .stats()
            .topic("TRANS_CHECK_MAX_TIME_TOPIC")
            .messages
            == 1
    })
    .await;
    assert!(telemetry.check(SOON).await.is_none());
}

#[tokio::test]
async fn check_backs_go_round_the_clients_that_publish_the_topic() {
    let running = start(|config| {
        config.check_interval = Duration::from_millis(100);
    })
    .await;
    let mut sender = running.client("sender").await;
    let mut a = running.client("a").await;
    let mut b = running.client("b").await;
    let mut a = a.telemetry(producer_settings(&[TRANSACTIONAL])).await;
    let mut b = b.telemetry(producer_settings(&[TRANSACTIONAL])).await;
    sender.send(half("m1", 0)).await;
    for _ in 0..2 {
        assert!(
            a.check(PATIENCE).await.is_some(),
            "a hears every second one"
        );
        assert!(b.check(PATIENCE).await.is_some(), "b hears the others");
    }
}

#[tokio::test]
async fn a_half_survives_a_restart_and_is_asked_about_by_whoever_is_there() {
    let running = start(brisk).await;
    let mut client = running.client("producer").await;
    client.send(half("m1", 2)).await;
    drop(client);
    let running = running.restart().await;
    let mut other = running.client("other").await;
    let mut telemetry = other.telemetry(producer_settings(&[TRANSACTIONAL])).await;
    let check = telemetry.check(PATIENCE).await.expect("a check-back");
    assert_eq!(check.transaction_id, "m1");
    assert_eq!(other.end("m1", Resolution::Commit).await.code(), Code::Ok);
}
