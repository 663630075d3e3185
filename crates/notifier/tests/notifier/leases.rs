//! Leases that are lost while a receiver thinks: what was done is recorded, the broker is told
//! nothing, and what comes back is decided by the record.

use std::time::Duration;

use notification::NotificationState;

use crate::support::{Behaviour, Proxy, Running, World, counted, eventually, reach};

/// Longer than the lease of ten seconds, shorter than two.
const LONG_THOUGHT: Duration = Duration::from_secs(13);

/// A notifier behind the proxy, patient with its receiver.
async fn behind(world: &World, proxy: &Proxy) -> Running {
    let mut config = world.config();
    config.broker = reach(&proxy.address());
    config.endpoints[0].timeout = Duration::from_secs(60);
    Running::start(config).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_comes_after_its_lease_was_lost_overwrites_no_delivery() {
    let world = World::new().await;
    let proxy = Proxy::before(world.broker.address()).await;
    proxy.drop_renewal_answers();
    world.receiver.script(|_, before| match before {
        0 => Behaviour::After(LONG_THOUGHT, 500),
        _ => Behaviour::Answer(200),
    });
    let slow = behind(&world, &proxy).await;
    let tx_no = world.transfer().await;
    eventually("the first POST", async || {
        (!world.receiver.calls().is_empty()).then_some(())
    })
    .await;
    // Another process takes what the first has lost.
    let mut config = world.config();
    config.endpoints[0].timeout = Duration::from_secs(60);
    let quick = Running::start(config).await;
    quick.until(tx_no, "delivered").await;
    let both = eventually("the late failure on record", async || {
        let view = quick.find(tx_no).await?;
        (view.attempts.len() == 2).then_some(view)
    });
    let both = both.await;
    assert_eq!(both.notification.state, NotificationState::Delivered);
    let mut verdicts: Vec<&str> = both.attempts.iter().map(|a| a.verdict.as_str()).collect();
    verdicts.sort_unstable();
    assert_eq!(verdicts, ["delivered", "refused"]);
    assert!(proxy.dropped() >= 1, "a renewal's answer was lost");
    assert_eq!(world.receiver.calls_of(tx_no).len(), 2);
    assert_eq!(world.dead(), 0);
    proxy.pass_everything();
    quick.stop().await;
    slow.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_unanswered_renewal_a_death_is_recorded_now_and_forwarded_later() {
    let world = World::new().await;
    let proxy = Proxy::before(world.broker.address()).await;
    proxy.drop_renewal_answers();
    world
        .receiver
        .script(|_, _| Behaviour::After(LONG_THOUGHT, 422));
    let notifier = behind(&world, &proxy).await;
    let tx_no = world.transfer().await;
    let path = format!("/v1/dead-letters/{tx_no}");
    notifier.until(tx_no, "dead").await;
    let (_, letter) = notifier.get(&path).await;
    assert!(letter["forwarded_ms"].is_null(), "not without a lease");
    assert_eq!(world.dead(), 0);
    assert!(proxy.dropped() >= 1, "a renewal's answer was lost");
    proxy.pass_everything();
    // The message comes back by itself, and the record says what is left to do.
    eventually("forwarded", async || {
        let (_, letter) = notifier.get(&path).await;
        letter["forwarded_ms"].is_i64().then_some(())
    })
    .await;
    let received = counted(&notifier, "ringback_received_total{group=\"bank2\"").await;
    assert!(received > 1.5, "forwarded by the copy that was lost");
    assert_eq!((world.dead(), world.left("bank2")), (1, 0));
    assert_eq!(world.receiver.calls_of(tx_no).len(), 1, "rung once");
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_thinks_longer_than_a_lease_is_rung_once() {
    let world = World::new().await;
    world
        .receiver
        .script(|_, _| Behaviour::After(LONG_THOUGHT, 200));
    let mut config = world.config();
    config.endpoints[0].timeout = Duration::from_secs(60);
    let notifier = Running::start(config).await;
    let tx_no = world.transfer().await;
    let view = notifier.until(tx_no, "delivered").await;
    assert_eq!(view.attempts.len(), 1);
    assert_eq!(world.receiver.calls_of(tx_no).len(), 1);
    notifier.stop().await;
}
