//! What an operator does about a single notification, and the list that shows them.

use database::testing::HeldWrites;
use notification::{Ladder, TxNo};
use notifier::Config;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::Executor;
use std::time::{Duration, Instant};

use crate::support::{Running, World, envelope, eventually};

/// A ladder on which nothing moves by itself while a test runs.
async fn patient(world: &World) -> Running {
    let ladder: Ladder = "1h".parse().unwrap();
    let config = Config {
        ladder: Some(ladder),
        ..world.config()
    };
    Running::start(config).await
}

async fn kinds(notifier: &Running, expected: usize) -> Vec<String> {
    eventually("the feed", async || {
        let page = notifier.outcomes().await;
        let kinds: Vec<String> = page
            .outcomes
            .iter()
            .map(|line| line.kind.to_string())
            .collect();
        (kinds.len() >= expected).then_some(kinds)
    })
    .await
}

async fn until_tried(notifier: &Running, tx_no: TxNo, generation: u32) {
    eventually("it was tried and waits", async || {
        let record = notifier.find(tx_no).await?.notification;
        (record.attempts == 1 && record.generation == generation).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ringing_now_asks_the_initiator_and_its_copy_is_rung_at_once() {
    let world = World::new().await;
    world.receiver.answer(500);
    let notifier = patient(&world).await;
    let envelope = envelope();
    let tx_no = envelope.notification.tx_no;
    world.send(&envelope).await;
    until_tried(&notifier, tx_no, 0).await;
    world.receiver.answer(200);
    let (status, asked) = notifier
        .post(
            &format!("/v1/notifications/{tx_no}/ring"),
            json!({"reason": "they are up"}),
        )
        .await;
    assert_eq!(status, StatusCode::ACCEPTED, "{asked}");
    assert_eq!(asked, json!({"generation": 0, "copy_from": "initiator"}));
    assert_eq!(kinds(&notifier, 2).await, ["accepted", "lost"]);
    // What the initiator does on hearing that.
    world.send(&envelope).await;
    let view = notifier.until(tx_no, "delivered").await;
    assert_eq!(view.notification.attempts, 2, "it used a rung of its own");
    assert_eq!(world.receiver.calls_of(tx_no).len(), 2);
    let (status, again) = notifier
        .post(&format!("/v1/notifications/{tx_no}/ring"), json!({}))
        .await;
    assert_eq!(
        (status, &again["notification_state"]),
        (StatusCode::CONFLICT, &json!("delivered"))
    );
    let (_, audit) = notifier.get("/v1/audit?action=ring_now").await;
    assert_eq!(audit["entries"].as_array().unwrap().len(), 1, "{audit}");
    assert_eq!(audit["entries"][0]["reason"], "they are up");
    assert_eq!(
        audit["entries"][0]["target"],
        format!("bank2/bank1/{tx_no}")
    );
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_resend_the_notifier_has_the_message_and_rings_by_itself() {
    let world = World::new().await;
    world.receiver.answer(422);
    let notifier = patient(&world).await;
    let tx_no = world.transfer().await;
    notifier.until(tx_no, "dead").await;
    world.receiver.answer(500);
    let path = format!("/v1/dead-letters/{tx_no}/resend");
    let (status, _) = notifier.post(&path, json!({"anyway": true})).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    until_tried(&notifier, tx_no, 1).await;
    world.receiver.answer(200);
    let (status, asked) = notifier
        .post(&format!("/v1/notifications/{tx_no}/ring"), json!({}))
        .await;
    assert_eq!(status, StatusCode::ACCEPTED, "{asked}");
    assert_eq!(asked, json!({"generation": 1, "copy_from": "notifier"}));
    let view = notifier.until(tx_no, "delivered").await;
    assert_eq!(
        (view.notification.generation, view.notification.attempts),
        (1, 2)
    );
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_withdrawn_is_rung_no_more_and_the_initiator_hears_of_it() {
    let world = World::new().await;
    world.receiver.answer(500);
    let notifier = patient(&world).await;
    let envelope = envelope();
    let tx_no = envelope.notification.tx_no;
    world.send(&envelope).await;
    until_tried(&notifier, tx_no, 0).await;
    let path = format!("/v1/notifications/{tx_no}/withdraw");
    let (status, refused) = notifier.post(&path, json!({"reason": " "})).await;
    assert_eq!(
        (status, &refused["field"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("reason"))
    );
    let (status, withdrawn) = notifier
        .post(&path, json!({"reason": "settled by hand"}))
        .await;
    assert_eq!(status, StatusCode::OK, "{withdrawn}");
    // A second, and the endpoint's ten.
    assert_eq!(
        withdrawn,
        json!({"state": "cancelled", "may_ring_for_ms": 11_000})
    );
    assert_eq!(kinds(&notifier, 2).await, ["accepted", "withdrawn"]);
    world.receiver.answer(200);
    world.send(&envelope).await;
    // The one that sleeps is left; the fresh one was acknowledged.
    eventually("the fresh copy is gone", async || {
        (world.left("bank2") == 1).then_some(())
    })
    .await;
    assert_eq!(
        world.receiver.calls_of(tx_no).len(),
        1,
        "rung before, and not after"
    );
    let (status, again) = notifier.post(&path, json!({"reason": "again"})).await;
    assert_eq!(
        (status, &again["notification_state"]),
        (StatusCode::CONFLICT, &json!("cancelled"))
    );
    let (_, audit) = notifier
        .get(&format!("/v1/audit?target=bank2/bank1/{tx_no}"))
        .await;
    assert_eq!(audit["entries"].as_array().unwrap().len(), 1, "{audit}");
    assert_eq!(audit["entries"][0]["result"], "cancelled, was waiting");
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawing_what_is_dead_closes_its_letter() {
    let world = World::new().await;
    world.receiver.answer(422);
    let notifier = world.notifier().await;
    let tx_no = world.transfer().await;
    notifier.until(tx_no, "dead").await;
    let path = format!("/v1/notifications/{tx_no}/withdraw");
    let (status, withdrawn) = notifier.post(&path, json!({"reason": "never mind"})).await;
    assert_eq!(status, StatusCode::OK, "{withdrawn}");
    let view = notifier.find(tx_no).await.unwrap();
    assert_eq!(view.notification.state.as_str(), "cancelled");
    assert_eq!(view.letters[0].state.as_str(), "closed");
    assert_eq!(notifier.letters().await.total_open, 0);
    let resend = format!("/v1/dead-letters/{tx_no}/resend");
    let (status, _) = notifier.post(&resend, json!({"anyway": true})).await;
    assert_eq!(status, StatusCode::CONFLICT);
    notifier.stop().await;
}

/// Rows of two groups, of numbers `1..=count`: odd ones of group `a`, even ones of group `b`.
async fn fill(world: &World, count: u8) {
    let record = world.record().await;
    let mut db = record.write().await.unwrap();
    for n in 1..=count {
        let tx_no = TxNo::from_parts(1_000 * u64::from(n), [0; 10]).to_string();
        let (group, state) = if n % 2 == 1 {
            ("a", "delivered")
        } else {
            ("b", "waiting")
        };
        let (endpoint, key) = (format!("e{}", n % 3), format!("order {}", n % 4));
        let insert = sqlx::query(
            "INSERT INTO notification (group_name, tx_no, source, tail, endpoint_id, event_type, \
             business_key, state, generation, attempts, parks, seen, first_seen_ms, updated_ms) \
             VALUES (?, ?, 'bank1', '', ?, 'transfer', ?, ?, 0, 1, 0, 1, 1, 1)",
        );
        let insert = insert
            .bind(group)
            .bind(tx_no)
            .bind(endpoint)
            .bind(key)
            .bind(state);
        db.execute(insert).await.unwrap();
    }
}

/// All pages of a list, as the seconds of their numbers.
async fn listed(notifier: &Running, filter: &str, limit: usize) -> Vec<u64> {
    let (mut after, mut all) = (String::new(), Vec::new());
    loop {
        let path = format!("/v1/notifications?limit={limit}&{filter}{after}");
        let (status, page) = notifier.get(&path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {page}");
        let records = page["notifications"].as_array().unwrap();
        assert!(records.len() <= limit);
        let number = |record: &Value| record["tx_no"].as_str().unwrap().parse::<TxNo>().unwrap();
        all.extend(records.iter().map(|record| number(record).unix_ms() / 1000));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return all,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_whole_and_in_order_whatever_the_page_and_the_filter() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    fill(&world, 24).await;
    let all: Vec<u64> = (1..=24).rev().collect();
    let only = |fits: fn(u64) -> bool| all.iter().copied().filter(|n| fits(*n)).collect::<Vec<_>>();
    for limit in [1, 3, 5, 500] {
        assert_eq!(listed(&notifier, "", limit).await, all);
        assert_eq!(
            listed(&notifier, "group=a", limit).await,
            only(|n| n % 2 == 1)
        );
        assert_eq!(
            listed(&notifier, "state=waiting", limit).await,
            only(|n| n % 2 == 0)
        );
        assert_eq!(
            listed(&notifier, "endpoint=e1", limit).await,
            only(|n| n % 3 == 1)
        );
        assert_eq!(
            listed(&notifier, "business_key=order%202", limit).await,
            only(|n| n % 4 == 2)
        );
        let span = "since_ms=5000&until_ms=9000";
        assert_eq!(
            listed(&notifier, span, limit).await,
            only(|n| (5..9).contains(&n))
        );
        assert!(listed(&notifier, "source=nobody", limit).await.is_empty());
    }
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_come_page_by_page_in_their_order() {
    let world = World::new().await;
    world.receiver.answer(500);
    let notifier = world.notifier().await;
    let tx_no = world.transfer().await;
    notifier.until(tx_no, "dead").await;
    let path = format!("/v1/notifications/{tx_no}/attempts?limit=2");
    let (status, first) = notifier.get(&path).await;
    assert_eq!(status, StatusCode::OK, "{first}");
    let numbers = |page: &Value| -> Vec<i64> {
        let attempts = page["attempts"].as_array().unwrap();
        attempts
            .iter()
            .map(|attempt| attempt["number"].as_i64().unwrap())
            .collect()
    };
    assert_eq!(numbers(&first), [1, 2]);
    let (_, rest) = notifier
        .get(&format!("{path}&after={}", first["next"].as_str().unwrap()))
        .await;
    assert_eq!(numbers(&rest), [3]);
    assert_eq!(rest.get("next"), None);
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_a_request_is_a_problem_with_its_id() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    let large = json!({"source": "x".repeat(3_000_000), "tx_nos": []});
    for (method, path, body, status, field) in [
        (Method::GET, "/v1/nowhere", None, 404, None),
        (Method::GET, "/elsewhere", None, 404, None),
        (Method::DELETE, "/v1/notifications/9f52", None, 405, None),
        (
            Method::GET,
            "/v1/notifications?state=lost",
            None,
            400,
            Some("state"),
        ),
        (
            Method::GET,
            "/v1/notifications?colour=red",
            None,
            400,
            Some("colour"),
        ),
        (
            Method::GET,
            "/v1/notifications?limit=501",
            None,
            422,
            Some("limit"),
        ),
        (
            Method::GET,
            "/v1/notifications?after=zzz",
            None,
            422,
            Some("after"),
        ),
        (Method::GET, "/v1/audit?after=zzz", None, 422, Some("after")),
        (
            Method::GET,
            "/v1/notifications/9f52/attempts?limit=0",
            None,
            422,
            Some("limit"),
        ),
        (
            Method::POST,
            "/v1/tokens",
            Some(json!({"nmae": "x"})),
            422,
            Some("nmae"),
        ),
        (
            Method::POST,
            "/v1/notifications/states",
            Some(large),
            413,
            None,
        ),
    ] {
        let answer = notifier.ask_named("my-request.1", method, path, body).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.body);
        assert_eq!(answer.content_type(), "application/problem+json", "{path}");
        assert_eq!(answer.body["status"], status, "{path}");
        assert_eq!(
            answer.body["field"].as_str(),
            field,
            "{path}: {}",
            answer.body
        );
        assert_eq!(answer.header("x-request-id"), "my-request.1", "{path}");
    }
    let not_json = notifier
        .raw(Method::POST, "/v1/tokens", "text/xml", "<a/>")
        .await;
    assert_eq!(not_json.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(not_json.content_type(), "application/problem+json");
    let broken = notifier
        .raw(Method::POST, "/v1/tokens", "application/json", "{")
        .await;
    assert_eq!(broken.status, StatusCode::BAD_REQUEST);
    assert_eq!(broken.content_type(), "application/problem+json");
    let wrong_method = notifier
        .raw(Method::DELETE, "/v1/tokens", "text/plain", "")
        .await;
    assert!(
        wrong_method.header("allow").contains("POST"),
        "{}",
        wrong_method.header("allow")
    );
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_record_can_not_be_written_a_change_is_refused_within_five_seconds() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    let record = world.record().await;
    let held = HeldWrites::of(&record).await;
    let began = Instant::now();
    let (status, problem) = notifier
        .post("/v1/tokens", json!({"name": "x", "role": "read"}))
        .await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    held.let_go().await;
    eventually("it can be written again", async || {
        let (status, _) = notifier
            .post("/v1/tokens", json!({"name": "x", "role": "read"}))
            .await;
        (status == StatusCode::CREATED).then_some(())
    })
    .await;
    notifier.stop().await;
}
