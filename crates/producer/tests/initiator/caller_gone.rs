//! A caller that goes away, or whose closure panics.

use std::time::Duration;

use notification::BusinessState;
use producer::{SendError, Step};

use crate::barrier::Barrier;
use crate::stage::Stage;
use crate::transfers::{debit, debits, fresh, result, state, transfer, write};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_cancels_nothing() {
    let stage = Stage::start().await;
    let barrier = Barrier::open();
    let initiator = stage.initiator(barrier.clone()).await;
    for step in [
        Step::BeforeHalf,
        Step::AfterHalf,
        Step::AfterInsert,
        Step::BeforeCommit,
        Step::AfterCommit,
    ] {
        let tx_no = fresh();
        let before = stage.visible();
        let gate = barrier.close(step);
        let sender = initiator.clone();
        let call = tokio::spawn(async move {
            sender
                .send_in_transaction(transfer(tx_no), debit(tx_no))
                .await
        });
        gate.arrived(1).await;
        call.abort();
        assert!(call.await.expect_err("the call is dropped").is_cancelled());
        gate.open();
        crate::stage::eventually("it goes on", async || stage.visible() == before + 1).await;
        assert_eq!(debits(initiator.database(), &tx_no).await, 1, "{step}");
        assert_eq!(
            state(&initiator, &tx_no).await,
            BusinessState::Committed,
            "{step}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_the_closure_sends_nothing_and_the_check_back_decides() {
    let stage = Stage::with_deadline(Duration::from_secs(4)).await;
    let initiator = stage.initiator(Barrier::open()).await;
    let tx_no = fresh();
    let business: producer::Business = Box::new(move |tx| {
        Box::pin(async move {
            write(tx, tx_no).await?;
            panic!("the business has a bug");
        })
    });
    let sent = initiator
        .send_in_transaction(transfer(tx_no), business)
        .await;
    assert!(matches!(sent, Err(SendError::Panicked)), "{sent:?}");
    assert_eq!(stage.halves(), 1, "nobody was told");

    stage.settles_at(0).await;
    assert_eq!(debits(initiator.database(), &tx_no).await, 0);
    let told = result(&initiator, &tx_no).await;
    assert_eq!(told.state, BusinessState::RolledBack);
    assert!(told.checked_by.is_some(), "the check-back said so");
}
