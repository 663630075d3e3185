//! A business that takes too long is rolled back before the broker asks.

use std::time::{Duration, Instant};

use notification::BusinessState;
use producer::{Business, SendError, Step};

use crate::barrier::Barrier;
use crate::stage::Stage;
use crate::transfers::{debit, debits, fresh, state, transfer, write};

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
