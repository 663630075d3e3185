//! Endpoints that are paused, disabled, gone or unknown: what becomes of their messages.

use std::time::{Duration, Instant};

use notification::api::notifier::NotificationView;
use reqwest::Method;
use serde_json::json;

use crate::support::{Behaviour, Running, World, alarms, eventually, listen, subscription};

async fn say(notifier: &Running, id: &str, word: &str, status: u16) -> serde_json::Value {
    let path = format!("/v1/endpoints/{id}/{word}");
    let reason = json!({"reason": format!("a test wants it: {word}")});
    notifier.told(Method::POST, &path, reason, status).await
}

fn untouched(view: &NotificationView) -> bool {
    view.notification.attempts == 0 && view.notification.parks == 0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_holds_everything_on_every_replica_and_counts_nothing() {
    let world = World::new().await;
    let (one, other) = (world.notifier().await, world.notifier().await);
    // What sleeps on the ladder is held like what is new.
    world.receiver.answer(503);
    let sleeper = world.transfer().await;
    one.until_of("bank2", sleeper, "asleep", |view| view.attempts.len() == 1)
        .await;
    say(&one, "bank2", "pause", 200).await;
    // By then it is known everywhere.
    let paused = Instant::now();
    eventually("two seconds", async || {
        (paused.elapsed() >= Duration::from_secs(2)).then_some(())
    })
    .await;
    let before = world.receiver.calls_of(sleeper).len();
    world.receiver.answer(200);
    let mut sent = Vec::new();
    for _ in 0..8 {
        sent.push(world.transfer().await);
    }
    for tx_no in &sent {
        let view = one.until_of("bank2", *tx_no, "on record", |_| true).await;
        assert!(untouched(&view), "{view:?}");
        assert_eq!(view.notification.state.as_str(), "waiting");
    }
    // Two looks later nothing has been rung or counted.
    eventually("a look at what is held", async || {
        (paused.elapsed() >= Duration::from_secs(14)).then_some(())
    })
    .await;
    for tx_no in &sent {
        assert_eq!(world.receiver.calls_of(*tx_no).len(), 0);
        assert!(untouched(&one.find(*tx_no).await.unwrap()));
    }
    assert_eq!(world.receiver.calls_of(sleeper).len(), before);
    let resumed = Instant::now();
    say(&other, "bank2", "resume", 200).await;
    for tx_no in sent.iter().chain([&sleeper]) {
        other.until(*tx_no, "delivered").await;
    }
    // Held for as long as the pause had lasted, at most a minute.
    assert!(
        resumed.elapsed() < Duration::from_secs(30),
        "{:?}",
        resumed.elapsed()
    );
    let view = other.find(sleeper).await.unwrap();
    assert_eq!(view.notification.parks, 0);
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_holds_also_what_waits_in_the_lane() {
    let world = World::new().await;
    let slow = Duration::from_secs(3);
    world
        .receiver
        .script(move |_, _| Behaviour::After(slow, 200));
    let mut config = world.config();
    config.endpoints[0].concurrency = 1;
    let notifier = Running::start(config).await;
    let mut sent = Vec::new();
    for _ in 0..5 {
        sent.push(world.transfer().await);
    }
    eventually("one rings and the others wait", async || {
        (world.receiver.calls().len() == 1).then_some(())
    })
    .await;
    say(&notifier, "bank2", "pause", 200).await;
    let rung = world.receiver.calls()[0].tx_no;
    notifier.until(rung, "delivered").await;
    for tx_no in sent.iter().filter(|tx_no| **tx_no != rung) {
        let view = notifier.until_of("bank2", *tx_no, "held", |_| true).await;
        assert!(untouched(&view), "{view:?}");
    }
    assert_eq!(world.receiver.calls().len(), 1);
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_a_disabled_endpoint_is_parked_with_an_alarm_until_it_is_enabled() {
    listen();
    let world = World::new().await;
    let mut config = world.config();
    config.endpoints[0].id = "shut".parse().unwrap();
    config.subscriptions = vec![subscription("bank2", "shut")];
    let notifier = Running::start(config).await;
    let told = say(&notifier, "shut", "disable", 200).await;
    assert_eq!(told["operation_by"], "file", "the token of the data folder");
    let tx_no = world.transfer().await;
    let view = notifier.until_of("bank2", tx_no, "parked", |_| true).await;
    assert_eq!(
        (view.notification.parks, view.notification.attempts),
        (1, 0)
    );
    assert!(!alarms("endpoint_disabled").is_empty());
    // Each word ends its own opposite only.
    for word in ["pause", "resume"] {
        let told = say(&notifier, "shut", word, 409).await;
        assert_eq!(told["limit"], "enable it first");
    }
    say(&notifier, "shut", "enable", 200).await;
    notifier.until(tx_no, "delivered").await;
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_410_rejects_its_message_and_several_disable_the_endpoint() {
    listen();
    let world = World::new().await;
    world.receiver.answer(410);
    let mut config = world.config();
    let several = json!({"count": 3, "over": "0s", "within": "10m"});
    config.endpoints[0].id = "gone".parse().unwrap();
    config.endpoints[0].disable_when_gone = serde_json::from_value(several).unwrap();
    config.subscriptions = vec![subscription("bank2", "gone")];
    let notifier = Running::start(config).await;
    let operation = async || {
        let (_, shown) = notifier.get("/v1/endpoints/gone").await;
        shown
    };
    let dead = async || {
        let tx_no = world.transfer().await;
        let view = notifier.until(tx_no, "dead").await;
        assert_eq!(view.letters[0].reason.as_str(), "rejected");
    };
    dead().await;
    dead().await;
    // A delivery in between, and it is not the receiver as a whole.
    world.receiver.answer(200);
    let tx_no = world.transfer().await;
    notifier.until(tx_no, "delivered").await;
    world.receiver.answer(410);
    dead().await;
    dead().await;
    assert_eq!(operation().await["operation"], "open");
    dead().await;
    let shown = eventually("disabled by the rule", async || {
        let shown = operation().await;
        (shown["operation"] == "disabled").then_some(shown)
    })
    .await;
    assert_eq!(shown["operation_by"], "rule");
    let why = shown["operation_reason"].as_str().unwrap();
    assert!(why.starts_with("3 answers of 410"), "{why}");
    assert_eq!(alarms("endpoint_gone").len(), 1);
    let tx_no = world.transfer().await;
    notifier
        .until_of("bank2", tx_no, "parked", |view| {
            view.notification.parks == 1
        })
        .await;
    // What came before it was enabled does not count.
    say(&notifier, "gone", "enable", 200).await;
    eventually("the alarm's end", async || {
        let ended = alarms("endpoint_enabled");
        let of_it = |line: &String| line.contains("endpoint=gone ");
        ended.iter().any(of_it).then_some(())
    })
    .await;
    notifier.until(tx_no, "dead").await;
    dead().await;
    assert_eq!(operation().await["operation"], "open");
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_an_unknown_endpoint_waits_until_there_is_one() {
    listen();
    let world = World::new().await;
    let mut config = world.config();
    config.subscriptions = vec![subscription("bank2", "later")];
    let notifier = Running::start(config).await;
    let tx_no = world.transfer().await;
    let view = notifier.until_of("bank2", tx_no, "parked", |_| true).await;
    assert_eq!(
        (view.notification.parks, view.notification.attempts),
        (1, 0)
    );
    let told = alarms("endpoint_unknown");
    assert!(told.iter().any(|line| line.contains("later")), "{told:?}");
    let mut endpoint = serde_json::to_value(world.endpoint("later", &world.receiver)).unwrap();
    endpoint["secrets"] = json!([crate::support::Receiver::secret().expose()]);
    let body = json!({"endpoint": endpoint});
    notifier
        .told(Method::POST, "/v1/endpoints", body, 201)
        .await;
    notifier.until(tx_no, "delivered").await;
    notifier.stop().await;
}
