//! The last look: what was rolled back is still nowhere, and where all the money is.

use notification::{NotificationState, TxNo};

use super::board::Board;
use super::ordinary::sent;
use crate::money::Money;
use crate::table::Verdict;
use crate::world::{Bank, World};

/// Asks again about a transfer that must not have arrived: a late delivery breaks its line.
pub(super) async fn reconsider(world: &World, scene: usize, tx_no: Option<TxNo>, board: &Board) {
    let (Some(tx_no), Some(row)) = (tx_no, board.row(scene)) else {
        return;
    };
    let Verdict::Held(seen) = row.verdict else {
        return;
    };
    match sent(world, &tx_no).await {
        Ok(again) if again.note == "nothing sent" && again.ending == seen.ending => {}
        otherwise => board.set(scene, otherwise),
    }
}

/// Adds up both banks' accounts, and of the transfers that bank1 has committed those that bank2
/// has not applied; never a remainder.
pub(super) async fn money(world: &World) -> anyhow::Result<Money> {
    let mut money = Money::default();
    for account in world.accounts(Bank::Bank1).await? {
        money.bank1_fen += account.balance_fen;
        money.opening_fen += account.opening_fen;
    }
    for account in world.accounts(Bank::Bank2).await? {
        money.bank2_fen += account.balance_fen;
        money.opening_fen += account.opening_fen;
    }
    for transfer in world.not_arrived().await? {
        let state = world
            .notification(&transfer.tx_no)
            .await?
            .map(|view| view.notification.state);
        if state == Some(NotificationState::Dead) {
            money.dead_fen += transfer.amount_fen;
        } else {
            money.in_flight_fen += transfer.amount_fen;
        }
    }
    Ok(money)
}
