//! The scenes in which nobody is killed: an ordinary transfer, a rollback, and a receiver that
//! fails twice, fails for ever, or refuses for good.

use std::time::Duration;

use notification::api::notifier::NotificationView;
use notification::{BusinessState, NotificationState, TxNo};

use super::board::Board;
use super::scenes::{self, ALL};
use crate::patience::eventually;
use crate::table::Seen;
use crate::world::{Posted, World};

/// How long a broker may refuse half messages before a scene is given up.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// The transfers that later scenes look at again.
#[derive(Debug, Default)]
pub(super) struct Played {
    /// The one that bank1 rolled back.
    pub(super) rolled_back: Option<TxNo>,
    /// The one that died on its ladder.
    pub(super) dead: Option<TxNo>,
}

/// The transfers of these scenes, as bank1 answered them.
#[derive(Debug)]
pub(super) struct Started {
    ordinary: anyhow::Result<TxNo>,
    rolled_back: anyhow::Result<TxNo>,
    twice: anyhow::Result<TxNo>,
    broken: anyhow::Result<TxNo>,
    rejected: anyhow::Result<TxNo>,
}

/// Asks bank1 for all of them. What follows needs bank1 no more, so it may be killed meanwhile.
pub(super) async fn start(world: &World, board: &Board) -> Started {
    board.tell("five transfers");
    Started {
        ordinary: commit(world, scenes::ORDINARY).await,
        rolled_back: fail_inside(world).await,
        twice: commit(world, scenes::FAILS_TWICE).await,
        broken: commit(world, scenes::BROKEN).await,
        rejected: commit(world, scenes::REJECTS).await,
    }
}

/// Watches them to their ends.
pub(super) async fn watch(
    started: Started,
    world: &World,
    patience: Duration,
    board: &Board,
) -> Played {
    let Started {
        ordinary,
        rolled_back,
        twice,
        broken,
        rejected,
    } = started;
    let ordinary = to_its_end(world, &ordinary, patience).await;
    board.set(scenes::ORDINARY, ordinary.map(|view| seen(&view)));
    let mut played = Played {
        rolled_back: None,
        dead: broken.as_ref().ok().copied(),
    };
    let (twice, broken, rejected) = tokio::join!(
        to_its_end(world, &twice, patience),
        to_its_end(world, &broken, patience),
        to_its_end(world, &rejected, patience),
    );
    // What was posted after it has arrived or died by now, so whatever it sent would have, too.
    let nothing_sent = match rolled_back {
        Ok(tx_no) => sent_by_now(world, played.rolled_back.insert(tx_no), patience).await,
        Err(error) => Err(error),
    };
    board.set(scenes::FAILS_INSIDE, nothing_sent);
    board.set(scenes::FAILS_TWICE, twice.map(|view| seen(&view)));
    board.set(scenes::BROKEN, broken.map(|view| seen(&view)));
    board.set(scenes::REJECTS, rejected.map(|view| rejection(&view)));
    played
}

/// Asks bank1 for a transfer; again, under a new number, as long as it says that the broker did not take the half
/// message in time and nothing was moved. A machine that is overloaded is no part of the story.
async fn transfer(world: &World, scene: usize) -> anyhow::Result<(TxNo, Posted)> {
    eventually("a half message", TAKEN_WITHIN, || async {
        let tx_no = world.fresh_tx_no();
        match world.transfer(&tx_no, ALL[scene].amount_fen).await? {
            refused @ Posted::Other { status: 503, .. } => Err(anyhow::anyhow!("{refused}")),
            posted => Ok(Some((tx_no, posted))),
        }
    })
    .await
}

/// A transfer that bank1 commits.
async fn commit(world: &World, scene: usize) -> anyhow::Result<TxNo> {
    match transfer(world, scene).await? {
        (tx_no, Posted::Committed) => Ok(tx_no),
        (_, other) => anyhow::bail!("bank1 answered {other}"),
    }
}

/// Waits until the notifier is done with a transfer, if it was committed.
async fn to_its_end(
    world: &World,
    committed: &anyhow::Result<TxNo>,
    patience: Duration,
) -> anyhow::Result<NotificationView> {
    match committed {
        Ok(tx_no) => world.settled(tx_no, patience).await,
        Err(error) => Err(anyhow::anyhow!("{error:#}")),
    }
}

async fn fail_inside(world: &World) -> anyhow::Result<TxNo> {
    match transfer(world, scenes::FAILS_INSIDE).await? {
        (tx_no, Posted::RolledBack) => Ok(tx_no),
        (_, other) => anyhow::bail!("bank1 answered {other}"),
    }
}

/// As [`sent`], asking again while bank1 is being killed and restarted for another scene.
async fn sent_by_now(world: &World, tx_no: &TxNo, patience: Duration) -> anyhow::Result<Seen> {
    eventually("an answer of bank1", patience, || async {
        sent(world, tx_no).await.map(Some)
    })
    .await
}

/// Whether a transfer that was rolled back left a trace anywhere.
pub(super) async fn sent(world: &World, tx_no: &TxNo) -> anyhow::Result<Seen> {
    let ending = match world.result(tx_no).await?.state {
        // A rollback leaves no row behind, unless a check-back fenced it meanwhile.
        BusinessState::Unknown | BusinessState::RolledBack => "rolled back",
        committed => committed.as_str(),
    };
    let at_notifier = world.notification(tx_no).await?.is_some();
    let at_bank2 = world.is_applied(tx_no).await?;
    let note = match (at_notifier, at_bank2) {
        (false, false) => "nothing sent",
        (true, false) => "the notifier has it",
        (_, true) => "bank2 has it",
    };
    Ok(Seen::new(ending, note))
}

fn seen(view: &NotificationView) -> Seen {
    Seen::new(
        view.notification.state.as_str(),
        attempts(view.notification.attempts),
    )
}

/// As [`seen`], with the verdict that ended it.
fn rejection(view: &NotificationView) -> Seen {
    let mut seen = seen(view);
    if let (NotificationState::Dead, Some(last)) = (view.notification.state, view.attempts.last()) {
        seen.note = format!("{}, {}", seen.note, last.verdict.as_str());
    }
    seen
}

/// `1 attempt`, `3 attempts`.
pub(super) fn attempts(count: u32) -> String {
    if count == 1 {
        "1 attempt".to_owned()
    } else {
        format!("{count} attempts")
    }
}
