//! Lanes: a receiver that hangs slows nobody else, and waiting uses no rung.

use crate::support::{Behaviour, Receiver, Running, World, eventually, subscription};

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_hangs_fills_its_own_lane_only() {
    let world = World::new().await;
    let hanging = Receiver::start().await;
    hanging.script(|_, _| Behaviour::Hang);
    let mut config = world.config();
    let mut endpoint = world.endpoint("hanging", &hanging);
    (endpoint.concurrency, endpoint.queue) = (2, 3);
    config.endpoints.push(endpoint);
    config.subscriptions.push(subscription("other", "hanging"));
    // Fewer than the hanging one's backlog: what finds no place in its lane must hold no permit.
    config.notifier.permits = 8;
    let notifier = Running::start(config).await;
    let mut sent = Vec::new();
    for _ in 0..30 {
        sent.push(world.transfer().await);
    }
    for tx_no in &sent {
        eventually("the healthy one's", async || {
            let path = format!("/v1/notifications/{tx_no}?group=bank2");
            let (_, view) = notifier.get(&path).await;
            (view["notification"]["state"] == "delivered").then_some(())
        })
        .await;
    }
    assert_eq!(hanging.calls().len(), 2, "its concurrency");
    // What gets no turn is parked without an attempt, and more is received in its place.
    eventually("parks", async || {
        let mut parked = 0;
        for tx_no in &sent {
            let path = format!("/v1/notifications/{tx_no}?group=other");
            let (_, view) = notifier.get(&path).await;
            let view = &view["notification"];
            if view["parks"].as_u64().is_some_and(|parks| parks > 0) && view["attempts"] == 0 {
                parked += 1;
            }
        }
        (parked > 8).then_some(())
    })
    .await;
    notifier.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_posted_when_the_process_ends_has_used_no_rung() {
    let world = World::new().await;
    world.receiver.script(|_, _| Behaviour::Hang);
    let mut config = world.config();
    config.endpoints[0].concurrency = 1;
    let notifier = Running::start(config).await;
    let mut sent = Vec::new();
    for _ in 0..10 {
        sent.push(world.transfer().await);
    }
    eventually("one under way", async || {
        (world.receiver.calls().len() == 1).then_some(())
    })
    .await;
    eventually("all received", async || {
        let stats = world.broker.stats();
        (stats.invisible("bank2", "topic_txmsg") == 10).then_some(())
    })
    .await;
    notifier.kill().await;
    world.receiver.answer(200);
    let notifier = world.notifier().await;
    for tx_no in &sent {
        let view = notifier.until(*tx_no, "delivered").await;
        assert_eq!(view.attempts.len(), 1);
        assert_eq!(view.attempts[0].number, 1);
    }
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_soft_stop_gives_back_what_waits_and_finishes_what_rings() {
    let world = World::new().await;
    world
        .receiver
        .script(|_, _| Behaviour::After(std::time::Duration::from_secs(1), 200));
    let mut config = world.config();
    config.endpoints[0].concurrency = 1;
    let notifier = Running::start(config).await;
    let mut sent = Vec::new();
    for _ in 0..10 {
        sent.push(world.transfer().await);
    }
    eventually("one under way", async || {
        (!world.receiver.calls().is_empty()).then_some(())
    })
    .await;
    notifier.stop().await;
    let stats = world.broker.stats();
    let calls = world.receiver.calls().len();
    // Settled or given back: nothing waits for a lease to end.
    assert_eq!(stats.invisible("bank2", "topic_txmsg"), 0);
    assert_eq!(stats.ready("bank2", "topic_txmsg"), 10 - calls as u64);
    world.receiver.answer(200);
    let notifier = world.notifier().await;
    for tx_no in &sent {
        notifier.until(*tx_no, "delivered").await;
        assert_eq!(world.receiver.calls_of(*tx_no).len(), 1);
    }
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_is_slower_than_the_record_is_fresh_still_moves() {
    let world = World::new().await;
    let slow = std::time::Duration::from_millis(1_200);
    world
        .receiver
        .script(move |_, _| Behaviour::After(slow, 200));
    let mut config = world.config();
    config.endpoints[0].concurrency = 1;
    let notifier = Running::start(config).await;
    let mut sent = Vec::new();
    for _ in 0..4 {
        sent.push(world.transfer().await);
    }
    for tx_no in &sent {
        notifier.until(*tx_no, "delivered").await;
        assert_eq!(world.receiver.calls_of(*tx_no).len(), 1);
    }
    notifier.stop().await;
}
