//! bank1 dies between its half message and the end of its transaction, before and after the commit.
//!
//! At these amounts bank1 sends itself a SIGKILL. The broker then asks what became of the half
//! message, and another process answers: from the database alone, since the first one's memory is
//! gone. The two transfers are waited for together.

use std::time::Duration;

use notification::{BusinessState, TxNo};

use super::board::Board;
use super::hand::Hand;
use super::scenes::{self, ALL};
use crate::patience::eventually;
use crate::table::Seen;
use crate::world::{Posted, World};

/// A transfer whose process died.
struct Orphan {
    tx_no: TxNo,
    /// The process that died, if it is told from others by its number.
    dead: Option<u32>,
}

/// Plays both. Gives the transfer that must never arrive.
pub(super) async fn play(
    bank1: &mut Hand<'_>,
    world: &World,
    patience: Duration,
    board: &Board,
) -> Option<TxNo> {
    let before = kill_amid(bank1, world, scenes::KILLED_BEFORE_COMMIT, patience, board).await;
    let after = kill_amid(bank1, world, scenes::KILLED_AFTER_COMMIT, patience, board).await;
    let fenced = before.as_ref().ok().map(|orphan| orphan.tx_no);
    let (before, after) = tokio::join!(
        answered(world, before, patience),
        answered(world, after, patience)
    );
    board.set(scenes::KILLED_BEFORE_COMMIT, before);
    board.set(scenes::KILLED_AFTER_COMMIT, after);
    fenced
}

/// Asks for the fatal transfer, sees bank1 die of it, starts bank1 again.
async fn kill_amid(
    bank1: &mut Hand<'_>,
    world: &World,
    scene: usize,
    patience: Duration,
    board: &Board,
) -> anyhow::Result<Orphan> {
    let dead = bank1
        .pid()
        .await?
        .ok_or_else(|| anyhow::anyhow!("bank1 does not run"))?;
    let tx_no = world.fresh_tx_no();
    let posted = world.transfer(&tx_no, ALL[scene].amount_fen).await?;
    anyhow::ensure!(
        matches!(posted, Posted::NoAnswer(_)),
        "bank1 lived and answered {posted}"
    );
    let dead = if bank1.is_told_by_pid() {
        bank1.succeeded(dead, patience).await?;
        Some(dead)
    } else {
        // The old one is dead: whoever answers from now on is the new process. It is asked from its first moment on,
        // before the broker has asked it.
        let new = eventually("an answer of bank1", patience, || async {
            world.result(&tx_no).await.map(Some)
        });
        let (succeeded, new) = tokio::join!(bank1.succeeded(dead, patience), new);
        succeeded?;
        if let Some(checked_by) = new?.checked_by {
            anyhow::bail!("{checked_by} answered before it was known who that is");
        }
        None
    };
    board.tell("bank1 is dead, another runs; waiting for the check-back");
    Ok(Orphan { tx_no, dead })
}

async fn answered(
    world: &World,
    orphan: anyhow::Result<Orphan>,
    patience: Duration,
) -> anyhow::Result<Seen> {
    let Orphan { tx_no, dead } = orphan?;
    let (state, checked_by) = eventually("an answered check-back", patience, || async {
        let result = world.result(&tx_no).await?;
        Ok(result
            .checked_by
            .map(|checked_by| (result.state, checked_by)))
    })
    .await?;
    let ending = match state {
        BusinessState::RolledBack => {
            anyhow::ensure!(
                !world.is_applied(&tx_no).await?,
                "rolled back, yet bank2 has it"
            );
            "rolled back".to_owned()
        }
        BusinessState::Committed => world
            .settled(&tx_no, patience)
            .await?
            .notification
            .state
            .to_string(),
        other => other.to_string(),
    };
    let pid: u32 = checked_by.rsplit(':').next().unwrap_or_default().parse()?;
    let age = if dead == Some(pid) { "old" } else { "new" };
    Ok(Seen::new(
        ending,
        format!("check-back answered by {age} pid {pid}"),
    ))
}
