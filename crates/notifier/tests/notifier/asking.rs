//! The API as its readers meet it.

use database::testing::Vacant;
use notification::TxNo;
use reqwest::StatusCode;
use serde_json::json;
use service::http_client::{self, HttpOptions};

use crate::support::{Running, World, envelope, eventually, reach};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_under_v1_answers_without_the_token() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    let http = http_client::build(&HttpOptions::default()).unwrap();
    for path in [
        "/v1/outcomes?source=bank1",
        "/v1/dead-letters",
        "/v1/notifications/9f52",
    ] {
        let url = notifier.url(path);
        for token in [None, Some(""), Some("wrong"), Some("0123456789abcdef")] {
            let mut request = http.get(&url);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let answer = request.send().await.unwrap();
            assert_eq!(
                answer.status(),
                StatusCode::UNAUTHORIZED,
                "{path} {token:?}"
            );
        }
    }
    let live = http.get(notifier.url("/health/live")).send().await.unwrap();
    assert_eq!(live.status(), StatusCode::OK);
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ending_finds_one_lists_several_and_misses_none_in_words() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    let numbered = |random: [u8; 10]| {
        let mut envelope = envelope();
        envelope.notification.tx_no = TxNo::from_parts(1_700_000_000_000, random);
        envelope
    };
    let twins = [
        numbered([1, 1, 1, 1, 1, 1, 1, 1, 0xab, 0xcd]),
        numbered([2, 2, 2, 2, 2, 2, 2, 2, 0xab, 0xcd]),
    ];
    for envelope in &twins {
        world.send(envelope).await;
        notifier
            .until(envelope.notification.tx_no, "delivered")
            .await;
    }
    let (status, body) = notifier.get("/v1/notifications/abcd").await;
    assert_eq!(status, StatusCode::CONFLICT);
    let numbers: Vec<String> = twins
        .iter()
        .map(|twin| twin.notification.tx_no.to_string())
        .collect();
    assert_eq!(body["matches"], json!(numbers));
    let (status, body) = notifier.get("/v1/notifications/1ABCD").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["notification"]["tx_no"], numbers[0]);
    let (status, body) = notifier.get("/v1/notifications/ffff").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(body["detail"], "no notification ends in \"ffff\"");
    let (status, body) = notifier.get("/v1/notifications/cd").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(body["limit"], "a tx_no or its last 4 or more characters");
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn states_are_asked_for_in_bulk_and_absent_means_not_accepted() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    let tx_no = world.transfer().await;
    notifier.until(tx_no, "delivered").await;
    let unknown = TxNo::from_parts(1, [7; 10]);
    let asked = json!({"source": "bank1", "tx_nos": [tx_no, unknown]});
    let (status, body) = notifier.post("/v1/notifications/states", asked).await;
    assert_eq!(status, StatusCode::OK);
    let expected = json!([{"tx_no": tx_no, "group": "bank2", "state": "delivered",
        "generation": 0, "attempts": 1}]);
    assert_eq!(body["states"], expected);
    let many = vec![unknown; 501];
    let asked = json!({"source": "bank1", "tx_nos": many});
    let (status, body) = notifier.post("/v1/notifications/states", asked).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        (&body["field"], &body["limit"]),
        (&json!("tx_nos"), &json!("at most 500"))
    );
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_is_read_page_by_page_to_its_end() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    for _ in 0..5 {
        let tx_no = world.transfer().await;
        notifier.until(tx_no, "delivered").await;
    }
    eventually("the feed's lag has passed", async || {
        (notifier.outcomes().await.outcomes.len() == 10).then_some(())
    })
    .await;
    let (mut after, mut kinds) = (String::new(), Vec::new());
    loop {
        let path = format!("/v1/outcomes?source=bank1&limit=3&after={after}");
        let (status, page) = notifier.get(&path).await;
        assert_eq!(status, StatusCode::OK);
        let lines = page["outcomes"].as_array().unwrap();
        kinds.extend(
            lines
                .iter()
                .map(|line| line["kind"].as_str().unwrap().to_owned()),
        );
        after = page["next"].as_str().unwrap().to_owned();
        if page["at_end"] == true {
            break;
        }
        assert_eq!(lines.len(), 3);
    }
    assert_eq!(kinds.len(), 10);
    assert_eq!(kinds.iter().filter(|kind| *kind == "delivered").count(), 5);
    // Another initiator's feed is its own, but its cursor moves to the same end.
    let (_, page) = notifier.get("/v1/outcomes?source=somebody").await;
    assert_eq!(page["outcomes"], json!([]));
    assert_eq!(page["next"], json!(after));
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_oldest_first_and_page_by_page() {
    let world = World::new().await;
    world.receiver.answer(422);
    let notifier = world.notifier().await;
    let mut sent = Vec::new();
    for _ in 0..5 {
        let tx_no = world.transfer().await;
        notifier.until(tx_no, "dead").await;
        sent.push(tx_no.to_string());
    }
    let (mut path, mut listed) = (
        "/v1/dead-letters?limit=2&endpoint=bank2".to_owned(),
        Vec::new(),
    );
    loop {
        let (status, page) = notifier.get(&path).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(page["total_open"], 5);
        assert!(page["oldest_ms"].is_i64());
        for letter in page["letters"].as_array().unwrap() {
            listed.push(letter["tx_no"].as_str().unwrap().to_owned());
        }
        match page["next"].as_str() {
            Some(next) => {
                path = format!("/v1/dead-letters?limit=2&endpoint=bank2&after={next}");
            }
            None => break,
        }
    }
    assert_eq!(listed, sent);
    let (_, none) = notifier.get("/v1/dead-letters?state=discarded").await;
    assert_eq!(none["letters"], json!([]));
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_broker_it_starts_and_says_what_is_missing() {
    let world = World::new().await;
    let mut config = world.config();
    let vacant = Vacant::new();
    config.broker = reach(&vacant.address().to_string());
    let notifier = Running::start(config).await;
    let (status, body) = notifier.get("/health/ready").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        body["reasons"][0].as_str().unwrap().starts_with("broker: "),
        "{body}"
    );
    notifier.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_of_which_nothing_is_heard_moves_on_with_everybody() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    let tx_no = world.transfer().await;
    notifier.until(tx_no, "delivered").await;
    let feed = eventually("the feed", async || {
        let page = notifier.outcomes().await;
        (page.outcomes.len() == 2).then_some(page)
    });
    let feed = feed.await;
    let (status, quiet) = notifier.get("/v1/outcomes?source=quiet").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(quiet["outcomes"], json!([]));
    assert_eq!(quiet["next"], json!(feed.outcomes[1].id), "and no further");
    // A cursor that is further on stays, and a full page ends at its last line.
    let first_id = "00000000-0000-7000-8000-000000000000";
    let path = format!("/v1/outcomes?source=bank1&limit=1&after={first_id}");
    let (_, first) = notifier.get(&path).await;
    assert_eq!(first["next"], json!(feed.outcomes[0].id));
    assert_eq!(first["at_end"], json!(false));
    let last_id = "ffffffff-ffff-7fff-bfff-ffffffffffff";
    let path = format!("/v1/outcomes?source=quiet&after={last_id}");
    let (_, past) = notifier.get(&path).await;
    assert_eq!(past["next"], json!(last_id));
    // A cursor that is none would sort somewhere and hide what lies before it.
    let (status, refused) = notifier.get("/v1/outcomes?source=bank1&after=zzz").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused["field"], json!("after"));
    notifier.stop().await;
}
