//! Alarms with an end: what has waited for too long, and an endpoint that is disabled.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::support::{
    Receiver, Running, World, alarms, envelope, eventually, listen, subscription,
};

/// The events of that name that are about this endpoint.
fn about(event: &str, endpoint: &str) -> usize {
    let named = format!("endpoint={endpoint} ");
    let told = alarms(event);
    told.iter().filter(|line| line.contains(&named)).count()
}

async fn once(event: &str, endpoint: &str) {
    let told = async || (about(event, endpoint) == 1).then_some(());
    eventually(&format!("{event} of {endpoint}"), told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_with_something_old_is_told_of_once_and_so_is_the_end() {
    listen();
    let world = World::new().await;
    world.receiver.answer(500);
    let mut config = world.config();
    config.notifier.oldest_waiting = Duration::from_secs(1);
    config.endpoints[0].id = "slow".parse().unwrap();
    config.endpoints[0].ladder = Some(
        "1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s"
            .parse()
            .unwrap(),
    );
    config.subscriptions = vec![subscription("bank2", "slow")];
    let notifier = Running::start(config).await;
    let tx_no = world.transfer().await;
    once("oldest_waiting", "slow").await;
    let told = about("oldest_waiting", "slow");
    notifier
        .until_of("bank2", tx_no, "tried twice more", |view| {
            view.notification.attempts >= 4
        })
        .await;
    assert_eq!(
        about("oldest_waiting", "slow"),
        told,
        "though it still waits"
    );
    assert_eq!(about("oldest_waiting_over", "slow"), 0);
    world.receiver.answer(200);
    notifier.until(tx_no, "delivered").await;
    once("oldest_waiting_over", "slow").await;
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_enables_an_endpoint_or_takes_it_away_ends_the_alarm_about_it() {
    listen();
    let world = World::new().await;
    let mut config = world.config();
    config.endpoints[0].id = "closed".parse().unwrap();
    config.subscriptions = vec![subscription("bank2", "*")];
    let notifier = Running::start(config).await;
    let mut taken = serde_json::to_value(world.endpoint("taken", &world.receiver)).unwrap();
    taken["secrets"] = json!([Receiver::secret().expose()]);
    let body = json!({"endpoint": taken});
    notifier
        .told(Method::POST, "/v1/endpoints", body, 201)
        .await;
    let say = async |endpoint: &str, word: &str| {
        let path = format!("/v1/endpoints/{endpoint}/{word}");
        let reason = json!({"reason": "a test wants it"});
        notifier.told(Method::POST, &path, reason, 200).await
    };
    for endpoint in ["closed", "taken"] {
        say(endpoint, "disable").await;
        let mut named = envelope();
        named.notification.endpoint = Some(endpoint.parse().unwrap());
        world.send(&named).await;
    }
    for endpoint in ["closed", "taken"] {
        once("endpoint_disabled", endpoint).await;
        assert_eq!(about("endpoint_enabled", endpoint), 0);
    }
    say("closed", "enable").await;
    once("endpoint_enabled", "closed").await;
    assert_eq!(about("endpoint_enabled", "taken"), 0);
    let path = "/v1/endpoints/taken?reason=over";
    let (status, said) = notifier.ask(Method::DELETE, path, None).await;
    assert!(status.is_success(), "{status} {said}");
    once("endpoint_enabled", "taken").await;
    notifier.stop().await;
}
