//! What is not over is put back, whatever it meets: a copy may be the only one.

use std::time::{Duration, Instant};

use notification::Envelope;
use rocketmq::Deferral;
use serde_json::json;
use tokio::sync::watch;

use crate::support::{
    Behaviour, Proxy, Receiver, Running, TOPIC, World, alarms, counted, envelope, eventually,
    listen, reach, subscription,
};

/// A row of the record, as if its notification had been seen before.
pub(crate) async fn on_record(world: &World, envelope: &Envelope, endpoint: &str, so: &str) {
    let text = format!(
        "INSERT INTO notification (group_name, tx_no, source, tail, endpoint_id, event_type, \
         business_key, state, generation, attempts, parks, seen, first_seen_ms, updated_ms) \
         VALUES ('bank2', '{}', 'bank1', '', '{endpoint}', 'transfer', 'k', 'waiting', 0, 0, 0, 1, 1, 1)",
        envelope.notification.tx_no,
    );
    let record = world.record().await;
    let mut db = record.write().await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(text))
        .execute(&mut *db)
        .await
        .unwrap();
    let so = format!(
        "UPDATE notification SET {so} WHERE tx_no = '{}'",
        envelope.notification.tx_no
    );
    sqlx::query(sqlx::AssertSqlSafe(so))
        .execute(&mut *db)
        .await
        .unwrap();
}

/// A copy for this endpoint.
fn to(endpoint: Option<&str>) -> Envelope {
    let mut envelope = envelope();
    envelope.notification.endpoint = endpoint.map(|id| id.parse().unwrap());
    envelope
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_not_final_is_put_back_and_never_acknowledged() {
    let world = World::new().await;
    let mut config = world.config();
    let refuses = Receiver::start().await;
    refuses.answer(500);
    world.receiver.script(|_, _| Behaviour::Hang);
    for id in ["paused", "disabled", "elsewhere"] {
        config.endpoints.push(world.endpoint(id, &world.receiver));
    }
    let mut refusing = world.endpoint("refuses", &refuses);
    refusing.ladder = Some("1h".parse().unwrap());
    config.endpoints.push(refusing);
    config.endpoints[0].timeout = Duration::from_secs(60);
    config.subscriptions = vec![subscription("bank2", "*")];
    let notifier = Running::start(config).await;
    for (id, word) in [("paused", "pause"), ("disabled", "disable")] {
        let path = format!("/v1/endpoints/{id}/{word}");
        let reason = json!({"reason": "a test"});
        notifier
            .told(reqwest::Method::POST, &path, reason, 200)
            .await;
    }

    // One that rings, and its twin.
    let ringing = to(Some("bank2"));
    world.send(&ringing).await;
    eventually("it rings", async || {
        (!world.receiver.calls().is_empty()).then_some(())
    })
    .await;
    world.send(&ringing).await;
    // One that is not due, and one of a generation that the record does not know.
    let (sleeping, mut ahead) = (to(Some("elsewhere")), to(Some("elsewhere")));
    let later_ms = service::clock::now_ms() + 3_600_000;
    on_record(
        &world,
        &sleeping,
        "elsewhere",
        &format!("next_due_ms = {later_ms}"),
    )
    .await;
    on_record(&world, &ahead, "elsewhere", "next_due_ms = 1").await;
    ahead.generation = 1;
    // And what has nowhere to go, or not now.
    let mut outside = to(Some("elsewhere"));
    outside.notification.notify_url = Some("http://127.0.0.1:9/".to_owned());
    let rest = [
        sleeping,
        ahead,
        outside,
        to(None),
        to(Some("nobody")),
        to(Some("paused")),
        to(Some("disabled")),
        to(Some("refuses")),
    ];
    for envelope in &rest {
        world.send(envelope).await;
    }

    // All but the one that rings are put back ...
    let put_back = async |kind: &str| {
        let beginning = format!(
            "ringback_settlements_total{{group=\"bank2\",topic=\"{TOPIC}\",kind=\"{kind}\""
        );
        counted(&notifier, &beginning).await
    };
    eventually("all are settled", async || {
        let settled = put_back("rest").await + put_back("next_rung").await + put_back("ack").await;
        (settled >= rest.len() as f64 + 1.0).then_some(())
    })
    .await;
    // ... and the broker has every one of them still.
    assert_eq!(world.left("bank2"), rest.len() as u64 + 2);
    assert!(put_back("ack").await < 0.5);
    assert_eq!(refuses.calls().len(), 1);
    assert_eq!(world.receiver.calls().len(), 1);
    notifier.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_that_a_kill_kept_quiet_is_told_by_the_copy_that_comes_back() {
    listen();
    let world = World::new().await;
    world.receiver.answer(422);
    let notifier = world.notifier().await;
    let envelope = envelope();
    let number = envelope.notification.tx_no.to_string();
    let told = || {
        let told = alarms("dead_letter_receiver");
        told.iter().filter(|line| line.contains(&number)).count()
    };
    world.send(&envelope).await;
    eventually("forwarded", async || {
        (world.dead() == 1 && world.left("bank2") == 0).then_some(())
    })
    .await;
    assert_eq!(told(), 1);
    // As if it had been killed between the record and its word.
    let record = world.record().await;
    sqlx::query("UPDATE dead_letter SET forwarded_ms = NULL")
        .execute(&mut *record.write().await.unwrap())
        .await
        .unwrap();
    world.send(&envelope).await;
    eventually("told again", async || (told() == 2).then_some(())).await;
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_of_what_is_dead_are_acknowledged_once_its_topic_has_it() {
    let world = World::new().await;
    world.receiver.answer(422);
    let notifier = world.notifier().await;
    let envelope = envelope();
    let tx_no = envelope.notification.tx_no;
    world.send(&envelope).await;
    notifier.until(tx_no, "dead").await;
    eventually("forwarded", async || {
        let (_, letter) = notifier.get(&format!("/v1/dead-letters/{tx_no}")).await;
        letter["forwarded_ms"].is_i64().then_some(())
    })
    .await;
    for _ in 0..5 {
        world.send(&envelope).await;
    }
    eventually("every copy acknowledged", async || {
        (world.left("bank2") == 0).then_some(())
    })
    .await;
    assert_eq!(world.dead(), 1, "not once for each copy");
    assert_eq!(world.receiver.calls().len(), 1);
    // As after a crash between the record and the topic: the next copy brings it there.
    let record = world.record().await;
    let mut db = record.write().await.unwrap();
    sqlx::query("UPDATE dead_letter SET forwarded_ms = NULL")
        .execute(&mut *db)
        .await
        .unwrap();
    drop(db);
    world.send(&envelope).await;
    eventually("forwarded by its copy", async || {
        (world.dead() == 2 && world.left("bank2") == 0).then_some(())
    })
    .await;
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_forwarded_or_acknowledged_before_it_is_on_record() {
    let world = World::new().await;
    world
        .receiver
        .script(|_, before| Behaviour::Answer(if before == 0 { 422 } else { 200 }));
    let notifier = world.notifier().await;
    let record = world.record().await;
    let lock = database::testing::HeldWrites::of(&record).await;
    let tx_no = world.transfer().await;
    eventually("rung, and the store is known to be away", async || {
        let (status, _) = notifier.get("/health/ready").await;
        (status == 503 && world.receiver.calls().len() == 1).then_some(())
    })
    .await;
    assert_eq!((world.dead(), world.left("bank2")), (0, 1));
    lock.let_go().await;
    notifier.until(tx_no, "dead").await;
    eventually("forwarded", async || {
        (world.dead() == 1 && world.left("bank2") == 0).then_some(())
    })
    .await;
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_lost_its_lease_before_its_turn_is_left_to_its_next_copy() {
    listen();
    let world = World::new().await;
    let proxy = Proxy::before(world.broker.address()).await;
    let mut config = world.config();
    config.broker = reach(&proxy.address());
    let (tell, told) = watch::channel(None);
    world
        .receiver
        .script(move |_, _| Behaviour::Told(told.clone()));
    let notifier = Running::start(config).await;
    // It is received and waits, because the record can't be read.
    let record = world.record().await;
    let rename = async |text: &'static str| {
        let mut db = record.write().await.unwrap();
        let statement = sqlx::raw_sql(text);
        sqlx::Executor::execute(&mut *db, statement).await.unwrap();
    };
    rename("ALTER TABLE notification RENAME TO notification_away").await;
    proxy.drop_renewal_answers();
    let tx_no = world.transfer().await;
    eventually("its lease lost", async || {
        let of = proxy.dropped_of();
        let lost = alarms("lease_lost");
        of.iter()
            .any(|id| lost.iter().any(|line| line.contains(id)))
            .then_some(())
    })
    .await;
    proxy.pass_everything();
    rename("ALTER TABLE notification_away RENAME TO notification").await;
    eventually("rung", async || {
        (!world.receiver.calls().is_empty()).then_some(())
    })
    .await;
    let received = counted(&notifier, "ringback_received_total{group=\"bank2\"").await;
    assert!(received > 1.5, "rung by the copy that was lost");
    tell.send(Some(200)).unwrap();
    let view = notifier.until(tx_no, "delivered").await;
    assert_eq!(view.attempts.len(), 1);
    assert_eq!(world.receiver.calls_of(tx_no).len(), 1);
    notifier.stop().await;
}

/// As many renewals as the client makes at a time at one endpoint.
const RENEWALS: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn with_little_of_its_lease_left_a_death_is_forwarded_only_after_a_renewal() {
    let world = World::new().await;
    let proxy = Proxy::before(world.broker.address()).await;
    let (tell, told) = watch::channel(None);
    let waits = told.clone();
    world
        .receiver
        .script(move |_, _| Behaviour::Told(waits.clone()));
    let mut config = world.config();
    config.broker = reach(&proxy.address());
    config.endpoints[0].timeout = Duration::from_secs(60);
    config.endpoints[0].concurrency = RENEWALS + 16;
    proxy.drop_renewal_answers();
    for _ in 0..RENEWALS + 16 {
        world.transfer().await;
    }
    let notifier = Running::start(config).await;
    eventually("all ring", async || {
        (world.receiver.calls().len() == RENEWALS + 16).then_some(())
    })
    .await;
    // Half of each lease is over: so many renewals hang, and the others' have no room.
    let all_ring = Instant::now();
    eventually("little is left of every lease", async || {
        let half = all_ring.elapsed() > Duration::from_millis(5_200);
        (half && proxy.dropped() >= RENEWALS).then_some(())
    })
    .await;
    tell.send(Some(422)).unwrap();
    eventually("all dead", async || {
        let open = notifier.letters().await.total_open;
        (open == RENEWALS as u64 + 16).then_some(())
    })
    .await;
    assert_eq!(world.dead(), 0, "none without knowing that it is ours");
    proxy.pass_everything();
    eventually("all forwarded", async || {
        (world.left("bank2") == 0).then_some(())
    })
    .await;
    assert_eq!(world.dead(), RENEWALS as u64 + 16, "each once");
    notifier.stop().await;
}

/// Receives for the group and gives back, so many times, each counted by the broker.
async fn hand_out(world: &World, times: u32) {
    let consumer = world.consumer().await;
    for _ in 0..times {
        for delivery in consumer.next().await.unwrap() {
            let counted = delivery.defer(Duration::ZERO, Deferral::CountsAttempt);
            counted.await.unwrap();
        }
    }
    consumer.stop();
    // What the last poll brought goes back too.
    while let Some(late) = consumer.next().await {
        for delivery in late {
            let back = delivery.defer(Duration::ZERO, Deferral::Suspended);
            back.await.unwrap();
        }
    }
    consumer.drained().await;
    consumer.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_delivered_far_more_often_than_attempted_dies_as_one_that_crashes_workers() {
    let world = World::new().await;
    let crashing = world.transfer().await;
    hand_out(&world, 3).await;
    let mut config = world.config();
    config.notifier.crashes_workers_after = 3;
    let notifier = Running::start(config).await;
    let view = notifier.until(crashing, "dead").await;
    assert_eq!(view.letters[0].reason.as_str(), "crashes_workers");
    assert_eq!(view.letters[0].class.as_str(), "pipeline");
    assert_eq!(world.receiver.calls().len(), 0, "it is rung no more");
    // An ordinary one is numbered by its attempts, whatever the broker has counted.
    notifier.stop().await;
    let often = world.transfer().await;
    hand_out(&world, 2).await;
    let notifier = world.notifier().await;
    let view = notifier.until(often, "delivered").await;
    assert_eq!(
        (view.notification.attempts, view.attempts[0].number),
        (1, 1)
    );
    assert!(view.attempts[0].delivery_attempt >= 2, "shown as it is");
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parks_that_go_on_grow_to_an_hour_and_end_after_a_week() {
    let world = World::new().await;
    let mut config = world.config();
    config.subscriptions = vec![subscription("bank2", "*")];
    let notifier = Running::start(config).await;
    let (long, too_long) = (to(Some("nobody")), to(Some("nobody")));
    on_record(
        &world,
        &long,
        "nobody",
        "parks = 5, parked_ms = 1000, next_due_ms = 1",
    )
    .await;
    let week_ms = 7 * 24 * 3_600_000;
    let over = format!("parks = 90, parked_ms = {week_ms}, next_due_ms = 1");
    on_record(&world, &too_long, "nobody", &over).await;
    let before_ms = service::clock::now_ms();
    world.send(&long).await;
    world.send(&too_long).await;
    let view = notifier
        .until_of("bank2", long.notification.tx_no, "parked again", |view| {
            view.notification.parks == 6
        })
        .await;
    let step_ms = view.notification.next_due_ms.unwrap() - before_ms;
    assert!(step_ms >= 3_600_000, "{step_ms}");
    let view = notifier.until(too_long.notification.tx_no, "dead").await;
    assert_eq!(view.letters[0].reason.as_str(), "parked_too_long");
    assert_eq!(view.letters[0].class.as_str(), "pipeline");
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_endpoints_at_one_url_have_each_a_lane_and_a_breaker_of_its_own() {
    let world = World::new().await;
    world.receiver.script(
        |call, _| match call.headers["ringback-event-type"].as_bytes() {
            b"slow" => Behaviour::Hang,
            _ => Behaviour::Answer(200),
        },
    );
    let mut config = world.config();
    config.endpoints = ["one", "other"]
        .map(|id| world.endpoint(id, &world.receiver))
        .to_vec();
    config.endpoints[0].concurrency = 2;
    config.endpoints[0].timeout = Duration::from_millis(200);
    config.subscriptions = vec![subscription("bank2", "*")];
    let notifier = Running::start(config).await;
    let mut slow = Vec::new();
    for _ in 0..30 {
        let mut envelope = to(Some("one"));
        envelope.notification.event_type = "slow".parse().unwrap();
        world.send(&envelope).await;
        slow.push(envelope.notification.tx_no);
    }
    eventually("the one's breaker opens", async || {
        let (_, shown) = notifier.get("/v1/endpoints/one").await;
        shown["lane"]["open_for_ms"].is_u64().then_some(())
    })
    .await;
    for _ in 0..10 {
        let envelope = to(Some("other"));
        world.send(&envelope).await;
        let view = notifier
            .until(envelope.notification.tx_no, "delivered")
            .await;
        assert_eq!((view.attempts.len(), view.notification.parks), (1, 0));
    }
    let (_, shown) = notifier.get("/v1/endpoints/other").await;
    assert!(shown["lane"]["open_for_ms"].is_null(), "{shown}");
    notifier.kill().await;
}
