//! What bank1 counts as an initiator, as whoever scrapes it sees it.

use std::time::{Duration, Instant};

use banks::Demo;
use reqwest::Method;
use serde_json::json;

use crate::support::{Bank, Folder, broker, fresh_tx_no};

async fn page(bank: &Bank) -> String {
    let answer = bank.request(Method::GET, "/metrics").send().await.unwrap();
    let kind = answer.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    answer.text().await.unwrap()
}

/// The value of a series, written as it is on the page.
fn value(page: &str, series: &str) -> Option<f64> {
    let line = page.lines().find_map(|line| line.strip_prefix(series));
    line.and_then(|rest| rest.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn each_sending_is_counted_once_by_what_its_caller_was_told() {
    let folder = Folder::new();
    let broker = broker(&folder).await;
    let bank = Bank::one(&folder, broker.address(), Demo::Off).await;
    let (tx_no, other) = (fresh_tx_no(), fresh_tx_no());
    let transfer = |tx_no: &notification::TxNo, amount_fen: i64| json!({ "tx_no": tx_no.to_string(), "from_account": "1", "to_account": "2", "amount_fen": amount_fen });
    // Given one that commits, the same again, another under its number, and one that is refused.
    for (body, status) in [
        (transfer(&tx_no, 1000), 201),
        (transfer(&tx_no, 1000), 200),
        (transfer(&tx_no, 2000), 409),
        (transfer(&other, 1_000_001), 422),
    ] {
        assert_eq!(bank.post("/transfers", body).await.0, status);
    }
    // When it was looked how much the notifier, which is away, has not accepted.
    let began = Instant::now();
    let page = loop {
        let page = page(&bank).await;
        if value(&page, "ringback_initiator_outgoing_waiting") == Some(1.0) {
            break page;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{page}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    for (series, expected) in [
        (
            r#"ringback_initiator_sendings_total{outcome="committed"}"#,
            Some(1.0),
        ),
        (
            r#"ringback_initiator_sendings_total{outcome="already"}"#,
            Some(1.0),
        ),
        (
            r#"ringback_initiator_sendings_total{outcome="other_request"}"#,
            Some(1.0),
        ),
        (
            r#"ringback_initiator_sendings_total{outcome="refused"}"#,
            Some(1.0),
        ),
        (
            r#"ringback_initiator_sendings_total{outcome="failed"}"#,
            None,
        ),
        (r#"ringback_initiator_halves_total{result="ok"}"#, Some(4.0)),
        (r#"ringback_initiator_ends_total{result="ok"}"#, Some(4.0)),
        ("ringback_initiator_commit_seconds_count", Some(1.0)),
        ("ringback_initiator_relay_lag_seconds", Some(0.0)),
        ("ringback_initiator_feed_read_timestamp_seconds", None),
    ] {
        assert_eq!(value(&page, series), expected, "{series} in\n{page}");
    }
    assert!(!page.contains(&tx_no.to_string()));
    bank.stop().await;
}
