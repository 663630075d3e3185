//! Leases: one owner at a time, the newest handle, and lost when in doubt.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rocketmq::{Consumer, ConsumerConfig, Deferral, Delivery, SettleError};
use rocketmq_wire::v2;

use crate::fake::{Call, Fake, GROUP, TOPIC, client_of, eventually};

const LEASE: Duration = Duration::from_secs(10);

async fn one_delivery(fake: &Fake, request_timeout: Duration) -> (Consumer, Delivery) {
    fake.put("one", b"x");
    let config = ConsumerConfig {
        group: GROUP.to_owned(),
        topic: TOPIC.to_owned(),
        lease: LEASE,
        permits: 4,
        polls: 1,
        ..Default::default()
    };
    let client = client_of(&[fake.address], request_timeout);
    let consumer = Consumer::start(&client, config).await.unwrap();
    let delivery = consumer.next().await.unwrap().remove(0);
    (consumer, delivery)
}

fn changes(fake: &Fake) -> Vec<v2::ChangeInvisibleDurationRequest> {
    let calls = fake.calls().into_iter();
    calls
        .filter_map(|call| match call {
            Call::Change(change) => Some(change),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn a_held_message_is_renewed_in_the_background_without_using_an_attempt() {
    let fake = Fake::start().await;
    let (_consumer, delivery) = one_delivery(&fake, Duration::from_secs(3)).await;
    eventually("two renewals", || changes(&fake).len() == 2).await;
    let changes = changes(&fake);
    assert!(changes.iter().all(|change| change.suspend == Some(true)));
    assert!(
        changes
            .iter()
            .all(|change| change.invisible_duration.unwrap().seconds == 10)
    );
    assert_ne!(
        changes[0].receipt_handle, changes[1].receipt_handle,
        "the newest handle is used"
    );
    eventually("the answer is taken in", || {
        delivery.lease_left() > LEASE / 2
    })
    .await;
    delivery.ack().await.unwrap();
}

#[tokio::test]
async fn settling_waits_for_a_renewal_under_way_and_uses_its_handle() {
    let fake = Fake::start().await;
    let (_consumer, delivery) = one_delivery(&fake, Duration::from_secs(3)).await;
    fake.state.changes_pass.close();
    eventually("a renewal is under way", || changes(&fake).len() == 1).await;
    let acking = tokio::spawn(delivery.ack());
    // For what must not happen there is no condition; an ack that does not wait is there in a few ms.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(
        fake.count(|call| matches!(call, Call::Ack(_))),
        0,
        "the ack waits"
    );
    fake.state.changes_pass.open();
    acking.await.unwrap().unwrap();
    assert_eq!(fake.state.overlaps.load(Ordering::SeqCst), 0);
    assert!(
        fake.state.handles.lock().unwrap().is_empty(),
        "it was acked by the newest handle"
    );
}

#[tokio::test]
async fn a_renewal_that_is_not_answered_loses_the_lease() {
    let fake = Fake::start().await;
    let (_consumer, mut delivery) = one_delivery(&fake, Duration::from_millis(500)).await;
    fake.state.changes_pass.close();
    assert_eq!(delivery.renew().await, Err(SettleError::LeaseLost));
    assert_eq!(delivery.lease_left(), Duration::ZERO);
    fake.state.changes_pass.open();
    assert_eq!(
        delivery.renew().await,
        Err(SettleError::LeaseLost),
        "a lost lease stays lost"
    );
    assert_eq!(delivery.dead_letter().await, Err(SettleError::LeaseLost));
    assert_eq!(
        fake.count(|call| matches!(call, Call::Forward(_))),
        0,
        "nothing is sent about it"
    );
}

#[tokio::test]
async fn a_background_renewal_that_is_not_answered_loses_the_lease_too() {
    let fake = Fake::start().await;
    let (_consumer, delivery) = one_delivery(&fake, Duration::from_millis(500)).await;
    fake.state.changes_pass.close();
    let received = tokio::time::Instant::now();
    eventually("the lease is lost", || delivery.lease_left().is_zero()).await;
    assert!(received.elapsed() < LEASE * 3 / 4, "it merely ran out");
    assert_eq!(changes(&fake).len(), 1);
    assert_eq!(delivery.ack().await, Err(SettleError::LeaseLost));
}

#[tokio::test]
async fn a_renewal_that_its_caller_gives_up_loses_the_lease() {
    let fake = Fake::start().await;
    let (_consumer, mut delivery) = one_delivery(&fake, Duration::from_secs(3)).await;
    fake.state.changes_pass.close();
    let given_up = tokio::time::timeout(Duration::from_millis(100), delivery.renew()).await;
    assert!(given_up.is_err());
    assert_eq!(delivery.lease_left(), Duration::ZERO);
    assert_eq!(delivery.ack().await, Err(SettleError::LeaseLost));
}

#[tokio::test]
async fn a_settled_message_is_not_renewed() {
    let fake = Fake::start().await;
    let (consumer, delivery) = one_delivery(&fake, Duration::from_secs(3)).await;
    let renewed_at = tokio::time::Instant::now() + delivery.lease_left() / 2;
    delivery.ack().await.unwrap();
    fake.put("two", b"x");
    let _second = consumer.next().await.unwrap();
    // The second's renewal comes after the time of the first's.
    eventually("the second is renewed", || !changes(&fake).is_empty()).await;
    assert!(tokio::time::Instant::now() >= renewed_at);
    assert!(
        changes(&fake)
            .iter()
            .all(|change| change.message_id == "two")
    );
}

#[tokio::test]
async fn deferring_asks_for_the_delay_and_says_whether_it_counts() {
    for (deferral, suspend) in [
        (Deferral::CountsAttempt, false),
        (Deferral::Suspended, true),
    ] {
        let fake = Fake::start().await;
        let (_consumer, delivery) = one_delivery(&fake, Duration::from_secs(3)).await;
        delivery
            .defer(Duration::from_millis(61_500), deferral)
            .await
            .unwrap();
        let change = changes(&fake).remove(0);
        assert_eq!(change.suspend, Some(suspend));
        let delay = change.invisible_duration.unwrap();
        assert_eq!((delay.seconds, delay.nanos), (61, 500_000_000));
    }
}

#[tokio::test]
async fn a_delay_that_no_broker_takes_is_refused_by_name() {
    let fake = Fake::start().await;
    let (_consumer, delivery) = one_delivery(&fake, Duration::from_secs(3)).await;
    let error = delivery
        .defer(Duration::from_secs(43_201), Deferral::Suspended)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("delay"), "{error}");
    assert!(changes(&fake).is_empty());
}

#[tokio::test]
async fn dead_lettering_forwards_the_message_once() {
    let fake = Fake::start().await;
    let (consumer, delivery) = one_delivery(&fake, Duration::from_secs(3)).await;
    consumer
        .backoff_policy()
        .wait_for(Option::is_some)
        .await
        .unwrap();
    delivery.dead_letter().await.unwrap();
    let forwards: Vec<_> = fake
        .calls()
        .into_iter()
        .filter_map(|call| match call {
            Call::Forward(forward) => Some(forward),
            _ => None,
        })
        .collect();
    assert_eq!(forwards.len(), 1);
    assert_eq!(
        (
            forwards[0].delivery_attempt,
            forwards[0].max_delivery_attempts
        ),
        (1, 3)
    );
    assert_eq!(forwards[0].message_id, "one");
}

#[tokio::test]
async fn an_expired_handle_is_a_lost_lease() {
    let fake = Fake::start().await;
    let (_consumer, delivery) = one_delivery(&fake, Duration::from_secs(3)).await;
    fake.script().refused_handles = vec!["handle-one".to_owned()];
    assert_eq!(delivery.ack().await, Err(SettleError::LeaseLost));
}

#[tokio::test]
async fn an_endpoint_that_hangs_starves_no_other_of_renewals() {
    let (hanging, fake) = (Fake::start().await, Fake::start().await);
    let route = vec![
        ("broker-a".to_owned(), vec![hanging.address]),
        ("broker-b".to_owned(), vec![fake.address]),
    ];
    hanging.script().route.clone_from(&route);
    fake.script().route = route;
    hanging.state.changes_pass.close();
    let config = ConsumerConfig {
        group: GROUP.to_owned(),
        topic: TOPIC.to_owned(),
        lease: LEASE,
        permits: 1000,
        polls: 1,
        ..Default::default()
    };
    let client = client_of(&[hanging.address, fake.address], LEASE);
    let consumer = Consumer::start(&client, config).await.unwrap();
    for number in 0..96 {
        hanging.put(&format!("hanging-{number}"), b"x");
    }
    let mut held = Vec::new();
    while held.len() < 96 {
        held.append(&mut consumer.next().await.unwrap());
    }
    fake.put("healthy", b"x");
    let delivery = consumer.next().await.unwrap().remove(0);
    let received = tokio::time::Instant::now();
    eventually("the renewal", || !changes(&fake).is_empty()).await;
    assert!(received.elapsed() < LEASE * 3 / 4, "it came late");
    delivery.ack().await.unwrap();
}
