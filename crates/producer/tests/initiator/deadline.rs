//! A business that takes too long is rolled back before the broker asks.

use std::time::{Duration, Instant};

use database::Dialect;
use notification::BusinessState;
use producer::{Business, SendError, Step};

use crate::barrier::Barrier;
use crate::stage::Stage;
use crate::transfers::{debit, debits, fresh, result, state, transfer, write};

#[tokio::test(flavor = "multi_thread")]
async fn a_business_beyond_the_deadline_is_rolled_back_and_its_half_ended() {
    let stage = Stage::with_deadline(Duration::from_secs(1)).await;
    let initiator = stage.initiator(Barrier::open()).await;
    let tx_no = fresh();
    let endless: Business = Box::new(move |tx| {
        Box::pin(async move {
            write(tx, tx_no).await?;
            std::future::pending().await
        })
    });
    let sent = initiator
        .send_in_transaction(transfer(tx_no), endless)
        .await;
    assert!(
        matches!(sent, Err(SendError::DeadlinePassed(_))),
        "{sent:?}"
    );
    stage.settles_at(0).await;
    assert_eq!(debits(initiator.database(), &tx_no).await, 0);
    // No check-back was needed: a fence would be told.
    assert_eq!(state(&initiator, &tx_no).await, BusinessState::Unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn commit_is_not_sent_after_the_deadline() {
    let stage = Stage::with_deadline(Duration::from_secs(1)).await;
    let barrier = Barrier::open();
    let initiator = stage.initiator(barrier.clone()).await;
    let tx_no = fresh();
    let gate = barrier.close(Step::BeforeCommit);
    let sent = initiator
        .send_in_transaction(transfer(tx_no), debit(tx_no))
        .await;
    assert!(
        matches!(sent, Err(SendError::DeadlinePassed(_))),
        "{sent:?}"
    );
    gate.open();
    stage.settles_at(0).await;
    assert_eq!(debits(initiator.database(), &tx_no).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_that_no_timer_could_interrupt_is_rolled_back_too() {
    let deadline = Duration::from_secs(1);
    let stage = Stage::with_deadline(deadline).await;
    let initiator = stage.initiator(Barrier::open()).await;
    let tx_no = fresh();
    let stalled: Business = Box::new(move |tx| {
        Box::pin(async move {
            write(tx, tx_no).await?;
            let began = Instant::now();
            while began.elapsed() <= deadline {
                std::hint::spin_loop();
            }
            Ok(())
        })
    });
    let sent = initiator
        .send_in_transaction(transfer(tx_no), stalled)
        .await;
    assert!(
        matches!(sent, Err(SendError::DeadlinePassed(_))),
        "{sent:?}"
    );
    stage.settles_at(0).await;
    assert_eq!(debits(initiator.database(), &tx_no).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_the_database_does_not_confirm_tells_the_broker_nothing() {
    let stage = Stage::with_deadline(Duration::from_secs(1)).await;
    let initiator = stage.initiator(Barrier::open()).await;
    let tx_no = fresh();
    // Given a statement that outlasts the deadline and the wait for the ROLLBACK queued behind it,
    let database = initiator.database();
    let busy = match database.dialect() {
        Dialect::MariaDb => Busy::Sleeping(10),
        Dialect::Sqlite => {
            let began = Instant::now();
            let mut connection = database.read().await.expect("a connection");
            let trial = Busy::Counting(1_000_000);
            trial.keep(&mut connection).await.expect("counted");
            let rows =
                Duration::from_secs(10).as_micros() * 1_000_000 / began.elapsed().as_micros();
            Busy::Counting(i64::try_from(rows).expect("fits"))
        }
    };
    let slow: Business = Box::new(move |tx| {
        Box::pin(async move {
            write(tx, tx_no).await?;
            Ok(busy.keep(tx).await?)
        })
    });
    // when the sending gives up, then its half message is left alone,
    let sent = initiator.send_in_transaction(transfer(tx_no), slow).await;
    assert!(
        matches!(sent, Err(SendError::DeadlinePassed(_))),
        "{sent:?}"
    );
    assert_eq!(stage.halves(), 1, "nobody was told");
    // and it is the check-back that ends it, once the row is free.
    stage.settles_at(0).await;
    assert_eq!(debits(initiator.database(), &tx_no).await, 0);
    let told = result(&initiator, &tx_no).await;
    assert_eq!(told.state, BusinessState::RolledBack);
    assert!(told.checked_by.is_some(), "the check-back said so");
}

/// What keeps the database busy without giving it a chance to stop in between.
#[derive(Clone, Copy)]
enum Busy {
    /// So many rows: SQLite can't sleep.
    Counting(i64),
    /// So many seconds.
    Sleeping(i64),
}

impl Busy {
    async fn keep(self, connection: &mut sqlx::AnyConnection) -> Result<(), sqlx::Error> {
        let (statement, much) = match self {
            Busy::Counting(rows) => (
                "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT ?) SELECT COUNT(*) FROM n",
                rows,
            ),
            Busy::Sleeping(seconds) => ("SELECT CAST(SLEEP(?) AS SIGNED)", seconds),
        };
        let _answer: i64 = sqlx::query_scalar(statement)
            .bind(much)
            .fetch_one(connection)
            .await?;
        Ok(())
    }
}
