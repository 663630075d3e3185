//! The plain case, and what meets no broker.

use bytes::Bytes;
use notification::{BusinessState, MAX_BODY};
use producer::{NewNotification, NoSteps, SendError, SendOutcome, Step};
use std::sync::Arc;

use crate::barrier::Barrier;
use crate::stage::Stage;
use crate::transfers::{debit, debits, fresh, state, transfer};

#[tokio::test(flavor = "multi_thread")]
async fn what_commits_becomes_visible_and_each_step_is_timed() {
    let stage = Stage::start().await;
    let initiator = stage.initiator(Arc::new(NoSteps)).await;
    let tx_no = fresh();
    let sent = initiator
        .send_in_transaction(transfer(tx_no), debit(tx_no))
        .await
        .expect("committed");
    let SendOutcome::Committed { took } = sent else {
        panic!("{sent:?}")
    };
    assert!(took.half <= took.debited && took.debited <= took.committed);
    assert!(took.ended.is_some_and(|ended| took.committed <= ended));
    assert_eq!(debits(initiator.database(), &tx_no).await, 1);
    assert_eq!(state(&initiator, &tx_no).await, BusinessState::Committed);
    stage.settles_at(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_broker_away_nothing_is_moved() {
    let mut stage = Stage::start().await;
    let initiator = stage.initiator(Arc::new(NoSteps)).await;
    stage.stop_broker().await;
    let tx_no = fresh();
    let sent = initiator
        .send_in_transaction(transfer(tx_no), debit(tx_no))
        .await;
    assert!(matches!(sent, Err(SendError::Unavailable(_))), "{sent:?}");
    assert_eq!(debits(initiator.database(), &tx_no).await, 0);
    assert_eq!(state(&initiator, &tx_no).await, BusinessState::Unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_fails_is_no_error() {
    let mut stage = Stage::start().await;
    let barrier = Barrier::open();
    let initiator = stage.initiator(barrier.clone()).await;
    let tx_no = fresh();
    let gate = barrier.close(Step::AfterCommit);
    let sender = initiator.clone();
    let sending = tokio::spawn(async move {
        sender
            .send_in_transaction(transfer(tx_no), debit(tx_no))
            .await
    });
    gate.arrived(1).await;
    stage.stop_broker().await;
    gate.open();
    let sent = sending.await.expect("no panic").expect("committed");
    assert!(
        matches!(sent, SendOutcome::Committed { took } if took.ended.is_none()),
        "{sent:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ill_formed_notification_reaches_no_broker() {
    let stage = Stage::start().await;
    let barrier = Barrier::open();
    let initiator = stage.initiator(barrier.clone()).await;
    for size in [0, MAX_BODY + 1] {
        let tx_no = fresh();
        let ill_formed = NewNotification {
            body: Bytes::from(vec![b'x'; size]),
            ..transfer(tx_no)
        };
        let sent = initiator
            .send_in_transaction(ill_formed, debit(tx_no))
            .await;
        assert!(
            matches!(&sent, Err(SendError::Invalid(invalid)) if invalid.field == "body"),
            "{sent:?}"
        );
    }
    let largest = NewNotification {
        body: Bytes::from(vec![b'x'; MAX_BODY]),
        ..transfer(fresh())
    };
    let tx_no = largest.tx_no;
    initiator
        .send_in_transaction(largest, debit(tx_no))
        .await
        .expect("the largest body is sent");
    stage.settles_at(1).await;
}
