//! The record store away for real: somebody else holds its write lock.

use std::time::Duration;

use database::testing::HeldWrites;

use crate::support::{Behaviour, Running, World, eventually};

const PERMITS: usize = 16;

#[tokio::test(flavor = "multi_thread")]
async fn with_the_record_store_down_receiving_stops_and_nothing_is_lost_or_rung_twice() {
    let world = World::new().await;
    let mut config = world.config();
    config.notifier.permits = PERMITS;
    config.endpoints[0].concurrency = 4;
    let notifier = Running::start(config).await;
    // The tables are there; from now on nobody else can write.
    let record = world.record().await;
    let lock = HeldWrites::of(&record).await;
    let mut sent = Vec::new();
    for _ in 0..3 * PERMITS {
        sent.push(world.transfer().await);
    }
    eventually("every permit's message rung", async || {
        (world.receiver.calls().len() == PERMITS).then_some(())
    })
    .await;
    let (status, reasons) = eventually("not ready", async || {
        let (status, body) = notifier.get("/health/ready").await;
        (status == 503).then_some((status, body["reasons"].to_string()))
    })
    .await;
    assert!(reasons.contains("record store"), "{status} {reasons}");
    // Bounded: however long it lasts, beyond one renewal here, no further message is taken.
    let hold = std::time::Instant::now();
    eventually("beyond a renewal", async || {
        assert_eq!(world.receiver.calls().len(), PERMITS);
        (hold.elapsed() > Duration::from_secs(7)).then_some(())
    })
    .await;
    lock.let_go().await;
    for tx_no in &sent {
        notifier.until(*tx_no, "delivered").await;
    }
    for tx_no in &sent {
        assert_eq!(world.receiver.calls_of(*tx_no).len(), 1, "rung once");
    }
    eventually("ready again", async || {
        let (status, _) = notifier.get("/health/ready").await;
        (status == 200).then_some(())
    })
    .await;
    eventually("all acknowledged", async || {
        (world.left("bank2") == 0).then_some(())
    })
    .await;
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_with_unrecorded_results_repeats_them_and_loses_none() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    let record = world.record().await;
    let lock = HeldWrites::of(&record).await;
    let tx_no = world.transfer().await;
    eventually("rung", async || {
        (!world.receiver.calls().is_empty()).then_some(())
    })
    .await;
    notifier.kill().await;
    lock.let_go().await;
    world.receiver.script(|_, _| Behaviour::Answer(200));
    let notifier = world.notifier().await;
    let view = notifier.until(tx_no, "delivered").await;
    assert_eq!(
        view.notification.attempts, 1,
        "what is not on record used no rung"
    );
    assert_eq!(world.receiver.calls_of(tx_no).len(), 2);
    notifier.stop().await;
}
