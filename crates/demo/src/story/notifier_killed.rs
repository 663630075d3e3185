//! The notifier dies between its POST and the record of it: the one moment that may ring twice.
//!
//! bank2 is held after it has applied the transfer and before it answers. The notifier is killed
//! there, so the attempt that reached bank2 is not on record and uses no rung. When the lease has
//! run out, the broker hands the message to the next notifier, which rings again; bank2 answers
//! `duplicate`.

use std::time::Duration;

use super::board::Board;
use super::ordinary::attempts;
use super::scenes::{self, ALL};
use crate::service::Service;
use crate::table::Seen;
use crate::world::{Bank, Posted, World};

/// Plays it.
pub(super) async fn play(notifier: &mut Service, world: &World, patience: Duration, board: &Board) {
    let seen = kill_during_post(notifier, world, patience, board).await;
    if seen.is_err() {
        // Whatever went wrong, the scenes after this one need a bank2 that answers and a notifier.
        board.tell(&format!(
            "after a failed scene: {:?}",
            recover(notifier, world).await
        ));
    }
    board.set(scenes::NOTIFIER_KILLED, seen);
}

async fn kill_during_post(
    notifier: &mut Service,
    world: &World,
    patience: Duration,
    board: &Board,
) -> anyhow::Result<Seen> {
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
    let rung_before = 1;

    let dead = notifier
        .kill9()
        .await?
        .ok_or_else(|| anyhow::anyhow!("the notifier did not run"))?;
    world.release(Bank::Bank2).await?;
    notifier.start().await?;
    board.tell(&format!(
        "the notifier (pid {dead}) is dead, another runs; waiting for the lease to run out"
    ));

    let view = world.settled(&tx_no, patience).await?;
    let rung = rung_before + view.attempts.len();
    let times = if rung == 2 {
        "twice".to_owned()
    } else {
        format!("{rung} times")
    };
    let last_answer = view
        .attempts
        .last()
        .and_then(|attempt| attempt.excerpt.clone())
        .unwrap_or_default();
    let applied = match (
        world.is_applied(&tx_no).await?,
        last_answer.contains("duplicate"),
    ) {
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

async fn recover(notifier: &mut Service, world: &World) -> anyhow::Result<()> {
    world.release(Bank::Bank2).await?;
    if notifier.pid().is_none() {
        notifier.start().await?;
    }
    Ok(())
}
