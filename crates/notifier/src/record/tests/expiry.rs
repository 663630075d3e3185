//! Retention: what goes, and above all what stays.

use std::time::Duration;

use notification::TxNo;

use super::*;
use crate::record::expire::Expired;
use crate::retention::{Retention, Spans};

const DAY_MS: i64 = 86_400_000;
const SPAN: Duration = Duration::from_secs(90 * 86_400);
const AUDIT_SPAN: Duration = Duration::from_secs(400 * 86_400);

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
    let spans = Spans {
        record: SPAN,
        audit: AUDIT_SPAN,
    };
    let retention = Retention::new(fixture.record.clone(), spans);
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
        ..Expired::default()
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

/// A job with its letters, made so many days ago, ended and carried last then.
async fn job_of_days_ago(fixture: &Fixture, days: i64, state: &str, letters: u32) {
    let at_ms = NOW - days * DAY_MS;
    let id = ids::one(at_ms).to_string();
    let ended_ms = (state == "done").then_some(at_ms);
    let mut db = fixture.database.write().await.unwrap();
    sqlx::query(
        "INSERT INTO letter_job (job_id, kind, state, filter, rate_per_minute, anyway, asked_by, \
         created_ms, ended_ms, selected, matched, dealt, failed, claimed_until_ms) \
         VALUES (?, 'resend', ?, '{}', 60, 0, 'operator', ?, ?, 0, 0, 0, 0, ?)",
    )
    .bind(&id)
    .bind(state)
    .bind(at_ms)
    .bind(ended_ms)
    .bind(at_ms)
    .execute(&mut *db)
    .await
    .unwrap();
    for n in 0..letters {
        let tx_no = TxNo::from_parts(u64::try_from(at_ms).unwrap() + u64::from(n), [3; 10]);
        let group = if n % 3 == 0 { "another" } else { "bank2" };
        sqlx::query(
            "INSERT INTO letter_job_letter VALUES (?, ?, ?, 'bank1', 0, 'resent', NULL, ?)",
        )
        .bind(&id)
        .bind(group)
        .bind(tx_no.to_string())
        .bind(at_ms)
        .execute(&mut *db)
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn a_job_that_is_over_goes_with_its_letters_and_one_to_be_carried_on_stays() {
    let fixture = Fixture::new().await;
    // More than one page of letters.
    job_of_days_ago(&fixture, 100, "done", 700).await;
    job_of_days_ago(&fixture, 101, "stopped", 2).await;
    for (days, state) in [
        (500, "running"),
        (501, "paused"),
        (80, "done"),
        (81, "stopped"),
    ] {
        job_of_days_ago(&fixture, days, state, 1).await;
    }
    // Old, but somebody resumed and carried it lately.
    job_of_days_ago(&fixture, 600, "stopped", 1).await;
    fixture
        .execute("UPDATE letter_job SET claimed_until_ms = 1699999999999 WHERE job_id = (SELECT MIN(job_id) FROM (SELECT job_id FROM letter_job) jobs)")
        .await;
    assert_eq!(pass(&fixture).await.jobs, 2);
    let left = fixture.texts("SELECT state FROM letter_job ORDER BY job_id");
    let stay = ["stopped", "paused", "running", "stopped", "done"];
    assert_eq!(left.await, stay);
    let letters = "SELECT COUNT(*) FROM letter_job_letter";
    assert_eq!(fixture.count(letters).await, 5, "one each");
    assert_eq!(pass(&fixture).await.jobs, 0);
}

#[tokio::test]
async fn the_audit_is_kept_for_a_span_of_its_own() {
    let fixture = Fixture::new().await;
    let mut db = fixture.database.write().await.unwrap();
    for days in [500, 450, 399, 100, 1] {
        for _ in 0..2 {
            let at_ms = NOW - days * DAY_MS;
            sqlx::query(
                "INSERT INTO audit VALUES (?, ?, '-', 'lisi', 'erase', 't', NULL, 'r', 'q')",
            )
            .bind(ids::one(at_ms).to_string())
            .bind(at_ms)
            .execute(&mut *db)
            .await
            .unwrap();
        }
    }
    drop(db);
    assert_eq!(pass(&fixture).await.audits, 4);
    let oldest = fixture.count("SELECT MIN(at_ms) FROM audit").await;
    assert_eq!(oldest, NOW - 399 * DAY_MS);
    assert_eq!(pass(&fixture).await, Expired::default());
}
