//! bank2 is repaired, and the transfer that died is sent anew: same id, a second ladder.

use std::time::Duration;

use notification::{NotificationState, TxNo};

use super::board::Board;
use super::scenes;
use crate::patience::eventually;
use crate::table::Seen;
use crate::world::World;

/// Plays it with the transfer that died.
pub(super) async fn play(dead: Option<TxNo>, world: &World, patience: Duration, board: &Board) {
    let seen = match dead {
        Some(tx_no) => repair_and_resend(&tx_no, world, patience).await,
        None => Err(anyhow::anyhow!(
            "no transfer died, so none can be sent anew"
        )),
    };
    board.set(scenes::RESENT, seen);
}

async fn repair_and_resend(
    tx_no: &TxNo,
    world: &World,
    patience: Duration,
) -> anyhow::Result<Seen> {
    world.repair_bank2().await?;
    world.repaired("bank2").await?;
    let generation = world.resend(tx_no).await?;
    let view = eventually("the end of the second ladder", patience, || async {
        let view = world.notification(tx_no).await?;
        Ok(view.filter(|view| {
            view.notification.generation == generation
                && view.notification.state != NotificationState::Waiting
        }))
    })
    .await?;
    let applied = world.is_applied(tx_no).await?;
    let note = if applied { "" } else { "not applied" };
    Ok(Seen::new(view.notification.state.as_str(), note))
}
