//! Ordinary days: delivered, refused, repeated.

use std::time::Duration;

use notifier::Config;

use crate::support::{
    Behaviour, Proxy, Running, World, alarms, eventually, listen, reach, subscription,
};

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
    assert_eq!(view.ladder_ms, [1200, 1200], "the group's own policy");
    let verdicts: Vec<&str> = view.attempts.iter().map(|a| a.verdict.as_str()).collect();
    assert_eq!(verdicts, ["refused", "refused", "delivered"]);
    let calls = world.receiver.calls_of(tx_no);
    for pair in calls.windows(2) {
        let rung = pair[1].at - pair[0].at;
        assert!(rung >= Duration::from_millis(1_200), "early: {rung:?}");
        // At most 0.2 s late by itself; the rest is for a machine that has other work.
        assert!(rung <= Duration::from_millis(2_400), "late: {rung:?}");
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
    eventually("rung", async || {
        (!world.receiver.calls().is_empty()).then_some(())
    })
    .await;
    notifier.until(tx_no, "delivered").await;
    // The others come back after one lease and find it delivered.
    eventually("every copy acknowledged", async || {
        (world.left("bank2") == 0).then_some(())
    })
    .await;
    assert_eq!(world.receiver.calls_of(tx_no).len(), 1);
    notifier.stop().await;
}

/// A receiver that refuses each notification so often before it takes it, a proxy before the broker, and a
/// configuration that reaches the broker through it and climbs this ladder.
async fn refusing(times: usize, ladder: &str) -> (World, Proxy, Config) {
    let world = World::new().await;
    let proxy = Proxy::before(world.broker.address()).await;
    world
        .receiver
        .script(move |_, before| Behaviour::Answer(if before < times { 500 } else { 200 }));
    let mut config = world.config();
    config.broker = reach(&proxy.address());
    config.endpoints[0].ladder = Some(ladder.parse().unwrap());
    (world, proxy, config)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rung_longer_than_the_broker_hides_a_message_is_deferred_again_and_again() {
    let (world, proxy, mut config) = refusing(1, "10s").await;
    // In place of twelve hours.
    config.notifier.longest_deferral = Duration::from_secs(1);
    let notifier = Running::start(config).await;
    let tx_no = world.transfer().await;
    let view = notifier.until(tx_no, "delivered").await;
    assert_eq!((view.attempts.len(), view.notification.parks), (2, 0));
    let calls = world.receiver.calls_of(tx_no);
    let rung = calls[1].at - calls[0].at;
    assert!(rung >= Duration::from_secs(10), "early: {rung:?}");
    // A machine that is very slow may have renewed its lease, of ten seconds, meanwhile.
    let mut asked_ms = proxy.asked_to_hide_ms();
    asked_ms.retain(|ms| *ms != 10_000);
    assert!(asked_ms.iter().all(|ms| *ms == 1_000), "{asked_ms:?}");
    assert!(asked_ms.len() >= 4, "{asked_ms:?}");
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_would_give_back_too_late_is_not_given_to_it() {
    let (world, proxy, mut config) = refusing(2, "300ms,700ms").await;
    config.notifier.permits = 1024;
    let notifier = Running::start(config).await;
    let tx_no = world.transfer().await;
    let view = notifier.until(tx_no, "delivered").await;
    assert_eq!((view.attempts.len(), view.notification.parks), (3, 0));
    let calls = world.receiver.calls_of(tx_no);
    for (pair, rung_ms) in calls.windows(2).zip([300, 700]) {
        let rung = pair[1].at - pair[0].at;
        assert!(rung >= Duration::from_millis(rung_ms), "early: {rung:?}");
    }
    // A machine that is very slow may have renewed its lease, of ten seconds, meanwhile.
    let asked_ms = proxy.asked_to_hide_ms();
    assert!(asked_ms.iter().all(|ms| *ms == 10_000), "{asked_ms:?}");
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_late_is_asked_for_it_earlier_and_nothing_is_rung_early() {
    const LATE: Duration = Duration::from_millis(3_500);
    const RUNG: Duration = Duration::from_secs(6);
    // Two of its seconds are presumed.
    const UNKNOWN: Duration = Duration::from_millis(1_400);
    let (world, proxy, mut config) = refusing(2, "6s,6s").await;
    proxy.give_back_late(LATE);
    config.notifier.permits = 1024;
    let notifier = Running::start(config).await;
    let mut all = Vec::new();
    for _ in 0..12 {
        all.push(world.transfer().await);
    }
    let mut rungs = Vec::new();
    for tx_no in all {
        notifier.until(tx_no, "delivered").await;
        let calls = world.receiver.calls_of(tx_no);
        let apart: Vec<Duration> = calls.windows(2).map(|two| two[1].at - two[0].at).collect();
        rungs.push((apart[0], apart[1]));
    }
    let early = |(first, second): &(Duration, Duration)| *first < RUNG || *second < RUNG;
    assert!(!rungs.iter().any(early), "{rungs:?}");
    // What is known by the second rung is what the first one showed.
    let first = rungs.iter().map(|(first, _)| *first).min().unwrap();
    let second = rungs.iter().map(|(_, second)| *second).min().unwrap();
    assert!(first >= RUNG + UNKNOWN, "{rungs:?}");
    assert!(second < RUNG + UNKNOWN, "{rungs:?}");
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_lengthens_the_rung_of_its_message_and_pauses_the_whole_endpoint() {
    let world = World::new().await;
    let pause = Duration::from_secs(8);
    world.receiver.script(move |_, before| match before {
        0 => Behaviour::Later(429, pause),
        _ => Behaviour::Answer(200),
    });
    let mut config = world.config();
    config.endpoints[0].ladder = Some("1s,1s".parse().unwrap());
    let notifier = Running::start(config).await;
    let first = world.transfer().await;
    notifier.until(first, "waiting").await;
    // It has asked for no attempt at all, and this one it has not seen.
    let second = world.transfer().await;
    let parked = eventually("the second one parked", async || {
        let view = notifier.find(second).await?;
        (view.notification.parks > 0).then_some(view)
    });
    assert_eq!(parked.await.attempts.len(), 0, "no attempt, no rung");
    for tx_no in [first, second] {
        notifier.until(tx_no, "delivered").await;
    }
    let calls = world.receiver.calls();
    let began = calls[0].at;
    assert!(calls.iter().skip(1).all(|call| call.at - began >= pause));
    assert_eq!(
        world.receiver.calls_of(first).len(),
        2,
        "its attempt used its rung"
    );
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receivers_clock_that_is_minutes_off_is_told_and_shown() {
    listen();
    let world = World::new().await;
    let mut config = world.config();
    config.endpoints[0].id = "early".parse().unwrap();
    config.subscriptions = vec![subscription("bank2", "early")];
    let notifier = Running::start(config).await;
    let told = || {
        let skews = alarms("clock_skew");
        skews.into_iter().filter(|line| line.contains("early"))
    };
    let clock = async |ahead_s: i64| {
        world
            .receiver
            .script(move |_, _| Behaviour::Ahead(200, ahead_s));
        let tx_no = world.transfer().await;
        notifier.until(tx_no, "delivered").await;
        let (_, shown) = notifier.get("/v1/endpoints/early").await;
        shown["clock"]["ahead_s"].as_i64().unwrap()
    };
    // Whole seconds, and the moment that the answer takes: a minute is not reached by that.
    let near = clock(-30).await;
    assert!((-60..=-29).contains(&near), "{near}");
    assert_eq!(told().count(), 0);
    let far = clock(300).await;
    assert!((240..=300).contains(&far), "{far}");
    let skews: Vec<String> = told().collect();
    assert_eq!(skews.len(), 1, "{skews:?}");
    assert!(
        skews[0].contains("skew_s=2") || skews[0].contains("skew_s=300"),
        "{skews:?}"
    );
    notifier.stop().await;
}
