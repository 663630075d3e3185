//! Which notifications go where: several groups, filters, messages that name their own endpoint or
//! URL.

use notification::{Envelope, EventType};
use serde_json::json;

use crate::support::{
    Receiver, Running, World, alarms, envelope, eventually, listen, subscription,
};

#[tokio::test(flavor = "multi_thread")]
async fn two_groups_on_one_topic_deliver_to_two_endpoints_with_records_of_their_own() {
    let world = World::new().await;
    let elsewhere = Receiver::start().await;
    elsewhere
        .script(|_, before| crate::support::Behaviour::Answer(if before < 1 { 500 } else { 200 }));
    let mut config = world.config();
    config.endpoints.push(world.endpoint("points", &elsewhere));
    config.subscriptions.push(subscription("other", "points"));
    let notifier = Running::start(config).await;
    let tx_no = world.transfer().await;
    let delivered = |group: &'static str| {
        notifier.until_of(group, tx_no, "delivered", |view| {
            view.notification.state.as_str() == "delivered"
        })
    };
    let (one, other) = (delivered("bank2").await, delivered("other").await);
    let of = |view: &notification::api::notifier::NotificationView| {
        (view.notification.endpoint.to_string(), view.attempts.len())
    };
    assert_eq!(of(&one), ("bank2".to_owned(), 1));
    assert_eq!(of(&other), ("points".to_owned(), 2));
    assert_eq!(world.receiver.calls_of(tx_no).len(), 1);
    assert_eq!(elsewhere.calls_of(tx_no).len(), 2);
    notifier.stop().await;
}

fn of_type(event_type: &str) -> Envelope {
    let mut envelope = envelope();
    envelope.notification.event_type = EventType::new(event_type).unwrap();
    envelope
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_filter_leaves_out_is_skipped_on_record_and_acknowledged() {
    let world = World::new().await;
    let mut config = world.config();
    let filter = json!({"event_types": ["transfer.*", "refund"], "tags": ["transfer.made", "refund"],
        "properties": {"rb-source": ["bank1"]}});
    config.subscriptions[0].filter = serde_json::from_value(filter).unwrap();
    let notifier = Running::start(config).await;
    let mut ends: Vec<(Envelope, &str)> = Vec::new();
    for (event_type, end) in [
        ("transfer.made", "delivered"),
        ("transfer.undone", "skipped"),
        ("refund", "delivered"),
        ("refunded", "skipped"),
    ] {
        ends.push((of_type(event_type), end));
    }
    for (envelope, _) in &ends {
        world.send(envelope).await;
    }
    for (envelope, end) in &ends {
        let tx_no = envelope.notification.tx_no;
        let view = notifier.until(tx_no, end).await;
        let rung = usize::from(*end == "delivered");
        assert_eq!(view.attempts.len(), rung);
        assert_eq!(world.receiver.calls_of(tx_no).len(), rung);
    }
    eventually("every message acknowledged", async || {
        (world.left("bank2") == 0).then_some(())
    })
    .await;
    let skipped = ends[1].0.notification.tx_no;
    let kinds = eventually("the feed", async || {
        let page = notifier.outcomes().await;
        let of = page.outcomes.iter().filter(|line| line.tx_no == skipped);
        let kinds: Vec<&str> = of.map(|line| line.kind.as_str()).collect();
        (!kinds.is_empty()).then(|| format!("{kinds:?}"))
    })
    .await;
    assert_eq!(kinds, "[\"skipped\"]");
    // A copy of it is acknowledged by what is on record.
    world.send(&ends[1].0).await;
    eventually("the copy acknowledged", async || {
        (world.left("bank2") == 0).then_some(())
    })
    .await;
    assert_eq!(world.receiver.calls_of(skipped).len(), 0);
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_may_name_its_own_endpoint_and_who_must_and_does_not_is_parked() {
    listen();
    let world = World::new().await;
    let elsewhere = Receiver::start().await;
    let mut config = world.config();
    config.endpoints.push(world.endpoint("m1", &elsewhere));
    config.subscriptions = vec![subscription("bank2", "*")];
    let notifier = Running::start(config).await;
    let to = |id: Option<&str>| {
        let mut envelope = envelope();
        envelope.notification.endpoint = id.map(|id| id.parse().unwrap());
        envelope
    };
    for (id, receiver) in [("bank2", &world.receiver), ("m1", &elsewhere)] {
        let envelope = to(Some(id));
        world.send(&envelope).await;
        let tx_no = envelope.notification.tx_no;
        let view = notifier.until(tx_no, "delivered").await;
        assert_eq!(view.notification.endpoint.as_str(), id);
        assert_eq!(receiver.calls_of(tx_no).len(), 1);
    }
    let nobody = to(None);
    world.send(&nobody).await;
    let tx_no = nobody.notification.tx_no;
    let view = notifier.until_of("bank2", tx_no, "parked", |_| true).await;
    assert_eq!(
        (view.notification.parks, view.notification.endpoint.as_str()),
        (1, "-")
    );
    assert!(!alarms("no_endpoint_named").is_empty());
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resend_names_the_endpoint_that_its_message_named() {
    let world = World::new().await;
    world.receiver.answer(422);
    let mut config = world.config();
    config.subscriptions = vec![subscription("bank2", "*")];
    let notifier = Running::start(config).await;
    let mut envelope = envelope();
    envelope.notification.endpoint = Some("bank2".parse().unwrap());
    world.send(&envelope).await;
    let tx_no = envelope.notification.tx_no;
    notifier.until(tx_no, "dead").await;
    world.receiver.answer(200);
    let path = format!("/v1/dead-letters/{tx_no}/resend");
    notifier
        .told(reqwest::Method::POST, &path, json!({"anyway": true}), 202)
        .await;
    let view = notifier.until(tx_no, "delivered").await;
    assert_eq!(view.notification.generation, 1);
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_messages_url_is_rung_within_the_endpoints_pattern_and_nowhere_else() {
    listen();
    let world = World::new().await;
    let base = world.receiver.base();
    let mut config = world.config();
    let pattern = format!("{base}/hooks/*");
    config.endpoints[0].notify_url_pattern = Some(pattern.parse().unwrap());
    let notifier = Running::start(config).await;
    let to = |url: String| {
        let mut envelope = envelope();
        envelope.notification.notify_url = Some(url);
        envelope
    };
    let inside = to(format!("{base}/hooks/4711"));
    world.send(&inside).await;
    let tx_no = inside.notification.tx_no;
    let view = notifier.until(tx_no, "delivered").await;
    assert_eq!(view.attempts[0].url, format!("{base}/hooks/4711"));
    assert_eq!(world.receiver.calls_of(tx_no)[0].path, "/hooks/4711");
    let stranger = Receiver::start().await;
    for url in [
        format!("{base}/notifications"),
        format!("{base}/hooks/../notifications"),
        format!("{}/hooks/1", stranger.base()),
    ] {
        let outside = to(url);
        world.send(&outside).await;
        let tx_no = outside.notification.tx_no;
        let view = notifier.until_of("bank2", tx_no, "parked", |_| true).await;
        assert_eq!((view.notification.parks, view.attempts.len()), (1, 0));
    }
    assert_eq!(stranger.calls().len(), 0);
    assert_eq!(world.receiver.calls().len(), 1);
    assert!(!alarms("notify_url_outside").is_empty());
    notifier.stop().await;
}
