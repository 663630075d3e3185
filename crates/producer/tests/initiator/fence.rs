//! The check-back of a transaction that is not there yet, or not done yet.

use database::{Database, Kind};
use notification::{BusinessState, TxNo};
use producer::{SendError, SendOutcome, Step};

use crate::barrier::Barrier;
use crate::log;
use crate::stage::{Stage, eventually};
use crate::transfers::{debit, debits, fresh, result, state, transfer};

#[tokio::test(flavor = "multi_thread")]
async fn a_late_transaction_fails_at_the_fence() {
    let stage = Stage::start().await;
    let barrier = Barrier::open();
    let initiator = stage.initiator(barrier.clone()).await;
    let tx_no = fresh();
    // Given a sending that stalls between its half message and its transaction,
    let gate = barrier.close(Step::AfterHalf);
    let sender = initiator.clone();
    let sending = tokio::spawn(async move {
        sender
            .send_in_transaction(transfer(tx_no), debit(tx_no))
            .await
    });
    gate.arrived(1).await;
    // and a check-back that is answered with ROLLBACK meanwhile,
    stage.early_half(&initiator, &transfer(tx_no)).await;
    eventually("the early half is rolled back", async || {
        stage.halves() == 1
    })
    .await;
    // when the transaction comes at last,
    gate.open();
    let sent = sending.await.expect("no panic");
    // then it fails, and nothing of it is seen.
    assert!(
        matches!(sent, Err(SendError::RolledBack(of)) if of == tx_no),
        "{sent:?}"
    );
    assert_eq!(debits(initiator.database(), &tx_no).await, 0);
    stage.settles_at(0).await;
    let told = result(&initiator, &tx_no).await;
    assert_eq!(told.state, BusinessState::RolledBack);
    assert!(
        told.checked_by
            .is_some_and(|by| by.ends_with(&format!(":{}", std::process::id())))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_row_answers_nothing() {
    let stage = Stage::start().await;
    let barrier = Barrier::open();
    let initiator = stage.initiator(barrier.clone()).await;
    let tx_no = fresh();
    // Given a transaction in progress that holds its row,
    let gate = barrier.close(Step::BeforeCommit);
    let sender = initiator.clone();
    let sending = tokio::spawn(async move {
        sender
            .send_in_transaction(transfer(tx_no), debit(tx_no))
            .await
    });
    gate.arrived(1).await;
    // when the broker asks about it,
    stage.early_half(&initiator, &transfer(tx_no)).await;
    let unanswered = ["check_back_not_answered", &tx_no.to_string()];
    eventually("a check-back meets the locked row", async || {
        log::count(&unanswered) > 0
    })
    .await;
    // then nothing is said,
    assert_eq!(stage.halves(), 2);
    assert_eq!(state(&initiator, &tx_no).await, BusinessState::Unknown);
    // and when it has committed, both halves are.
    gate.open();
    let sent = sending.await.expect("no panic");
    assert!(
        matches!(sent, Ok(SendOutcome::Committed { .. })),
        "{sent:?}"
    );
    stage.settles_at(2).await;
    assert_eq!(debits(initiator.database(), &tx_no).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_row_is_the_first_statement_of_the_transaction() {
    let stage = Stage::start().await;
    let initiator = stage.initiator(Barrier::open()).await;
    let tx_no = fresh();
    fenced(initiator.database(), &tx_no).await;
    let business: producer::Business = Box::new(|_| panic!("the business must not be asked"));
    let sent = initiator
        .send_in_transaction(transfer(tx_no), business)
        .await;
    assert!(matches!(sent, Err(SendError::RolledBack(_))), "{sent:?}");
    stage.settles_at(0).await;
}

/// Writes the row that a check-back would write.
async fn fenced(database: &Database, tx_no: &TxNo) {
    let mut connection = database.write().await.expect("a connection");
    let fence = "INSERT INTO outgoing (tx_no, state, outcome, generation, request_hash, topic, event_type, \
                 business_key, content_type, notify_url, traceparent, created_ms, sends) \
                 VALUES (?, 'rolled_back', 'none', 0, '', 't', '', '', '', '', '', 0, 0)";
    let first = sqlx::query(fence)
        .bind(tx_no.to_string())
        .execute(&mut *connection)
        .await;
    first.expect("the fence is set");
    let second = sqlx::query(fence)
        .bind(tx_no.to_string())
        .execute(&mut *connection)
        .await;
    assert_eq!(
        database::kind(&second.expect_err("a number has one row")),
        Kind::Duplicate
    );
}
