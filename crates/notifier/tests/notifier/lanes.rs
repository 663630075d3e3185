//! Lanes: a receiver that hangs slows nobody else, and waiting uses no rung.

use std::time::{Duration, Instant};

use notifier::{BreakerConfig, BreakerRule};
use sqlx::Row as _;

use crate::put_back::on_record;
use crate::support::{
    Behaviour, PATIENCE, Receiver, Running, World, envelope, eventually, subscription, within,
};

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
        .script(|_, _| Behaviour::After(Duration::from_secs(1), 200));
    let mut config = world.config();
    config.endpoints[0].concurrency = 1;
    let notifier = Running::start(config).await;
    let mut sent = Vec::new();
    // So few that the lane, at one a second, parks none.
    for _ in 0..4 {
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
    assert_eq!(stats.ready("bank2", "topic_txmsg"), 4 - calls as u64);
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
    let slow = Duration::from_millis(1_200);
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

#[tokio::test(flavor = "multi_thread")]
async fn what_the_record_learned_while_a_copy_waited_decides_when_it_leaves_the_lane() {
    let world = World::new().await;
    world
        .receiver
        .script(|_, before| Behaviour::Answer(if before == 0 { 500 } else { 200 }));
    let mut config = world.config();
    config.endpoints[0].concurrency = 1;
    let notifier = Running::start(config).await;
    let waiting = world.transfer().await;
    let due_ms = eventually("its first attempt", async || {
        notifier.find(waiting).await?.notification.next_due_ms
    })
    .await;
    // Somebody else holds the only turn when it comes back.
    let thought = Duration::from_secs(4);
    world
        .receiver
        .script(move |_, _| Behaviour::After(thought, 200));
    let ringing = world.transfer().await;
    eventually("the turn taken", async || {
        (!world.receiver.calls_of(ringing).is_empty()).then_some(())
    })
    .await;
    // Back at its time, it stands behind that.
    eventually("it is in the lane", async || {
        (service::clock::now_ms() > due_ms + 1_000).then_some(())
    })
    .await;
    // Meanwhile another process delivers it.
    let record = world.record().await;
    let mut db = record.write().await.unwrap();
    sqlx::query("UPDATE notification SET state = 'delivered', next_due_ms = NULL WHERE tx_no = ?")
        .bind(waiting.to_string())
        .execute(&mut *db)
        .await
        .unwrap();
    drop(db);
    notifier.until(ringing, "delivered").await;
    eventually("both acknowledged", async || {
        (world.left("bank2") == 0).then_some(())
    })
    .await;
    assert_eq!(world.receiver.calls_of(waiting).len(), 1, "not rung again");
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_groups_that_name_one_endpoint_share_its_lane() {
    let world = World::new().await;
    world.receiver.script(|_, _| Behaviour::Hang);
    let mut config = world.config();
    config.subscriptions.push(subscription("other", "bank2"));
    config.endpoints[0].concurrency = 1;
    let notifier = Running::start(config).await;
    world.transfer().await;
    eventually("both groups have it", async || {
        let stats = world.broker.stats();
        let held = |group| stats.invisible(group, "topic_txmsg") == 1;
        (held("bank2") && held("other")).then_some(())
    })
    .await;
    eventually("one is under way", async || {
        (!world.receiver.calls().is_empty()).then_some(())
    })
    .await;
    // The other one finds no turn, and is parked for want of it.
    eventually("the other one parked", async || {
        for group in ["bank2", "other"] {
            let (_, page) = notifier.get("/v1/outcomes?source=bank1").await;
            let said = page["outcomes"].as_array()?;
            if said
                .iter()
                .any(|line| line["group"] == group && line["kind"] == "accepted")
            {
                return Some(());
            }
        }
        None
    })
    .await;
    assert_eq!(world.receiver.calls().len(), 1, "its concurrency is one");
    notifier.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_early_to_a_closed_lane_is_not_rung_before_it_is_due() {
    const RUNG: Duration = Duration::from_secs(6);
    // The broker is asked for it two seconds before it is due, and the probe is made before that.
    const SHUT: Duration = Duration::from_millis(4_500);
    let world = World::new().await;
    world
        .receiver
        .script(|_, before| Behaviour::Answer(if before == 0 { 500 } else { 200 }));
    let mut config = world.config();
    config.notifier.permits = 1024;
    config.endpoints[0].ladder = Some("6s".parse().unwrap());
    config.endpoints[0].breaker = BreakerConfig::On(BreakerRule {
        failures: 2,
        first: SHUT,
        longest: SHUT,
    });
    let notifier = Running::start(config).await;
    let both = [world.transfer().await, world.transfer().await];
    for tx_no in both {
        notifier.until(tx_no, "delivered").await;
        let calls = world.receiver.calls_of(tx_no);
        let rung = calls[1].at - calls[0].at;
        assert!(rung >= RUNG, "early: {rung:?}");
    }
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_closed_lane_keeps_out_is_put_away_only_if_its_record_says_that_it_waits() {
    let world = World::new().await;
    let mut config = world.config();
    let long = Duration::from_secs(300);
    let endpoint = &mut config.endpoints[0];
    endpoint.timeout = Duration::from_millis(200);
    endpoint.breaker = BreakerConfig::On(BreakerRule {
        failures: 10,
        first: long,
        longest: long,
    });
    let notifier = Running::start(config).await;
    let delivered = envelope();
    let tx_no = delivered.notification.tx_no;
    world.send(&delivered).await;
    notifier.until(tx_no, "delivered").await;
    world.receiver.script(|_, _| Behaviour::Hang);
    let mut waiting = Vec::new();
    // Of several one after another, the last finds the lane closed.
    let last = loop {
        let sent = world.transfer().await;
        waiting.push(sent);
        let view = eventually("on record", async || notifier.find(sent).await).await;
        if view.notification.parks > 0 {
            break view.notification;
        }
        assert!(waiting.len() < 20, "the breaker opens");
    };
    assert_eq!(last.attempts, 0, "it was kept out unrung");
    for _ in 0..3 {
        world.send(&delivered).await;
    }
    eventually("copies of what is delivered are acknowledged", async || {
        (world.left("bank2") == waiting.len() as u64).then_some(())
    })
    .await;
    let view = notifier.find(tx_no).await.unwrap();
    assert_eq!((view.attempts.len(), view.notification.parks), (1, 0));
    // One whose record says that it has waited for too long dies, with all that it said.
    let too_long = envelope();
    let week_ms = 7 * 24 * 3_600_000;
    let over = format!("parks = 90, parked_ms = {week_ms}, next_due_ms = 1");
    on_record(&world, &too_long, "bank2", &over).await;
    world.send(&too_long).await;
    let view = notifier.until(too_long.notification.tx_no, "dead").await;
    assert_eq!(view.letters[0].reason.as_str(), "parked_too_long");
    let record = world.record().await;
    let mut db = record.read().await.unwrap();
    let letter = sqlx::query("SELECT body FROM dead_letter WHERE tx_no = ?")
        .bind(too_long.notification.tx_no.to_string());
    let body: Vec<u8> = letter.fetch_one(&mut *db).await.unwrap().get("body");
    assert_eq!(body, too_long.notification.body);
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_does_not_answer_is_left_alone_and_its_messages_use_no_rung() {
    let world = World::new().await;
    world.receiver.script(|_, _| Behaviour::Hang);
    let mut config = world.config();
    let between = Duration::from_secs(2);
    let endpoint = &mut config.endpoints[0];
    endpoint.timeout = Duration::from_millis(200);
    // Two attempts without an answer.
    endpoint.breaker = BreakerConfig::On(BreakerRule {
        failures: 10,
        first: between,
        longest: between,
    });
    let notifier = Running::start(config).await;
    let began = Instant::now();
    let mut all = vec![world.transfer().await, world.transfer().await];
    eventually("two attempts", async || {
        (world.receiver.calls().len() == 2).then_some(())
    })
    .await;
    for tx_no in &all {
        eventually("on record", async || {
            let view = notifier.find(*tx_no).await?;
            (view.notification.attempts == 1).then_some(())
        })
        .await;
    }
    for _ in 0..20 {
        all.push(world.transfer().await);
    }
    let mut kept_out = 0;
    for tx_no in &all {
        let view = eventually("on record", async || notifier.find(*tx_no).await).await;
        if view.notification.parks > 0 && view.notification.attempts == 0 {
            kept_out += 1;
        }
    }
    assert!(kept_out >= 15, "{kept_out} of twenty have used no rung");
    // Whatever was made since was a probe, one at a time.
    let probes = world.receiver.calls().len() - 2;
    let most = began.elapsed().as_secs() / between.as_secs() + 1;
    assert!(probes as u64 <= most, "{probes} probes");
    world.receiver.answer(200);
    for tx_no in &all {
        notifier.until(*tx_no, "delivered").await;
    }
    notifier.stop().await;
}

/// One group, whose messages name their endpoints: one hangs, five are healthy.
#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole_in_a_group_takes_neither_its_permits_nor_its_time() {
    let world = World::new().await;
    let hole = Receiver::start().await;
    hole.script(|_, _| Behaviour::Hang);
    let mut config = world.config();
    config.notifier.permits = 64;
    let mut black = world.endpoint("hole", &hole);
    (black.concurrency, black.timeout) = (4, Duration::from_secs(2));
    config.endpoints = vec![black];
    let healthy = ["m1", "m2", "m3", "m4", "m5"];
    for id in healthy {
        config.endpoints.push(world.endpoint(id, &world.receiver));
    }
    config.subscriptions = vec![subscription("bank2", "*")];
    let notifier = Running::start(config).await;
    let to = |id: &str| {
        let mut envelope = envelope();
        envelope.notification.endpoint = Some(id.parse().unwrap());
        envelope
    };
    let began = Instant::now();
    // Ten times as many as there are permits, before and among the others.
    let (mut swallowed, mut sent) = (Vec::new(), Vec::new());
    for n in 0..640 {
        let envelope = to("hole");
        world.send(&envelope).await;
        swallowed.push(envelope.notification.tx_no);
        if n % 8 == 0 {
            let envelope = to(healthy[n / 8 % 5]);
            world.send(&envelope).await;
            sent.push(envelope.notification.tx_no);
        }
    }
    for tx_no in &sent {
        let view = notifier.until(*tx_no, "delivered").await;
        assert_eq!((view.attempts.len(), view.notification.parks), (1, 0));
    }
    // Ten attempts without an answer open the breaker; what it keeps out has used no rung.
    let mut unrung = 0;
    for tx_no in &swallowed {
        let view = eventually("on record", async || notifier.find(*tx_no).await).await;
        unrung += usize::from(view.notification.attempts == 0);
    }
    assert!(unrung >= 600, "{unrung}");
    assert!(hole.calls().len() <= 40, "{} calls", hole.calls().len());
    // It is repaired: all that was parked is delivered. What an outage put away is back within about as long again.
    hole.answer(200);
    let patience = PATIENCE + 3 * began.elapsed();
    for tx_no in &swallowed {
        within(patience, "all that was parked is delivered", async || {
            let view = notifier.find(*tx_no).await?;
            (view.notification.state.as_str() == "delivered").then_some(())
        })
        .await;
    }
    notifier.stop().await;
}
