//! The notifier dies between its POST and the record of it: the one moment that may ring twice.
//!
//! bank2 is held after it has applied the transfer and before it answers. The notifier is killed
//! there, so the attempt that reached bank2 is not on record and uses no rung. When the lease has
//! run out, the broker hands the message to the next notifier, which rings again; bank2 answers
//! `duplicate`.

use std::time::Duration;

use notification::TxNo;

use super::board::Board;
use super::hand::Hand;
use super::ordinary::attempts;
use super::scenes::{self, ALL};
use crate::table::Seen;
use crate::world::{Bank, Posted, World};

/// How the record of the attempt is reckoned: the POST that was cut off is not in it.
const RUNG_BEFORE: usize = 1;

/// Kills the notifier during its POST, and starts another. What follows needs neither of the banks'
/// barriers nor this hand on the notifier. Gives the transfer.
pub(super) async fn kill(
    notifier: &mut Hand<'_>,
    world: &World,
    patience: Duration,
    board: &Board,
) -> anyhow::Result<TxNo> {
    let killed = kill_during_post(notifier, world, patience, board).await;
    if killed.is_err() {
        // Whatever went wrong, the scenes after this one need a bank2 that answers and a notifier.
        board.tell(&format!(
            "after a failed scene: {:?}",
            recover(notifier, world).await
        ));
    }
    killed
}

async fn kill_during_post(
    notifier: &mut Hand<'_>,
    world: &World,
    patience: Duration,
    board: &Board,
) -> anyhow::Result<TxNo> {
    let tx_no = world.fresh_tx_no();
    world.hold(Bank::Bank2, "after_apply", &tx_no).await?;
    let posted = world
        .transfer(&tx_no, ALL[scenes::NOTIFIER_KILLED].amount_fen)
        .await?;
    anyhow::ensure!(
        matches!(posted, Posted::Committed),
        "bank1 answered {posted}"
    );
    world
        .held(Bank::Bank2, "after_apply", &tx_no, patience)
        .await?;

    let dead = notifier.kill9().await?;
    let dead = dead.ok_or_else(|| anyhow::anyhow!("the notifier did not run"))?;
    world.release(Bank::Bank2).await?;
    notifier.start().await?;
    board.tell(&format!(
        "the notifier (pid {dead}) is dead, another runs; waiting for the lease to run out"
    ));
    Ok(tx_no)
}

async fn recover(notifier: &mut Hand<'_>, world: &World) -> anyhow::Result<()> {
    world.release(Bank::Bank2).await?;
    if notifier.pid().await?.is_none() {
        notifier.start().await?;
    }
    Ok(())
}

/// Watches the transfer to its end, with the next notifier.
pub(super) async fn watch(
    killed: anyhow::Result<TxNo>,
    world: &World,
    patience: Duration,
    board: &Board,
) {
    let seen = match killed {
        Ok(tx_no) => rung_again(&tx_no, world, patience).await,
        Err(error) => Err(error),
    };
    board.set(scenes::NOTIFIER_KILLED, seen);
}

async fn rung_again(tx_no: &TxNo, world: &World, patience: Duration) -> anyhow::Result<Seen> {
    let view = world.settled(tx_no, patience).await?;
    let rung = RUNG_BEFORE + view.attempts.len();
    let times = if rung == 2 {
        "twice".to_owned()
    } else {
        format!("{rung} times")
    };
    let answer = view
        .attempts
        .last()
        .and_then(|attempt| attempt.excerpt.clone());
    let again = answer.unwrap_or_default().contains("duplicate");
    let applied = match (world.is_applied(tx_no).await?, again) {
        (true, true) => "applied once",
        (true, false) => "applied again",
        (false, _) => "not applied",
    };
    let attempted = attempts(view.notification.attempts);
    Ok(Seen::new(
        view.notification.state.as_str(),
        format!("{attempted}, rung {times}, {applied}"),
    ))
}
