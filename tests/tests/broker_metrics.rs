//! What the embedded broker's page says of what it holds.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use demo::eventually;
use ringback_tests::{PATIENCE, Setting, TestStage, http, under_test};

/// The value of a series, written as it is on the page.
fn value(page: &str, series: &str) -> Option<f64> {
    let line = page.lines().find_map(|line| line.strip_prefix(series));
    line.and_then(|rest| rest.strip_prefix(' ')?.parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_the_dead_and_group_commits_are_counted() {
    let listen = "[broker.embedded]\nmetrics_listen = \"127.0.0.1:0\"\n";
    let setting = Setting {
        config: Box::new(move |text| text.replace("[broker.embedded]\n", listen)),
        ..Setting::default()
    };
    let on = TestStage::raise(under_test!(), setting).await;
    let log = std::fs::read_to_string(on.folder.logs().join("broker.log")).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
    let told = lines
        .into_iter()
        .find(|line: &serde_json::Value| line["event"] == "metrics_served");
    let url = format!(
        "http://{}/metrics",
        told.unwrap()["address"].as_str().unwrap()
    );

    // Given one that bank2 takes and one that it refuses for good.
    let (taken, refused) = (on.world.fresh_tx_no(), on.world.fresh_tx_no());
    on.world.transfer(&taken, 1000).await.unwrap();
    on.world.transfer(&refused, 600).await.unwrap();
    for tx_no in [&taken, &refused] {
        on.world.settled(tx_no, PATIENCE).await.unwrap();
    }
    let expected = [
        (r#"ringback_broker_messages{topic="topic_txmsg"}"#, 2.0),
        (r#"ringback_broker_messages{topic="%DLQ%bank2"}"#, 1.0),
        (r#"ringback_broker_halves{topic="topic_txmsg"}"#, 0.0),
        (
            r#"ringback_broker_ready{group="bank2",topic="topic_txmsg"}"#,
            0.0,
        ),
        (
            r#"ringback_broker_invisible{group="bank2",topic="topic_txmsg"}"#,
            0.0,
        ),
        ("ringback_broker_commit_failures_total", 0.0),
    ];
    let http = http();
    let page = eventually("the page as it must become", PATIENCE, || async {
        let page = http.get(&url).send().await?.text().await?;
        let as_expected = expected
            .iter()
            .all(|(series, count)| value(&page, series) == Some(*count));
        Ok(as_expected.then_some(page))
    })
    .await
    .unwrap();
    // Half, commit and settlement of each are requests; what is written is on disk.
    let sum = |name: &str| value(&page, &format!("ringback_broker_commit_{name}")).unwrap();
    assert!(sum("requests_sum") >= 6.0, "{page}");
    assert!(sum("seconds_sum") > 0.0, "{page}");
    assert_eq!(sum("requests_count"), sum("seconds_count"));
    assert!(!page.contains(&taken.to_string()));
}
