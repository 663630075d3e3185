//! Endpoints as data: made, changed and taken away while notifiers run.

use std::time::{Duration, Instant};

use database::testing::HeldWrites;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Receiver, Running, World, alarms, eventually, listen, subscription};

/// A change is effective everywhere within this.
const EVERYWHERE: Duration = Duration::from_secs(2);

fn m1(receiver: &Receiver) -> Value {
    json!({"id": "m1", "url": receiver.url(), "secrets": [Receiver::secret().expose()]})
}

async fn add(notifier: &Running, endpoint: Value) -> Value {
    let body = json!({"endpoint": endpoint, "reason": "a new merchant"});
    notifier
        .told(Method::POST, "/v1/endpoints", body, 201)
        .await
}

/// Asks for tests until one says what is waited for; how long that took since `began`.
async fn rings(notifier: &Running, began: Instant, so: impl Fn(u16, &Value) -> bool) -> Duration {
    eventually("a test that shows the change", async || {
        let (status, told) = notifier.post("/v1/endpoints/m1/test", json!({})).await;
        so(status.as_u16(), &told).then(|| began.elapsed())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_replica_takes_a_change_over_within_two_seconds_and_without_a_restart() {
    let world = World::new().await;
    let (one, other) = (world.notifier().await, world.notifier().await);
    let elsewhere = Receiver::start().await;
    let began = Instant::now();
    add(&one, m1(&world.receiver)).await;
    let url = |told: &Value, receiver: &Receiver| told["url"] == json!(receiver.url());
    let first = |status, told: &Value| status == 200 && url(told, &world.receiver);
    for notifier in [&one, &other] {
        assert!(rings(notifier, began, first).await < EVERYWHERE);
    }
    let began = Instant::now();
    let change = json!({"endpoint": {"url": elsewhere.url(), "timeout": "3s"}});
    let told = one
        .told(Method::PATCH, "/v1/endpoints/m1", change, 200)
        .await;
    assert_eq!(told["endpoint"]["timeout"], "3s");
    for notifier in [&one, &other] {
        let took = rings(notifier, began, |_, told| url(told, &elsewhere)).await;
        assert!(took < EVERYWHERE, "{took:?}");
    }
    let began = Instant::now();
    let (status, _) = other
        .ask(Method::DELETE, "/v1/endpoints/m1?reason=over", None)
        .await;
    assert_eq!(status.as_u16(), 204);
    for notifier in [&one, &other] {
        assert!(rings(notifier, began, |status, _| status == 404).await < EVERYWHERE);
    }
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_of_the_table_is_rung_with_its_own_settings_and_a_restart_keeps_it() {
    let world = World::new().await;
    let mut config = world.config();
    config.subscriptions = vec![subscription("bank2", "m1")];
    let notifier = Running::start(config.clone()).await;
    world.receiver.script(|_, before| {
        let status = if before < 3 { 503 } else { 200 };
        crate::support::Behaviour::Answer(status)
    });
    let mut endpoint = m1(&world.receiver);
    endpoint["ladder"] = json!("1s, 1s, 1s");
    let made = add(&notifier, endpoint).await;
    rings(&notifier, Instant::now(), |status, _| status == 200).await;
    let tx_no = world.transfer().await;
    let view = notifier.until(tx_no, "delivered").await;
    assert_eq!(view.notification.endpoint.as_str(), "m1");
    assert_eq!(
        view.attempts.len(),
        4,
        "the group's own ladder has two rungs"
    );
    notifier.stop().await;
    let notifier = Running::start(config).await;
    let (_, again) = notifier.get("/v1/endpoints/m1").await;
    for member in [
        "endpoint",
        "secrets",
        "revision",
        "created_ms",
        "created_by",
    ] {
        assert_eq!(again[member], made[member], "{member}");
    }
    let tx_no = world.transfer().await;
    notifier.until(tx_no, "delivered").await;
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_killed_in_the_middle_of_a_change_has_changed_nothing() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    let made = add(&notifier, m1(&world.receiver)).await;
    let record = world.record().await;
    let lock = HeldWrites::of(&record).await;
    let change = notifier.ask(
        Method::PATCH,
        "/v1/endpoints/m1",
        Some(json!({"endpoint": {"timeout": "3s"}})),
    );
    // It waits for the lock, and is cut off there.
    let waited = tokio::time::timeout(Duration::from_millis(500), change).await;
    assert!(waited.is_err(), "{waited:?}");
    notifier.kill().await;
    lock.let_go().await;
    let notifier = world.notifier().await;
    let (_, kept) = notifier.get("/v1/endpoints/m1").await;
    assert_eq!(kept["endpoint"], made["endpoint"]);
    assert_eq!(kept["revision"], made["revision"]);
    let change = json!({"endpoint": {"timeout": "3s"}, "revision": kept["revision"]});
    let changed = notifier
        .told(Method::PATCH, "/v1/endpoints/m1", change.clone(), 200)
        .await;
    assert_ne!(changed["revision"], kept["revision"]);
    // Who has not seen that change can't change it once more.
    notifier
        .told(Method::PATCH, "/v1/endpoints/m1", change, 409)
        .await;
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_known_last_goes_on_while_the_table_can_not_be_read() {
    listen();
    let world = World::new().await;
    let mut config = world.config();
    config.subscriptions = vec![subscription("bank2", "m1")];
    let notifier = Running::start(config).await;
    add(&notifier, m1(&world.receiver)).await;
    rings(&notifier, Instant::now(), |status, _| status == 200).await;
    let record = world.record().await;
    let rename = async |from: &str, to: &str| {
        let mut db = record.write().await.unwrap();
        let text = format!("ALTER TABLE {from} RENAME TO {to}");
        let text = sqlx::AssertSqlSafe(text);
        sqlx::query(text).execute(&mut *db).await.unwrap();
    };
    rename("endpoint_revision", "away").await;
    eventually("the failure is told", async || {
        (!alarms("endpoints_unread").is_empty()).then_some(())
    })
    .await;
    let tx_no = world.transfer().await;
    notifier.until(tx_no, "delivered").await;
    rename("away", "endpoint_revision").await;
    let began = Instant::now();
    let change = json!({"endpoint": {"url": format!("{}/other", world.receiver.base())}});
    notifier
        .told(Method::PATCH, "/v1/endpoints/m1", change, 200)
        .await;
    let seen = |_, told: &Value| {
        told["url"]
            .as_str()
            .is_some_and(|url| url.ends_with("/other"))
    };
    assert!(rings(&notifier, began, seen).await < EVERYWHERE);
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_of_the_file_is_operated_here_and_changed_there() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    let (_, shown) = notifier.get("/v1/endpoints/bank2").await;
    assert_eq!(
        (&shown["defined_in"], &shown["operation"]),
        (&json!("file"), &json!("open"))
    );
    for (method, path, body) in [
        (
            Method::PATCH,
            "/v1/endpoints/bank2",
            json!({"endpoint": {"timeout": "3s"}}),
        ),
        (Method::DELETE, "/v1/endpoints/bank2", json!({})),
        (Method::POST, "/v1/endpoints/bank2/rotate-secret", json!({})),
        (
            Method::POST,
            "/v1/endpoints",
            json!({"endpoint": {"id": "bank2", "url": "http://127.0.0.1/"}}),
        ),
    ] {
        let told = notifier.told(method, path, body, 409).await;
        assert!(
            told["detail"].as_str().unwrap().contains("ringback.toml"),
            "{told}"
        );
    }
    let paused = json!({"reason": "their maintenance"});
    let told = notifier
        .told(Method::POST, "/v1/endpoints/bank2/pause", paused, 200)
        .await;
    assert_eq!(told["operation"], "paused");
    notifier.stop().await;
    let notifier = world.notifier().await;
    let (_, shown) = notifier.get("/v1/endpoints/bank2").await;
    assert_eq!(shown["operation"], "paused");
    assert_eq!(shown["operation_reason"], "their maintenance");
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_named_with_its_limit_and_makes_nothing() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    let url = "http://127.0.0.1:8182/";
    for (endpoint, field) in [
        (json!({"url": url}), "endpoint.id"),
        (json!({"id": "m1"}), "endpoint.url"),
        (json!({"id": "m 1", "url": url}), "endpoint.id"),
        (
            json!({"id": "m1", "url": "ftp://m1.example/"}),
            "endpoint.url",
        ),
        (
            json!({"id": "m1", "url": "http://10.0.0.1/"}),
            "endpoint.url",
        ),
        (
            json!({"id": "m1", "url": url, "timeout": "2m"}),
            "endpoint.timeout",
        ),
        (
            json!({"id": "m1", "url": url, "ladder": "1s,x"}),
            "endpoint.ladder",
        ),
        (
            json!({"id": "m1", "url": url, "reject": [200]}),
            "endpoint.reject",
        ),
        (
            json!({"id": "m1", "url": url, "colour": "red"}),
            "endpoint.colour",
        ),
        (
            json!({"id": "m1", "url": url, "secrets": ["whsec_short"]}),
            "endpoint.secrets[0]",
        ),
        (
            json!({"id": "m1", "url": url, "secret_overlap": "31d"}),
            "endpoint.secret_overlap",
        ),
        (
            json!({"id": "m1", "url": url, "notify_url_pattern": "*"}),
            "endpoint.notify_url_pattern",
        ),
        (
            json!({"id": "m1", "url": url, "disable_when_gone": {"count": 1}}),
            "endpoint.disable_when_gone",
        ),
        (
            json!({"id": "m1", "url": url, "headers": {"webhook-id": "x"}}),
            "endpoint.headers",
        ),
        (
            json!({"id": "m1", "url": url, "secrets_file": "/etc/shadow"}),
            "endpoint.secrets_file",
        ),
        (
            json!({"id": "m1", "url": url, "bearer_file": "/etc/shadow"}),
            "endpoint.bearer_file",
        ),
    ] {
        let body = json!({"endpoint": endpoint});
        let told = notifier
            .told(Method::POST, "/v1/endpoints", body, 422)
            .await;
        let named = told["field"].as_str().unwrap_or_default();
        assert!(named.starts_with(field), "{endpoint}: {told}");
    }
    let reason = "x".repeat(201);
    let body = json!({"endpoint": {"id": "m1", "url": url}, "reason": reason});
    notifier
        .told(Method::POST, "/v1/endpoints", body, 422)
        .await;
    let (status, _) = notifier.get("/v1/endpoints/m1").await;
    assert_eq!(status.as_u16(), 404);
    // An endpoint that a subscription needs stays, and one of each id is enough.
    add(&notifier, m1(&world.receiver)).await;
    let again = json!({"endpoint": m1(&world.receiver)});
    notifier
        .told(Method::POST, "/v1/endpoints", again, 409)
        .await;
    for (change, field) in [
        (json!({"secrets": []}), "endpoint.secrets"),
        (json!({"id": "m2"}), "endpoint.id"),
        (json!({"url": null}), "endpoint.url"),
    ] {
        let body = json!({"endpoint": change});
        let told = notifier
            .told(Method::PATCH, "/v1/endpoints/m1", body, 422)
            .await;
        assert_eq!(told["field"], field);
    }
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriptions_endpoint_is_not_taken_away() {
    let world = World::new().await;
    let mut config = world.config();
    config.subscriptions = vec![subscription("bank2", "m1")];
    let notifier = Running::start(config).await;
    add(&notifier, m1(&world.receiver)).await;
    let told = notifier
        .told(Method::DELETE, "/v1/endpoints/m1", json!({}), 409)
        .await;
    assert!(
        told["detail"]
            .as_str()
            .unwrap()
            .contains("subscription bank2"),
        "{told}"
    );
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_told_once_and_lies_encrypted() {
    use base64::Engine;
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    let text = base64::engine::general_purpose::STANDARD.encode([7; 32]);
    std::fs::write(&key, text).unwrap();
    let mut config = world.config();
    config.notifier.encryption_key_file = Some(key);
    let notifier = Running::start(config.clone()).await;
    let endpoint = json!({"id": "m1", "url": world.receiver.url(), "bearer": "tell-nobody",
        "headers": {"x-api-key": "tell-nobody"}});
    let made = add(&notifier, endpoint).await;
    let secret = made["secret"].as_str().unwrap().to_owned();
    let made = {
        let mut rest = made;
        rest.as_object_mut().unwrap().remove("secret");
        rest
    };
    world.receiver.knows(&secret);
    rings(&notifier, Instant::now(), |_, told| {
        told["verdict"] == "delivered"
    })
    .await;
    let (_, shown) = notifier.get("/v1/endpoints/m1").await;
    assert_eq!(shown["hidden"], json!(["headers.x-api-key", "bearer"]));
    let (_, listed) = notifier.get("/v1/endpoints").await;
    let record = world.record().await;
    let mut db = record.read().await.unwrap();
    let rows = sqlx::query_as("SELECT settings, sealed FROM endpoint");
    let rows: Vec<(String, String)> = rows.fetch_all(&mut *db).await.unwrap();
    drop(db);
    for told in [
        made.to_string(),
        shown.to_string(),
        listed.to_string(),
        format!("{rows:?}"),
    ] {
        for hidden in [&secret, "tell-nobody"] {
            assert!(!told.contains(hidden), "{told}");
        }
    }
    notifier.stop().await;
    // Without the key it can't be used, which is told; what else there is works.
    config.notifier.encryption_key_file = None;
    let notifier = Running::start(config).await;
    let (_, shown) = notifier.get("/v1/endpoints/m1").await;
    let why = shown["unusable"].as_str().unwrap();
    assert!(why.contains("encryption_key_file"), "{why}");
    world.receiver.knows(&Receiver::secret().expose());
    let tx_no = world.transfer().await;
    notifier.until(tx_no, "delivered").await;
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_secrets_overlap_both_sign_also_for_sleepers() {
    let world = World::new().await;
    let mut config = world.config();
    config.subscriptions = vec![subscription("bank2", "m1")];
    let notifier = Running::start(config).await;
    world.receiver.answer(503);
    add(&notifier, m1(&world.receiver)).await;
    rings(&notifier, Instant::now(), |status, _| status == 200).await;
    let sleeper = world.transfer().await;
    notifier
        .until_of("bank2", sleeper, "asleep", |view| !view.attempts.is_empty())
        .await;
    let path = "/v1/endpoints/m1/rotate-secret";
    let rotated = notifier
        .told(Method::POST, path, json!({"overlap": "20s"}), 200)
        .await;
    let secret = rotated["secret"].as_str().unwrap();
    assert_eq!(rotated["secrets"].as_array().unwrap().len(), 2);
    // From here on the receiver knows the new secret only.
    world.receiver.knows(secret);
    world.receiver.answer(200);
    notifier.until(sleeper, "delivered").await;
    let calls = world.receiver.calls_of(sleeper);
    assert_eq!(calls.last().unwrap().signatures, 2);
    // Or the old one only, until the overlap ends.
    world.receiver.knows(&Receiver::secret().expose());
    let tx_no = world.transfer().await;
    notifier.until(tx_no, "delivered").await;
    let ended = notifier.told(
        Method::POST,
        path,
        json!({"secret": fresh(), "overlap": "0s"}),
        200,
    );
    let ended = ended.await;
    assert_eq!(ended["secret"], Value::Null, "who brings a secret knows it");
    assert_eq!(ended["secrets"].as_array().unwrap().len(), 1);
    let began = Instant::now();
    rings(&notifier, began, |_, told| told["status"] == 401).await;
    let again = json!({"secret": fresh()});
    notifier.told(Method::POST, path, again, 409).await;
    notifier.stop().await;
}

fn fresh() -> String {
    notification::Secret::from_bytes(&[9; 32]).unwrap().expose()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_shows_the_answer_and_leaves_no_notification_behind() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    world.receiver.answer(422);
    let told = notifier
        .told(Method::POST, "/v1/endpoints/bank2/test", json!({}), 200)
        .await;
    assert_eq!(
        (&told["verdict"], &told["status"]),
        (&json!("rejected"), &json!(422))
    );
    assert_eq!(told["excerpt"], "answer number 0");
    let body: Value = serde_json::from_slice(&world.receiver.calls()[0].body).unwrap();
    assert_eq!(body["type"], "ringback.test");
    let tx_no = told["tx_no"].as_str().unwrap();
    let (status, _) = notifier.get(&format!("/v1/notifications/{tx_no}")).await;
    assert_eq!(status.as_u16(), 404);
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_are_listed_by_id_and_page_by_page() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    for id in ["m3", "m1", "a9"] {
        let mut endpoint = m1(&world.receiver);
        endpoint["id"] = json!(id);
        add(&notifier, endpoint).await;
    }
    notifier
        .told(Method::POST, "/v1/endpoints/m3/disable", json!({}), 200)
        .await;
    let (mut path, mut listed) = ("/v1/endpoints?limit=3".to_owned(), Vec::new());
    loop {
        let (_, page) = notifier.get(&path).await;
        for one in page["endpoints"].as_array().unwrap() {
            listed.push(one["endpoint"]["id"].as_str().unwrap().to_owned());
        }
        match page["next"].as_str() {
            Some(next) => path = format!("/v1/endpoints?limit=3&after={next}"),
            None => break,
        }
    }
    assert_eq!(listed, ["a9", "bank2", "m1", "m3"]);
    let (_, page) = notifier.get("/v1/endpoints?operation=disabled").await;
    assert_eq!(page["endpoints"].as_array().unwrap().len(), 1);
    let (status, _) = notifier.get("/v1/endpoints?limit=0").await;
    assert_eq!(status.as_u16(), 422);
    notifier.stop().await;
}
