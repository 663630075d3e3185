//! The consumer's loop: permits, batches, draining, endpoints that come and go.

use std::io::Write as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rocketmq::{Consumer, ConsumerConfig, Delivery, SettleError};
use rocketmq_wire::v2;

use crate::fake::{Call, Fake, GROUP, TOPIC, client_of, eventually};

fn config() -> ConsumerConfig {
    ConsumerConfig {
        group: GROUP.to_owned(),
        topic: TOPIC.to_owned(),
        lease: Duration::from_secs(10),
        permits: 128,
        polls: 2,
        ..Default::default()
    }
}

async fn take(consumer: &Consumer, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        taken.extend(consumer.next().await.unwrap());
    }
    assert_eq!(taken.len(), count);
    taken
}

fn ids(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries
        .iter()
        .map(|delivery| delivery.message().message_id.as_str())
        .collect()
}

#[tokio::test]
async fn a_message_is_received_whole_and_acked() {
    let fake = Fake::start().await;
    fake.put("one", b"body");
    let consumer = Consumer::start(&fake.client(), config()).await.unwrap();
    let delivery = take(&consumer, 1).await.remove(0);
    let message = delivery.message();
    assert_eq!(
        (message.topic.as_str(), message.tag.as_deref()),
        (TOPIC, Some("tag"))
    );
    assert_eq!(
        (&message.body[..], message.delivery_attempt),
        (&b"body"[..], 1)
    );
    assert_eq!(message.properties["colour"], "red");
    assert!(delivery.lease_left() > Duration::from_secs(8));
    delivery.ack().await.unwrap();
    assert!(fake.state.handles.lock().unwrap().is_empty());
}

#[tokio::test]
async fn never_more_messages_are_in_hand_than_permits() {
    let fake = Fake::start().await;
    for n in 0..20 {
        fake.put(&format!("m{n}"), b"x");
    }
    let consumer = Consumer::start(
        &fake.client(),
        ConsumerConfig {
            permits: 4,
            ..config()
        },
    )
    .await
    .unwrap();
    let mut held = take(&consumer, 4).await;
    let more = tokio::time::timeout(Duration::from_millis(300), consumer.next()).await;
    assert!(more.is_err(), "a fifth message came without a permit");
    assert_eq!(
        fake.state.handles.lock().unwrap().len(),
        4,
        "and none was taken from the broker"
    );
    held.remove(0).ack().await.unwrap();
    take(&consumer, 1).await;
}

#[tokio::test]
async fn a_dropped_delivery_gives_its_permit_back_and_settles_nothing() {
    let fake = Fake::start().await;
    fake.put("one", b"x");
    fake.put("two", b"x");
    let config = ConsumerConfig {
        permits: 1,
        ..config()
    };
    let consumer = Consumer::start(&fake.client(), config).await.unwrap();
    drop(take(&consumer, 1).await);
    take(&consumer, 1).await;
    assert_eq!(
        fake.count(|call| matches!(call, Call::Ack(_) | Call::Change(_))),
        0
    );
}

#[tokio::test]
async fn acks_go_out_together_and_each_learns_its_own_result() {
    let fake = Fake::start().await;
    for n in 0..100 {
        fake.put(&format!("m{n}"), b"x");
    }
    fake.script().refused_handles = vec!["handle-m7-".to_owned()];
    let consumer = Consumer::start(&fake.client(), config()).await.unwrap();
    let deliveries = take(&consumer, 100).await;
    let acking = deliveries.into_iter().map(|delivery| async move {
        let id = delivery.message().message_id.clone();
        (id, delivery.ack().await)
    });
    for (id, result) in futures::future::join_all(acking).await {
        let expected = if id == "m7" {
            Err(SettleError::LeaseLost)
        } else {
            Ok(())
        };
        assert_eq!(result, expected, "{id}");
    }
    let batches: Vec<_> = fake
        .calls()
        .into_iter()
        .filter_map(|call| match call {
            Call::Ack(request) => Some(request.entries.len()),
            _ => None,
        })
        .collect();
    assert!(batches.iter().all(|entries| *entries <= 32), "{batches:?}");
    assert!(batches.len() <= 10, "{batches:?}");
}

#[tokio::test]
async fn stopping_lets_polls_end_and_delivers_what_they_bring() {
    let fake = Fake::start().await;
    fake.script().long_poll = Duration::from_secs(2);
    let consumer = Consumer::start(&fake.client(), config()).await.unwrap();
    eventually("both polls wait", || {
        fake.state.polls_begun.load(Ordering::SeqCst) == 2
    })
    .await;
    consumer.stop();
    fake.put("late", b"x");
    let late = consumer.next().await.unwrap();
    assert_eq!(ids(&late), ["late"]);
    assert!(
        consumer.next().await.is_none(),
        "nothing comes after the last poll"
    );
    assert_eq!(
        fake.state.polls_ended.load(Ordering::SeqCst),
        2,
        "no poll was cut off"
    );
    assert_eq!(
        fake.state.polls_begun.load(Ordering::SeqCst),
        2,
        "and none begun"
    );
    let early = tokio::time::timeout(Duration::from_millis(100), consumer.drained()).await;
    assert!(early.is_err(), "a delivery is still held");
    for delivery in late {
        delivery.ack().await.unwrap();
    }
    consumer.drained().await;
    consumer.close().await;
    assert_eq!(fake.count(|call| matches!(call, Call::Goodbye)), 1);
}

#[tokio::test]
async fn every_broker_of_the_route_is_polled_and_a_dead_endpoint_passed_over() {
    let (one, two) = (Fake::start().await, Fake::start().await);
    let mut dead = Fake::start().await;
    dead.die().await;
    let route = vec![
        ("a".to_owned(), vec![dead.address, one.address]),
        ("b".to_owned(), vec![two.address]),
    ];
    for fake in [&one, &two] {
        fake.script().route.clone_from(&route);
    }
    one.put("at-one", b"x");
    two.put("at-two", b"x");
    let client = client_of(&[dead.address, one.address], Duration::from_secs(3));
    let consumer = Consumer::start(&client, config()).await.unwrap();
    let deliveries = take(&consumer, 2).await;
    for delivery in deliveries {
        delivery.ack().await.unwrap();
    }
    for fake in [&one, &two] {
        assert!(
            fake.state.handles.lock().unwrap().is_empty(),
            "each was acked where it came from"
        );
    }
}

#[tokio::test]
async fn a_consumer_waits_for_its_topic_and_outlives_its_broker() {
    let mut fake = Fake::start().await;
    fake.script().topic_missing = true;
    fake.put("one", b"x");
    let consumer = Consumer::start(&fake.client(), config()).await.unwrap();
    let none = tokio::time::timeout(Duration::from_millis(300), consumer.next()).await;
    assert!(none.is_err(), "there is no topic yet");
    fake.script().topic_missing = false;
    assert_eq!(ids(&take(&consumer, 1).await), ["one"]);
    fake.die().await;
    fake.listen().await;
    fake.put("two", b"x");
    assert_eq!(ids(&take(&consumer, 1).await), ["two"]);
}

#[tokio::test]
async fn a_broker_that_is_away_costs_the_others_nothing_and_is_polled_again() {
    let (one, mut two) = (Fake::start().await, Fake::start().await);
    let route = vec![
        ("a".to_owned(), vec![one.address]),
        ("b".to_owned(), vec![two.address]),
    ];
    one.script().route.clone_from(&route);
    two.script().route.clone_from(&route);
    two.die().await;
    one.put("at-one", b"x");
    let consumer = Consumer::start(&one.client(), config()).await.unwrap();
    assert_eq!(ids(&take(&consumer, 1).await), ["at-one"]);
    two.listen().await;
    two.put("at-two", b"x");
    assert_eq!(ids(&take(&consumer, 1).await), ["at-two"]);
    two.die().await;
    one.put("again-one", b"x");
    assert_eq!(ids(&take(&consumer, 1).await), ["again-one"]);
    two.listen().await;
    two.put("again-two", b"x");
    assert_eq!(ids(&take(&consumer, 1).await), ["again-two"]);
}

#[tokio::test]
async fn packed_bodies_come_unpacked_and_broken_ones_with_the_reason() {
    let fake = Fake::start().await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"packed").unwrap();
    fake.put_encoded("good", &gzip.finish().unwrap(), v2::Encoding::Gzip);
    fake.put_encoded("bad", b"not gzip", v2::Encoding::Gzip);
    let consumer = Consumer::start(&fake.client(), config()).await.unwrap();
    for delivery in take(&consumer, 2).await {
        let message = delivery.message();
        if message.message_id == "good" {
            assert_eq!(
                (&message.body[..], &message.body_error),
                (&b"packed"[..], &None)
            );
        } else {
            assert_eq!(&message.body[..], b"not gzip");
            assert!(message.body_error.is_some());
        }
        delivery.ack().await.unwrap();
    }
}
