//! Ordinary days: delivered, refused, repeated.

use std::time::Duration;

use crate::support::{Behaviour, World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_is_delivered_and_acknowledged() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    let tx_no = world.transfer().await;
    let view = notifier.until(tx_no, "delivered").await;
    assert_eq!(view.notification.attempts, 1);
    assert_eq!(view.attempts[0].status, Some(200));
    assert_eq!(view.attempts[0].excerpt.as_deref(), Some("answer number 0"));
    let calls = world.receiver.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(&calls[0].body[..], b"{\"amount_fen\":1000}");
    eventually("the acknowledgement", async || {
        (world.left("bank2") == 0).then_some(())
    })
    .await;
    let feed = eventually("the feed", async || {
        let page = notifier.outcomes().await;
        (page.outcomes.len() == 2).then_some(page)
    });
    let feed = feed.await;
    let kinds: Vec<&str> = feed.outcomes.iter().map(|o| o.kind.as_str()).collect();
    assert_eq!(kinds, ["accepted", "delivered"]);
    assert!(feed.at_end);
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_rung_is_early_and_each_attempt_uses_one() {
    let world = World::new().await;
    world
        .receiver
        .script(|_, before| Behaviour::Answer(if before < 2 { 500 } else { 200 }));
    let notifier = world.notifier().await;
    let tx_no = world.transfer().await;
    let view = notifier.until(tx_no, "delivered").await;
    assert_eq!(view.ladder_ms, [1000, 1000], "the group's own policy");
    let verdicts: Vec<&str> = view.attempts.iter().map(|a| a.verdict.as_str()).collect();
    assert_eq!(verdicts, ["refused", "refused", "delivered"]);
    let calls = world.receiver.calls_of(tx_no);
    for pair in calls.windows(2) {
        let rung = pair[1].at - pair[0].at;
        assert!(rung >= Duration::from_secs(1), "early: {rung:?}");
        // At most 0.2 s late by itself; the rest is for a machine that has other work.
        assert!(rung <= Duration::from_millis(2_200), "late: {rung:?}");
    }
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_of_what_is_delivered_ring_nobody() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    let envelope = crate::support::envelope();
    let tx_no = envelope.notification.tx_no;
    world.send(&envelope).await;
    notifier.until(tx_no, "delivered").await;
    for _ in 0..20 {
        world.send(&envelope).await;
    }
    eventually("every copy acknowledged", async || {
        (world.left("bank2") == 0).then_some(())
    })
    .await;
    assert_eq!(world.receiver.calls_of(tx_no).len(), 1);
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_copies_at_once_one_rings_and_the_other_waits_for_its_record() {
    let world = World::new().await;
    let thought = Duration::from_secs(2);
    world
        .receiver
        .script(move |_, _| Behaviour::After(thought, 200));
    let notifier = world.notifier().await;
    let envelope = crate::support::envelope();
    let tx_no = envelope.notification.tx_no;
    for _ in 0..5 {
        world.send(&envelope).await;
    }
    notifier.until(tx_no, "delivered").await;
    // The others come back after one lease and find it delivered.
    eventually("every copy acknowledged", async || {
        (world.left("bank2") == 0).then_some(())
    })
    .await;
    assert_eq!(world.receiver.calls_of(tx_no).len(), 1);
    notifier.stop().await;
}
