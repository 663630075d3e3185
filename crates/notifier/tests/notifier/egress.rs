//! An endpoint whose address is refused: nothing is sent, somebody is told, and to mend it is enough.

use notifier::EgressConfig;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Receiver, Running, World, alarms, listen, subscription};

fn endpoint(id: &str, receiver: &Receiver) -> Value {
    let endpoint =
        json!({ "id": id, "url": receiver.url(), "secrets": [Receiver::secret().expose()] });
    json!({ "endpoint": endpoint, "reason": "a receiver inside" })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_a_refused_url_is_parked_with_an_alarm_and_goes_out_once_it_is_allowed() {
    listen();
    let world = World::new().await;
    let mut open = world.config();
    open.endpoints.clear();
    open.subscriptions = vec![subscription("bank2", "inside")];
    let mut closed = open.clone();
    closed.egress = EgressConfig::default();
    let inside = endpoint("inside", &world.receiver);
    let notifier = Running::start(open.clone()).await;
    notifier
        .told(Method::POST, "/v1/endpoints", inside, 201)
        .await;
    notifier.stop().await;

    // The same table, under rules that allow nothing.
    let notifier = Running::start(closed).await;
    let tx_no = world.transfer().await;
    let parked =
        |view: &notification::api::notifier::NotificationView| view.notification.parks == 1;
    let view = notifier.until_of("bank2", tx_no, "parked", parked).await;
    assert_eq!(view.notification.attempts, 0);
    assert!(world.receiver.calls().is_empty());
    let told = alarms("address_refused");
    let told = told
        .iter()
        .find(|line| line.contains("endpoint=inside"))
        .unwrap();
    assert!(
        told.contains("is a loopback address, and not in [egress] allow"),
        "{told}"
    );
    let another = endpoint("another", &world.receiver);
    let told = notifier
        .told(Method::POST, "/v1/endpoints", another, 422)
        .await;
    assert_eq!(told["field"], "endpoint.url", "{told}");
    notifier.stop().await;

    let notifier = Running::start(open).await;
    let view = notifier.until(tx_no, "delivered").await;
    assert_eq!(view.attempts.len(), 1);
    notifier.stop().await;
}
