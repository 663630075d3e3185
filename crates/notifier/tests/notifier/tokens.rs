//! Who is let in, and what stays on record of it.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use service::clock;
use sqlx::Row;

use crate::support::{Running, World, eventually};

/// What one replica revokes, all refuse after this.
const EVERYWHERE_WITHIN: Duration = Duration::from_secs(2);

async fn make(notifier: &Running, name: &str, role: &str) -> Value {
    let (status, made) = notifier
        .post("/v1/tokens", json!({"name": name, "role": role}))
        .await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    made
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_shown_once_and_only_its_hash_is_kept() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    let made = make(&notifier, "grafana", "read").await;
    let token = text(&made["token"]);
    assert_eq!(token.len(), 4 + 12 + 1 + 64);
    let (_, listed) = notifier.get("/v1/tokens").await;
    assert_eq!(listed["tokens"][0]["name"], "grafana");
    assert_eq!(listed["tokens"][0]["created_by"], "file");
    let secret = &token[17..];
    assert!(!listed.to_string().contains(secret));
    let record = world.record().await;
    let mut db = record.read().await.unwrap();
    let row = sqlx::query("SELECT name, hash, created_by, role FROM token")
        .fetch_one(&mut *db)
        .await
        .unwrap();
    let columns: Vec<String> = (0..4).map(|n| row.get(n)).collect();
    assert!(!columns.concat().contains(secret), "{columns:?}");
    assert_eq!(columns[1], service::token::fingerprint(&token));
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_token_asks_and_does_not_operate() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    let reader = text(&make(&notifier, "grafana", "read").await["token"]);
    let operator = text(&make(&notifier, "lisi", "operate").await["token"]);
    let asked = notifier
        .ask_as(&reader, Method::GET, "/v1/tokens", None)
        .await;
    assert_eq!(asked.status, StatusCode::OK);
    for path in [
        "/v1/tokens",
        "/v1/tokens/lisi/revoke",
        "/v1/dead-letters/9f52/discard",
        "/v1/dead-letters/9f52/resend",
        "/v1/notifications/9f52/ring",
        "/v1/notifications/9f52/withdraw",
        "/v1/endpoints/bank2/repaired",
    ] {
        let refused = notifier
            .ask_as(&reader, Method::POST, path, Some(json!({})))
            .await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(refused.content_type(), "application/problem+json");
        assert_eq!(refused.body["needs"], "operate");
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(
            detail.contains("operate") && detail.contains("grafana has read"),
            "{detail}"
        );
    }
    let repaired = Some(json!({"reason": "they said so"}));
    let done = notifier.ask_as(
        &operator,
        Method::POST,
        "/v1/endpoints/bank2/repaired",
        repaired,
    );
    assert_eq!(done.await.status, StatusCode::OK);
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_revoked_or_expired_opens_nothing() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    let good = text(&make(&notifier, "lisi", "operate").await["token"]);
    let flipped = if good.ends_with('0') { "1" } else { "0" };
    let wrong_secret = format!("{}{flipped}", &good[..good.len() - 1]);
    let refused = async |token: &str| {
        let answer = notifier
            .ask_as(token, Method::GET, "/v1/tokens", None)
            .await;
        assert_eq!(
            answer.content_type(),
            if answer.status == 200 {
                "application/json"
            } else {
                "application/problem+json"
            }
        );
        answer
    };
    let wrong = refused(&wrong_secret).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert_eq!(wrong.body["needs"], "read");
    assert!(wrong.header("www-authenticate").starts_with("Bearer"));
    assert_eq!(refused(&good).await.status, StatusCode::OK);
    // Revoked by its name, with its own hand.
    let why = Some(json!({"reason": "left the team"}));
    let revoked = notifier
        .ask_as(&good, Method::POST, "/v1/tokens/lisi/revoke", why)
        .await;
    assert_eq!(revoked.status, StatusCode::OK, "{}", revoked.body);
    assert!(revoked.body["revoked_ms"].is_i64());
    assert_eq!(refused(&good).await.status, StatusCode::UNAUTHORIZED);
    let (status, again) = notifier
        .post(
            &format!("/v1/tokens/{}/revoke", text(&revoked.body["id"])),
            json!({}),
        )
        .await;
    assert_eq!(status, StatusCode::CONFLICT, "{again}");
    // The name is free again.
    let expires_ms = clock::now_ms() + 1_500;
    let asked = json!({"name": "lisi", "role": "read", "expires_ms": expires_ms});
    let (status, made) = notifier.post("/v1/tokens", asked).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let short = text(&made["token"]);
    let expired = eventually("the token has expired", async || {
        let answer = refused(&short).await;
        (answer.status == StatusCode::UNAUTHORIZED).then_some(answer)
    });
    let expired = expired.await;
    assert!(clock::now_ms() >= expires_ms);
    assert_eq!(expired.body["detail"], "the token lisi has expired");
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_replica_revokes_the_other_refuses_within_two_seconds() {
    let world = World::new().await;
    let (here, there) = (world.notifier().await, world.notifier().await);
    let token = text(&make(&here, "lisi", "operate").await["token"]);
    let ask = async || {
        there
            .ask_as(&token, Method::GET, "/v1/tokens", None)
            .await
            .status
    };
    eventually("the other replica knows it", async || {
        (ask().await == StatusCode::OK).then_some(())
    })
    .await;
    let (status, _) = here.post("/v1/tokens/lisi/revoke", json!({})).await;
    assert_eq!(status, StatusCode::OK);
    let revoked = Instant::now();
    let mut newest_let_in = Duration::ZERO;
    eventually("the other replica refuses it", async || {
        let began = revoked.elapsed();
        match ask().await {
            StatusCode::OK => {
                newest_let_in = began;
                None
            }
            status => {
                assert_eq!(status, StatusCode::UNAUTHORIZED);
                Some(())
            }
        }
    })
    .await;
    assert!(newest_let_in < EVERYWHERE_WITHIN, "{newest_let_in:?}");
    here.stop().await;
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_can_not_be_is_refused_in_words() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    make(&notifier, "lisi", "read").await;
    for (body, status, field) in [
        (json!({"name": "li si", "role": "read"}), 422, "name"),
        (json!({"name": "file", "role": "read"}), 422, "name"),
        (json!({"name": "x", "role": "root"}), 422, "role"),
        (
            json!({"name": "x", "role": "read", "expires_ms": 5}),
            422,
            "expires_ms",
        ),
        (json!({"name": "lisi", "role": "operate"}), 409, "name"),
    ] {
        let (answered, problem) = notifier.post("/v1/tokens", body.clone()).await;
        assert_eq!(answered.as_u16(), status, "{body}: {problem}");
        assert_eq!(problem["field"], field, "{body}: {problem}");
    }
    let (status, _) = notifier.post("/v1/tokens/nobody/revoke", json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) = notifier.post("/v1/tokens/file/revoke", json!({})).await;
    assert_eq!(status, StatusCode::CONFLICT);
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_says_who_did_what_why_and_by_which_request() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    let made = make(&notifier, "lisi", "operate").await;
    let repaired = json!({"reason": "their deploy is done"});
    let done = notifier
        .ask_as(
            &text(&made["token"]),
            Method::POST,
            "/v1/endpoints/bank2/repaired",
            Some(repaired),
        )
        .await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);
    let (_, all) = notifier.get("/v1/audit").await;
    let entries = all["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 2, "{all}");
    let newest = &entries[0];
    assert_eq!(newest["operator"], "lisi");
    assert_eq!(newest["token_id"], made["id"]);
    assert_eq!(
        (&newest["action"], &newest["target"]),
        (&json!("repaired"), &json!("bank2"))
    );
    assert_eq!(newest["reason"], "their deploy is done");
    assert_eq!(newest["request_id"], done.header("x-request-id"));
    assert_eq!(
        (&entries[1]["operator"], &entries[1]["action"]),
        (&json!("file"), &json!("token_add"))
    );
    assert!(
        !all.to_string().contains(&text(&made["token"])[17..]),
        "no secret in it"
    );
    // Page by page, and by each filter.
    let (_, first) = notifier.get("/v1/audit?limit=1").await;
    let rest = format!("/v1/audit?limit=1&after={}", text(&first["next"]));
    let (_, rest) = notifier.get(&rest).await;
    assert_eq!(rest["entries"][0], entries[1]);
    assert_eq!(rest.get("next"), None);
    let at_ms = newest["at_ms"].as_i64().unwrap();
    for (filter, count) in [
        ("action=repaired".to_owned(), 1),
        ("action=discard".to_owned(), 0),
        ("target=bank2".to_owned(), 1),
        ("operator=lisi".to_owned(), 1),
        (format!("operator={}", text(&made["id"])), 1),
        ("operator=file".to_owned(), 1),
        (format!("since_ms={}", at_ms + 1), 0),
        (format!("until_ms={}", at_ms + 1), 2),
    ] {
        let (_, page) = notifier.get(&format!("/v1/audit?{filter}")).await;
        assert_eq!(
            page["entries"].as_array().unwrap().len(),
            count,
            "{filter}: {page}"
        );
    }
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_leaves_no_line() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    make(&notifier, "lisi", "read").await;
    let (status, _) = notifier
        .post("/v1/tokens", json!({"name": "lisi", "role": "read"}))
        .await;
    assert_eq!(status, StatusCode::CONFLICT);
    let (status, _) = notifier
        .post("/v1/endpoints/nobody/repaired", json!({}))
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (_, all) = notifier.get("/v1/audit").await;
    assert_eq!(all["entries"].as_array().unwrap().len(), 1, "{all}");
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tokens_use_is_noted_by_and_by() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    let token = text(&make(&notifier, "lisi", "read").await["token"]);
    let began = clock::now_ms();
    notifier
        .ask_as(&token, Method::GET, "/v1/tokens", None)
        .await;
    eventually("its use is noted", async || {
        let (_, listed) = notifier.get("/v1/tokens").await;
        listed["tokens"][0]["last_used_ms"]
            .as_i64()
            .filter(|ms| *ms >= began)
    })
    .await;
    notifier.stop().await;
}
