//! The story on a docker compose project that runs: its containers are killed and started from outside.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use demo::story::{self, BrokerHand, Hand, Hands};
use demo::{Containers, World};
use tokio::time::Instant;

use super::super::staging::{INTERRUPTED, interrupted};
use super::progress::Progress;
use crate::config::usual;
use crate::failure::{Failure, Outcome};
use crate::screen;

/// Check-backs come at the broker's own pace, and a killed broker's JVM takes a while to be back.
const PATIENCE: Duration = Duration::from_secs(150);
/// Where a container has its operator's token.
const TOKEN: &str = "/data/token";
/// The notifier's port in its container.
const NOTIFIER: u16 = 8190;

/// Plays the story on `project`.
pub(super) async fn run(project: &str, started: Instant) -> Outcome {
    let find = |service| Containers::find(project, service);
    let (bank1, bank2) = (find("bank1").await?, find("bank2").await?);
    let (notifier, broker) = (find("notifier").await?, find("broker").await?);
    let services = [
        bank1.published(usual::BANK1.port()).await?,
        bank2.published(usual::BANK2.port()).await?,
        notifier.published(NOTIFIER).await?,
    ];
    let token = notifier.read(TOKEN).await.map_err(|error| {
        Failure::from(error).help(format!("Is it up? docker compose -p {project} up --detach"))
    })?;
    screen::line(&format!(
        "ringback demo   docker compose project {project} · ladder 1s 2s 3s (1 + 3 attempts)"
    ));
    let world = World::at(super::http()?, services, &token);
    let logs = PathBuf::from(format!("docker compose -p {project} logs"));
    let progress = Progress::on_terminal();
    let board = progress.board(logs.clone());
    let hands = Hands {
        bank1: Hand::Containers(bank1),
        notifier: Hand::Containers(notifier),
        broker: BrokerHand::Containers(broker),
    };
    let ending = tokio::select! {
        ending = Box::pin(story::play_with(hands, &world, PATIENCE, &board)) => ending,
        interrupt = interrupted() => {
            interrupt?;
            progress.clear();
            return Ok(ExitCode::from(INTERRUPTED));
        }
    };
    progress.clear();
    Ok(super::close(&ending, started.elapsed(), &logs))
}
