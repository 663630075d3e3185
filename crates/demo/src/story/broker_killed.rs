//! The broker dies between a half message and its end.
//!
//! bank1 is held after the half message, the broker is killed, bank1 goes on: it commits while there
//! is no broker to tell. The restarted broker finds the half message on its disk and asks; bank1's
//! row answers.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use super::board::Board;
use super::ordinary::attempts;
use super::scenes::{self, ALL};
use crate::container::Containers;
use crate::service::Service;
use crate::table::Seen;
use crate::world::{Bank, Posted, World};

/// How long the script of a foreign broker may take.
const SCRIPT_WITHIN: Duration = Duration::from_secs(120);

/// What the story may do to the broker.
#[derive(Debug)]
pub enum BrokerHand<'a> {
    /// It is a child of the stage.
    Child(&'a mut Service),
    /// It is somebody else's, and this script can do `kill9` and `start`.
    Script(&'a Path),
    /// It runs in a container.
    Containers(Containers),
    /// It is somebody else's and stays alone.
    HandsOff,
}

impl<'a> BrokerHand<'a> {
    /// The child if there is one, else the script, else nothing.
    pub fn choose(child: Option<&'a mut Service>, script: Option<&'a Path>) -> BrokerHand<'a> {
        match (child, script) {
            (Some(child), _) => BrokerHand::Child(child),
            (None, Some(script)) => BrokerHand::Script(script),
            (None, None) => BrokerHand::HandsOff,
        }
    }

    async fn kill9(&mut self) -> anyhow::Result<()> {
        match self {
            BrokerHand::Child(service) => service.kill9().await.map(drop)?,
            BrokerHand::Script(script) => run(script, "kill9").await?,
            BrokerHand::Containers(broker) => broker.kill9().await?,
            BrokerHand::HandsOff => anyhow::bail!("no hand on the broker"),
        }
        Ok(())
    }

    async fn start(&mut self) -> anyhow::Result<()> {
        match self {
            BrokerHand::Child(service) => service.start().await?,
            BrokerHand::Script(script) => run(script, "start").await?,
            BrokerHand::Containers(broker) => broker.start().await?,
            BrokerHand::HandsOff => anyhow::bail!("no hand on the broker"),
        }
        Ok(())
    }
}

/// Plays it.
pub(super) async fn play(
    broker: &mut BrokerHand<'_>,
    world: &World,
    patience: Duration,
    board: &Board,
) {
    if matches!(broker, BrokerHand::HandsOff) {
        board.skip(
            scenes::BROKER_KILLED,
            "no --broker-restart script was given",
        );
        return;
    }
    let seen = kill_during_transfer(broker, world, patience, board).await;
    board.set(scenes::BROKER_KILLED, seen);
}

async fn kill_during_transfer(
    broker: &mut BrokerHand<'_>,
    world: &World,
    patience: Duration,
    board: &Board,
) -> anyhow::Result<Seen> {
    let tx_no = world.fresh_tx_no();
    world.hold(Bank::Bank1, "after_half", &tx_no).await?;
    let transfer = world.transfer(&tx_no, ALL[scenes::BROKER_KILLED].amount_fen);
    let killing = async {
        let held = world
            .held(Bank::Bank1, "after_half", &tx_no, patience)
            .await;
        let killed = if held.is_ok() {
            broker.kill9().await
        } else {
            Ok(())
        };
        let released = world.release(Bank::Bank1).await;
        held.and(killed).and(released)
    };
    let (posted, killed) = tokio::join!(transfer, killing);
    board.tell("the broker is dead, bank1 has committed without it; starting the broker again");
    broker.start().await?;
    killed?;
    let posted = posted?;
    anyhow::ensure!(
        matches!(posted, Posted::Committed),
        "bank1 answered {posted}"
    );
    let view = world.settled(&tx_no, patience).await?;
    Ok(Seen::new(
        view.notification.state.as_str(),
        attempts(view.notification.attempts),
    ))
}

async fn run(script: &Path, verb: &str) -> anyhow::Result<()> {
    let command = Command::new(script)
        .arg(verb)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(SCRIPT_WITHIN, command)
        .await
        .map_err(|_elapsed| {
            anyhow::anyhow!("{} {verb}: not within {SCRIPT_WITHIN:?}", script.display())
        })?
        .map_err(|error| anyhow::anyhow!("cannot run {}: {error}", script.display()))?;
    anyhow::ensure!(
        output.status.success(),
        "{} {verb}: {}: {}",
        script.display(),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
