//! Two initiator databases on one topic: each is asked about the other's halves.

use std::time::Duration;

use notification::BusinessState;
use producer::Step;

use crate::barrier::Barrier;
use crate::log;
use crate::stage::{Stage, eventually};
use crate::transfers::{fresh, state};

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_initiator_answers_nothing_writes_nothing_and_raises_an_alarm() {
    let stage = Stage::with_deadline(Duration::from_secs(4)).await;
    let foreigner = stage.initiator_on("other", Barrier::open()).await;
    // Given a committed transaction whose end was never sent, because its process died,
    let barrier = Barrier::open();
    let gate = barrier.close(Step::AfterCommit);
    let process = stage.process(barrier).await;
    let (tx_no, id) = (fresh(), process.initiator.id().clone());
    assert_ne!(&id, foreigner.id());
    process.send(tx_no);
    gate.arrived(1).await;
    process.kill();
    // when the broker asks the only one that is there, three times,
    let alarm = [
        "WARN",
        "foreign_initiator",
        id.as_str(),
        foreigner.id().as_str(),
    ];
    eventually("the foreigner is asked", async || log::count(&alarm) >= 3).await;
    // then nothing is said and nothing written,
    assert_eq!((stage.halves(), stage.visible()), (1, 0));
    assert_eq!(state(&foreigner, &tx_no).await, BusinessState::Unknown);
    // and when the owner is back, it answers.
    let owner = stage.initiator(Barrier::open()).await;
    assert_eq!(
        owner.id(),
        &id,
        "the id is the database's, not the process's"
    );
    stage.settles_at(1).await;
    assert_eq!(state(&owner, &tx_no).await, BusinessState::Committed);
}
