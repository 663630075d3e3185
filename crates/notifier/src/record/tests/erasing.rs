//! Erasure: content goes, what became of it stays.

use bytes::Bytes;
use database::Tx;

use super::*;
use crate::record::erase::{Erasure, erase};

fn answered(body: &'static [u8], then: Then) -> Event {
    let Event::Attempted { mut attempt, .. } = attempted(1, then) else {
        unreachable!("an attempt was asked for");
    };
    attempt.excerpt = Bytes::from_static(body);
    attempt.detail = Some("no account of Zhang San".into());
    Event::Attempted { attempt, then }
}

async fn begin(fixture: &Fixture) -> Tx {
    fixture.database.begin().await.unwrap()
}

/// Whether any of the tables still says it.
async fn says(fixture: &Fixture, word: &str) -> bool {
    let mut all = String::new();
    for text in [
        "SELECT business_key, last_error FROM notification",
        "SELECT url, response_excerpt FROM attempt",
        "SELECT business_key, body, notify_url, last_error FROM dead_letter",
    ] {
        for row in fixture.rows(text).await {
            for column in 0..row.len() {
                let bytes = row.try_get::<Option<Vec<u8>>, _>(column);
                let text = row.try_get::<Option<String>, _>(column);
                let bytes = bytes.ok().flatten().unwrap_or_default();
                all.push_str(&String::from_utf8_lossy(&bytes));
                all.push_str(&text.ok().flatten().unwrap_or_default());
            }
        }
    }
    all.contains(word)
}

#[tokio::test]
async fn what_others_wrote_is_gone_and_what_became_of_it_is_not() {
    let fixture = Fixture::new().await;
    let mut copy = copy();
    copy.content.business_key = "invoice of Zhang San".into();
    copy.content.body = Bytes::from_static(b"{\"to\":\"Zhang San\"}");
    copy.content.notify_url = Some("https://bank2.example/Zhang San".into());
    let dead = Then::Dead(DeadReason::Rejected);
    fixture.write(&copy, answered(b"Zhang San?", dead)).await;
    assert!(says(&fixture, "Zhang San").await);

    let mut tx = begin(&fixture).await;
    let erased = erase(&mut tx, copy.key.tx_no).await.unwrap();
    tx.commit().await.unwrap();

    let Erasure::Done(erased) = erased else {
        panic!("it is dead, which is over");
    };
    assert_eq!((erased[0].attempts, erased[0].letters), (1, 1));
    assert!(!says(&fixture, "Zhang San").await);
    let kept = "SELECT COUNT(*) FROM attempt WHERE status = 422 AND verdict = 'rejected'";
    assert_eq!(fixture.count(kept).await, 1);
    let unsendable = "SELECT COUNT(*) FROM dead_letter WHERE state = 'open' AND format = 0";
    assert_eq!(fixture.count(unsendable).await, 1);
}

#[tokio::test]
async fn what_is_under_way_is_left_as_it_is() {
    let fixture = Fixture::new().await;
    fixture
        .write(&copy(), answered(b"busy", again(1_000)))
        .await;
    let mut tx = begin(&fixture).await;
    let erased = erase(&mut tx, copy().key.tx_no).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(erased, Erasure::UnderWay(copy().key));
    assert!(says(&fixture, "busy").await);
}
