//! Two requests with one number.

use std::time::Duration;

use notification::{BusinessState, Outcome};
use producer::{SendError, SendOutcome, Step};

use crate::barrier::Barrier;
use crate::log;
use crate::stage::Stage;
use crate::transfers::{debit, debit_and_refuse, debits, fresh, state, transfer, transfer_of};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_again_is_answered_and_not_done_again() {
    let stage = Stage::start().await;
    let initiator = stage.initiator(Barrier::open()).await;
    let tx_no = fresh();
    let first = initiator
        .send_in_transaction(transfer(tx_no), debit(tx_no))
        .await;
    assert!(
        matches!(first, Ok(SendOutcome::Committed { .. })),
        "{first:?}"
    );
    let again = initiator
        .send_in_transaction(transfer(tx_no), debit(tx_no))
        .await
        .expect("it is answered");
    assert_eq!(
        again,
        SendOutcome::Already {
            state: BusinessState::Committed,
            outcome: Outcome::None
        }
    );
    assert_eq!(debits(initiator.database(), &tx_no).await, 1);
    stage.settles_at(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_request_under_the_same_number_is_refused() {
    let stage = Stage::start().await;
    let initiator = stage.initiator(Barrier::open()).await;
    let tx_no = fresh();
    initiator
        .send_in_transaction(transfer(tx_no), debit(tx_no))
        .await
        .expect("committed");
    let other = initiator
        .send_in_transaction(transfer_of(tx_no, 2_000), debit(tx_no))
        .await;
    assert!(
        matches!(other, Err(SendError::OtherRequest(of)) if of == tx_no),
        "{other:?}"
    );
    assert_eq!(debits(initiator.database(), &tx_no).await, 1);
    stage.settles_at(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_at_the_same_time_one_commits_and_the_other_is_told() {
    let stage = Stage::start().await;
    let barrier = Barrier::open();
    let initiator = stage.initiator(barrier.clone()).await;
    let tx_no = fresh();
    let gate = barrier.close(Step::AfterHalf);
    let calls: Vec<_> = (0..2)
        .map(|_| {
            let sender = initiator.clone();
            tokio::spawn(async move {
                sender
                    .send_in_transaction(transfer(tx_no), debit(tx_no))
                    .await
            })
        })
        .collect();
    gate.arrived(2).await;
    assert_eq!(stage.halves(), 2);
    gate.open();
    let (mut committed, mut already) = (0, 0);
    for call in calls {
        match call.await.expect("no panic").expect("both are answered") {
            SendOutcome::Committed { .. } => committed += 1,
            SendOutcome::Already {
                state: BusinessState::Committed,
                ..
            } => already += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((committed, already), (1, 1));
    assert_eq!(debits(initiator.database(), &tx_no).await, 1);
    stage.settles_at(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_whose_business_refused_may_be_used_again() {
    let stage = Stage::start().await;
    let initiator = stage.initiator(Barrier::open()).await;
    let tx_no = fresh();
    let refused = initiator
        .send_in_transaction(transfer(tx_no), debit_and_refuse(tx_no))
        .await;
    assert!(
        matches!(&refused, Err(SendError::Refused(why)) if why.to_string() == "the account is closed")
    );
    assert_eq!(state(&initiator, &tx_no).await, BusinessState::Unknown);
    assert_eq!(debits(initiator.database(), &tx_no).await, 0);
    stage.settles_at(0).await;

    let sent = initiator
        .send_in_transaction(transfer(tx_no), debit(tx_no))
        .await;
    assert!(
        matches!(sent, Ok(SendOutcome::Committed { .. })),
        "{sent:?}"
    );
    stage.settles_at(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_request_that_finds_the_database_busy_says_nothing_of_the_first() {
    let stage = Stage::start().await;
    let barrier = Barrier::open();
    let initiator = stage.initiator(barrier.clone()).await;
    let tx_no = fresh();
    // Given a first request whose transaction holds the database,
    let gate = barrier.close(Step::BeforeCommit);
    let sender = initiator.clone();
    let first = tokio::spawn(async move {
        sender
            .send_in_transaction(transfer(tx_no), debit(tx_no))
            .await
    });
    gate.arrived(1).await;
    // when the same comes again,
    let second = initiator
        .send_in_transaction(transfer(tx_no), debit(tx_no))
        .await;
    // then it is told that nothing was begun, and not that all was rolled back,
    assert!(matches!(second, Err(SendError::NotBegun(_))), "{second:?}");
    // for the first one commits.
    gate.open();
    let first = first.await.expect("no panic");
    assert!(
        matches!(first, Ok(SendOutcome::Committed { .. })),
        "{first:?}"
    );
    stage.settles_at(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_of_another_request_is_not_committed_by_the_one_that_committed() {
    let stage = Stage::with_deadline(Duration::from_secs(4)).await;
    let tx_no = fresh();
    // Given a request whose process died between its half message and its transaction,
    let barrier = Barrier::open();
    let gate = barrier.close(Step::AfterHalf);
    let process = stage.process(barrier).await;
    process.send(tx_no);
    gate.arrived(1).await;
    process.kill();
    // and another request under the same number, which commits,
    let initiator = stage.initiator(Barrier::open()).await;
    let sent = initiator
        .send_in_transaction(transfer_of(tx_no, 500), debit(tx_no))
        .await;
    assert!(
        matches!(sent, Ok(SendOutcome::Committed { .. })),
        "{sent:?}"
    );
    assert_eq!((stage.visible(), stage.halves()), (1, 1));
    // when the broker asks about the first, then it is dropped, with an alarm,
    stage.settles_at(1).await;
    let alarm = ["WARN", "half_of_another_request", &tx_no.to_string()];
    assert_eq!(log::count(&alarm), 1);
    // and what is seen is what committed.
    assert_eq!(
        stage.receive_bodies(1).await,
        [transfer_of(tx_no, 500).body]
    );
}
