//! The scenes in which nobody is killed: an ordinary transfer, a rollback, and a receiver that
//! fails twice, fails for ever, or refuses for good.

use std::time::Duration;

use notification::api::notifier::NotificationView;
use notification::{BusinessState, NotificationState, TxNo};

use super::board::Board;
use super::scenes::{self, ALL};
use crate::table::Seen;
use crate::world::{Posted, World};

/// The transfers that later scenes look at again.
#[derive(Debug, Default)]
pub(super) struct Played {
    /// The one that bank1 rolled back.
    pub(super) rolled_back: Option<TxNo>,
    /// The one that died on its ladder.
    pub(super) dead: Option<TxNo>,
}

/// Plays them.
pub(super) async fn play(world: &World, patience: Duration, board: &Board) -> Played {
    let ordinary = to_its_end(world, scenes::ORDINARY, patience).await;
    board.set(scenes::ORDINARY, ordinary.map(|(_, view)| seen(&view)));
    let rolled_back = fail_inside(world).await;
    board.tell("bank2 fails twice, is broken, refuses: up the ladder");
    let (twice, broken, rejected) = tokio::join!(
        to_its_end(world, scenes::FAILS_TWICE, patience),
        to_its_end(world, scenes::BROKEN, patience),
        to_its_end(world, scenes::REJECTS, patience),
    );
    let mut played = Played::default();
    // What was posted after it has arrived or died by now, so whatever it sent would have, too.
    let nothing_sent = match rolled_back {
        Ok(tx_no) => sent(world, played.rolled_back.insert(tx_no)).await,
        Err(error) => Err(error),
    };
    board.set(scenes::FAILS_INSIDE, nothing_sent);
    board.set(scenes::FAILS_TWICE, twice.map(|(_, view)| seen(&view)));
    let broken = broken.map(|(tx_no, view)| {
        played.dead = Some(tx_no);
        seen(&view)
    });
    board.set(scenes::BROKEN, broken);
    board.set(scenes::REJECTS, rejected.map(|(_, view)| rejection(&view)));
    played
}

/// A transfer that bank1 commits, watched until the notifier is done with it.
async fn to_its_end(
    world: &World,
    scene: usize,
    patience: Duration,
) -> anyhow::Result<(TxNo, NotificationView)> {
    let tx_no = world.fresh_tx_no();
    match world.transfer(&tx_no, ALL[scene].amount_fen).await? {
        Posted::Committed => {}
        other => anyhow::bail!("bank1 answered {other}"),
    }
    let view = world.settled(&tx_no, patience).await?;
    Ok((tx_no, view))
}

async fn fail_inside(world: &World) -> anyhow::Result<TxNo> {
    let tx_no = world.fresh_tx_no();
    match world
        .transfer(&tx_no, ALL[scenes::FAILS_INSIDE].amount_fen)
        .await?
    {
        Posted::RolledBack => Ok(tx_no),
        other => anyhow::bail!("bank1 answered {other}"),
    }
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
