//! What is counted, as whoever scrapes it sees it.

use notifier::{Config, Scraping};
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use service::http_client::{self, HttpOptions};

use crate::support::{Running, TOKEN, World, eventually, subscription};

/// The page, asked for with this token.
async fn scrape(notifier: &Running, token: Option<&str>) -> (StatusCode, String) {
    let http = http_client::build(&HttpOptions::default()).unwrap();
    let mut request = http.get(notifier.url("/metrics"));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status();
    if status == StatusCode::OK {
        let kind = answer.headers()[CONTENT_TYPE].to_str().unwrap();
        assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    }
    (status, answer.text().await.unwrap())
}

/// The value of a series, written as it is on the page.
fn value(page: &str, series: &str) -> Option<f64> {
    let line = page.lines().find_map(|line| line.strip_prefix(series));
    line.and_then(|rest| rest.strip_prefix(' ')?.parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_delivered_refused_and_dead_is_counted_once_and_no_number_is_shown() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    let delivered = world.transfer().await;
    notifier.until(delivered, "delivered").await;
    world.receiver.answer(422);
    let dead = world.transfer().await;
    notifier.until(dead, "dead").await;
    eventually("both are settled", async || {
        (world.left("bank2") == 0).then_some(())
    })
    .await;

    let (_, page) = scrape(&notifier, None).await;
    for (series, expected) in [
        (
            r#"ringback_attempts_total{endpoint="bank2",result="2xx"}"#,
            1.0,
        ),
        (
            r#"ringback_attempts_total{endpoint="bank2",result="4xx"}"#,
            1.0,
        ),
        (
            r#"ringback_attempt_seconds_count{endpoint="bank2",verdict="rejected"}"#,
            1.0,
        ),
        (r#"ringback_delivery_attempts_sum{endpoint="bank2"}"#, 1.0),
        (
            r#"ringback_delivery_age_seconds_count{endpoint="bank2"}"#,
            1.0,
        ),
        (
            r#"ringback_decisions_total{group="bank2",topic="topic_txmsg",decision="ring"}"#,
            2.0,
        ),
        (
            r#"ringback_received_total{group="bank2",topic="topic_txmsg"}"#,
            2.0,
        ),
        (
            r#"ringback_settlements_total{group="bank2",topic="topic_txmsg",kind="ack",result="ok"}"#,
            1.0,
        ),
        (
            r#"ringback_settlements_total{group="bank2",topic="topic_txmsg",kind="forward",result="ok"}"#,
            1.0,
        ),
        (
            r#"ringback_dead_letters_total{group="bank2",class="receiver",reason="rejected"}"#,
            1.0,
        ),
        (r#"ringback_outcomes_total{kind="accepted"}"#, 2.0),
        (r#"ringback_outcomes_total{kind="delivered"}"#, 1.0),
        (r#"ringback_outcomes_total{kind="dead"}"#, 1.0),
        (r#"ringback_breaker_open{endpoint="bank2"}"#, 0.0),
        (
            r#"ringback_endpoint_operation{endpoint="bank2",operation="open"}"#,
            1.0,
        ),
        ("ringback_record_up", 1.0),
        ("ringback_flush_failures_total", 0.0),
    ] {
        assert_eq!(value(&page, series), Some(expected), "{series} in\n{page}");
    }
    for number in [delivered, dead] {
        assert!(!page.contains(&number.to_string()));
    }
    assert!(page.ends_with("# EOF\n"));
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_notifiers_in_one_process_count_apart() {
    let world = World::new().await;
    let first = world.notifier().await;
    let other = Config {
        subscriptions: vec![subscription("other", "bank2")],
        ..world.config()
    };
    let second = Running::start(other).await;
    let tx_no = world.transfer().await;
    for (notifier, group) in [(&first, "bank2"), (&second, "other")] {
        notifier
            .until_of(group, tx_no, "delivered", |view| {
                view.notification.state.as_str() == "delivered"
            })
            .await;
        let (_, page) = scrape(notifier, None).await;
        let series = r#"ringback_attempts_total{endpoint="bank2",result="2xx"}"#;
        assert_eq!(value(&page, series), Some(1.0), "{page}");
    }
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_scrape_is_configured() {
    let world = World::new().await;
    let answers = [
        (Scraping::Open, StatusCode::OK, StatusCode::OK),
        (Scraping::Token, StatusCode::UNAUTHORIZED, StatusCode::OK),
        (Scraping::Off, StatusCode::NOT_FOUND, StatusCode::NOT_FOUND),
    ];
    for (metrics, without, with) in answers {
        let mut config = world.config();
        config.notifier.metrics = metrics;
        let notifier = Running::start(config).await;
        assert_eq!(scrape(&notifier, None).await.0, without, "{metrics:?}");
        let token = Some(TOKEN);
        assert_eq!(scrape(&notifier, token).await.0, with, "{metrics:?}");
        notifier.stop().await;
    }
}
