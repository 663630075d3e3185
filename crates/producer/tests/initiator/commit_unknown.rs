//! A COMMIT whose answer is lost: nothing is said to the broker, and the check-back finds the truth.

use std::time::Duration;

use notification::BusinessState;
use producer::{CommitFate, SendError, SendOutcome};

use crate::barrier::Barrier;
use crate::stage::{Stage, eventually};
use crate::transfers::{debit, debits, fresh, result, state, transfer};

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_found_committed() {
    let stage = Stage::with_deadline(Duration::from_secs(4)).await;
    let initiator = stage
        .initiator(Barrier::with_fate(CommitFate::AnswerLost))
        .await;
    let tx_no = fresh();
    let sent = initiator
        .send_in_transaction(transfer(tx_no), debit(tx_no))
        .await;
    assert!(matches!(sent, Ok(SendOutcome::Unknown)), "{sent:?}");
    assert_eq!(debits(initiator.database(), &tx_no).await, 1);

    stage.settles_at(1).await;
    let told = result(&initiator, &tx_no).await;
    assert_eq!(told.state, BusinessState::Committed);
    eventually("the answer is noted", async || {
        result(&initiator, &tx_no).await.checked_by.is_some()
    })
    .await;

    let again = initiator
        .send_in_transaction(transfer(tx_no), debit(tx_no))
        .await;
    assert!(
        matches!(
            again,
            Ok(SendOutcome::Already {
                state: BusinessState::Committed,
                ..
            })
        ),
        "{again:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_never_arrived_is_found_rolled_back() {
    let stage = Stage::with_deadline(Duration::from_secs(4)).await;
    let initiator = stage
        .initiator(Barrier::with_fate(CommitFate::CommandLost))
        .await;
    let tx_no = fresh();
    let sent = initiator
        .send_in_transaction(transfer(tx_no), debit(tx_no))
        .await;
    assert!(matches!(sent, Ok(SendOutcome::Unknown)), "{sent:?}");
    assert_eq!(state(&initiator, &tx_no).await, BusinessState::Unknown);

    stage.settles_at(0).await;
    assert_eq!(debits(initiator.database(), &tx_no).await, 0);
    let told = result(&initiator, &tx_no).await;
    assert_eq!(told.state, BusinessState::RolledBack);
    assert!(
        told.checked_by.is_some(),
        "the check-back said so, not the sender"
    );

    let again = initiator
        .send_in_transaction(transfer(tx_no), debit(tx_no))
        .await;
    assert!(matches!(again, Err(SendError::RolledBack(_))), "{again:?}");
}
