//! Retention: what goes, and above all what stays.

use std::time::Duration;

use notification::TxNo;

use super::*;
use crate::record::expire::Expired;
use crate::retention::Retention;

const DAY_MS: i64 = 86_400_000;
const SPAN: Duration = Duration::from_secs(90 * 86_400);

/// A transfer of so many days ago.
fn of_days_ago(days: i64, n: u8) -> Copy {
    let mut copy = copy();
    let made_ms = u64::try_from(NOW - days * DAY_MS).unwrap();
    copy.key.tx_no = TxNo::from_parts(made_ms, [n; 10]);
    copy
}

/// Another process's record, at a time of its own.
async fn record_of_days_ago(fixture: &Fixture, days: i64) -> Record {
    open(&fixture.database, Clock::manual(NOW - days * DAY_MS).0).await
}

async fn pass(fixture: &Fixture) -> Expired {
    let retention = Retention::new(fixture.record.clone(), SPAN);
    retention.pass().await.unwrap()
}

async fn write(record: &Record, copy: &Copy, event: Event) {
    let read = record.read(std::slice::from_ref(&copy.key)).await.unwrap();
    let standing = read.get(&copy.key).copied();
    record.write(entry(copy, standing, event)).await.unwrap();
}

#[tokio::test]
async fn what_is_long_over_goes_with_its_attempts_and_lines() {
    let fixture = Fixture::new().await;
    let (old, young) = (
        record_of_days_ago(&fixture, 100).await,
        record_of_days_ago(&fixture, 80).await,
    );
    for n in 0..9 {
        write(&old, &of_days_ago(100, n), attempted(1, Then::Delivered)).await;
    }
    write(&young, &of_days_ago(80, 1), attempted(1, Then::Delivered)).await;
    let expired = pass(&fixture).await;
    let expected = Expired {
        notifications: 9,
        attempts: 9,
        letters: 0,
        outcomes: 18,
    };
    assert_eq!(expired, expected);
    assert_eq!(fixture.count("SELECT COUNT(*) FROM notification").await, 1);
    assert_eq!(fixture.count("SELECT COUNT(*) FROM attempt").await, 1);
    assert_eq!(fixture.count("SELECT COUNT(*) FROM outcome").await, 2);
    assert_eq!(pass(&fixture).await, Expired::default());
}

#[tokio::test]
async fn what_waits_or_is_dead_and_undecided_stays_however_old() {
    let fixture = Fixture::new().await;
    let old = record_of_days_ago(&fixture, 500).await;
    write(&old, &of_days_ago(500, 1), attempted(1, again(1_000))).await;
    write(&old, &of_days_ago(500, 2), parked(1_000)).await;
    let dead = || attempted(1, Then::Dead(DeadReason::Rejected));
    write(&old, &of_days_ago(500, 3), dead()).await;
    write(&old, &of_days_ago(500, 4), dead()).await;
    fixture
        .execute(
            "UPDATE dead_letter SET state = 'discarded' \
             WHERE tx_no = (SELECT MAX(tx_no) FROM notification)",
        )
        .await;
    let expired = pass(&fixture).await;
    assert_eq!((expired.notifications, expired.letters), (1, 1));
    let left = fixture.texts("SELECT state FROM notification ORDER BY tx_no");
    assert_eq!(left.await, ["waiting", "waiting", "dead"]);
    assert_eq!(fixture.count("SELECT COUNT(*) FROM dead_letter").await, 1);
    assert_eq!(fixture.count("SELECT COUNT(*) FROM attempt").await, 2);
}

#[tokio::test]
async fn an_old_number_that_was_delivered_lately_stays() {
    let fixture = Fixture::new().await;
    let young = record_of_days_ago(&fixture, 1).await;
    let copy = of_days_ago(200, 1);
    write(&young, &copy, attempted(1, Then::Delivered)).await;
    assert_eq!(pass(&fixture).await.notifications, 0);
    assert!(fixture.standing(&copy).await.is_some());
}

#[tokio::test]
async fn pages_and_groups_are_walked_to_the_end() {
    let fixture = Fixture::new().await;
    let old = record_of_days_ago(&fixture, 100).await;
    let copies = (0..700_u32).map(|n| {
        let mut copy = of_days_ago(100, 0);
        let made_ms = copy.key.tx_no.unix_ms() + u64::from(n);
        copy.key.tx_no = TxNo::from_parts(made_ms, [7; 10]);
        if n % 2 == 0 {
            copy.key.group = notification::Group::new("another").unwrap();
        }
        copy
    });
    let copies: Vec<Copy> = copies.collect();
    let writes = copies.iter().enumerate().map(|(n, copy)| {
        // The first of each page stays, so that a walk that stands still is noticed.
        let event = match n {
            0..2 => attempted(1, again(1_000)),
            _ => attempted(1, Then::Delivered),
        };
        old.write(entry(copy, None, event))
    });
    futures::future::join_all(writes).await;
    assert_eq!(pass(&fixture).await.notifications, 698);
    assert_eq!(fixture.count("SELECT COUNT(*) FROM notification").await, 2);
    assert_eq!(fixture.count("SELECT COUNT(*) FROM outcome").await, 0);
}
