//! The store away, and what outlives a restart.

use std::time::Duration;

use database::testing::HeldWrites;
use futures::future::join_all;
use notification::TxNo;

use super::*;

#[tokio::test]
async fn while_the_store_is_locked_results_wait_and_none_is_lost() {
    let fixture = Fixture::new().await;
    // Somebody else holds the write lock, as a backup or a shell would.
    let lock = HeldWrites::of(&fixture.database).await;
    let copies: Vec<Copy> = (0..50)
        .map(|n| {
            let mut copy = copy();
            copy.key.tx_no = TxNo::from_parts(1, [n; 10]);
            copy
        })
        .collect();
    let writing = join_all(copies.iter().map(|copy| {
        let entry = entry(copy, None, attempted(1, Then::Delivered));
        fixture.record.write(entry)
    }));
    let mut writing = std::pin::pin!(writing);
    let waited = tokio::time::timeout(Duration::from_millis(300), &mut writing).await;
    assert!(waited.is_err(), "nothing is durable while the lock is held");
    assert_eq!(fixture.count("SELECT COUNT(*) FROM notification").await, 0);
    lock.let_go().await;
    let moved = tokio::time::timeout(Duration::from_secs(30), writing).await;
    assert!(moved.unwrap().iter().all(|moved| *moved == Ok(Moved::Yes)));
    assert_eq!(fixture.count("SELECT COUNT(*) FROM attempt").await, 50);
}

#[tokio::test]
async fn the_epoch_outlives_a_restart_and_belongs_to_the_database() {
    let fixture = Fixture::new().await;
    let again = open(&fixture.database, Clock::system()).await;
    assert_eq!(fixture.record.epoch(), again.epoch());
    let other = Fixture::new().await;
    assert_ne!(fixture.record.epoch(), other.record.epoch());
}

#[tokio::test]
async fn a_closed_record_says_so() {
    let fixture = Fixture::new().await;
    let options = RecordOptions {
        places: 1,
        write_deadline: Duration::from_secs(1),
        worker: "tester".into(),
        sealer: Sealer::default(),
    };
    let opened = Record::open(fixture.database.clone(), options, Clock::system()).await;
    let (record, flusher) = opened.unwrap();
    drop(flusher);
    let written = record.write(entry(&copy(), None, parked(5))).await;
    assert_eq!(written, Err(crate::record::Closed));
}
