//! The record store away for real: somebody else holds its write lock.

use std::time::Duration;

use database::testing::HeldWrites;

use crate::support::{Apart, Behaviour, Proxy, Running, World, counted, eventually, reach};

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

/// How often every lease is renewed while the store is away. In an hour it is 720 times, and nothing
/// else happens in it.
const RENEWED: usize = 4;

#[tokio::test]
async fn a_store_that_stays_away_costs_a_bounded_buffer_and_one_alarm_and_is_taken_up_again() {
    let heard = Apart::listen();
    let world = World::new().await;
    let proxy = Proxy::before(world.broker.address()).await;
    let mut config = world.config();
    config.broker = reach(&proxy.address());
    config.notifier.permits = PERMITS;
    config.endpoints[0].concurrency = 4;
    let notifier = Running::start(config).await;
    let record = world.record().await;
    let lock = HeldWrites::of(&record).await;
    let mut sent = Vec::new();
    for _ in 0..2 * PERMITS {
        sent.push(world.transfer().await);
    }
    eventually("every permit's message rung", async || {
        (world.receiver.calls().len() == PERMITS).then_some(())
    })
    .await;
    for round in 1..=RENEWED {
        // Fresh traffic keeps coming, and the leases of what is held are kept.
        for _ in 0..4 {
            sent.push(world.transfer().await);
        }
        eventually("all leases renewed", async || {
            (proxy.asked_to_hide_ms().len() >= round * PERMITS).then_some(())
        })
        .await;
        assert_eq!(world.receiver.calls().len(), PERMITS, "no more is taken on");
        let buffered = counted(&notifier, "ringback_record_waiting ").await;
        assert!(buffered <= PERMITS as f64, "{buffered} results wait");
        let held = counted(&notifier, "ringback_permits_in_use{").await;
        assert!(
            (held - PERMITS as f64).abs() < 0.5,
            "{held} messages are held"
        );
        assert!(counted(&notifier, "ringback_record_up ").await < 0.5);
    }
    let told = |event| heard.told(event);
    assert_eq!((told("record_store_down"), told("record_store_up")), (1, 0));
    // It comes back, and nobody has to restart anything.
    lock.let_go().await;
    for tx_no in &sent {
        let view = notifier.until(*tx_no, "delivered").await;
        assert_eq!(view.attempts.len(), 1);
        assert_eq!(world.receiver.calls_of(*tx_no).len(), 1, "rung once");
    }
    eventually("all acknowledged", async || {
        (world.left("bank2") == 0).then_some(())
    })
    .await;
    assert_eq!((told("record_store_down"), told("record_store_up")), (1, 1));
    notifier.stop().await;
}
