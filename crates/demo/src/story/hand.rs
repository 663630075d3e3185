//! What the story may do to a service: kill it, see it die, start it again.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use super::BrokerHand;
use crate::container::Containers;
use crate::service::Service;

/// A hand on a service that is the story's to kill.
#[derive(Debug)]
pub enum Hand<'a> {
    /// It is a child of the stage.
    Child(&'a mut Service),
    /// It runs in containers, one or several.
    Containers(Containers),
}

/// The hands on all three that die.
#[derive(Debug)]
pub struct Hands<'a> {
    /// On the initiator.
    pub bank1: Hand<'a>,
    /// On every replica of the notifier.
    pub notifier: Hand<'a>,
    /// On the broker.
    pub broker: BrokerHand<'a>,
}

impl Hand<'_> {
    /// Its process as this machine numbers it; `None` if it does not run.
    pub(super) async fn pid(&self) -> anyhow::Result<Option<u32>> {
        match self {
            Hand::Child(service) => Ok(service.pid()),
            Hand::Containers(containers) => containers.pid().await,
        }
    }

    /// Whether two processes of it, one after the other, have different numbers in their own eyes. In a container
    /// each one's is the same.
    pub(super) fn is_told_by_pid(&self) -> bool {
        matches!(self, Hand::Child(_))
    }

    /// Sends SIGKILL, to every replica. Gives the process that is dead now.
    pub(super) async fn kill9(&mut self) -> anyhow::Result<Option<u32>> {
        match self {
            Hand::Child(service) => Ok(service.kill9().await?),
            Hand::Containers(containers) => {
                let pid = containers.pid().await?;
                containers.kill9().await?;
                Ok(pid)
            }
        }
    }

    /// Starts it, and waits until it is ready.
    pub(super) async fn start(&mut self) -> anyhow::Result<()> {
        match self {
            Hand::Child(service) => Ok(service.start().await?),
            Hand::Containers(containers) => containers.start().await,
        }
    }

    /// Waits until the process `dead` has ended by its own SIGKILL, and another one is ready.
    pub(super) async fn succeeded(&mut self, dead: u32, within: Duration) -> anyhow::Result<()> {
        match self {
            Hand::Child(service) => {
                let status = tokio::time::timeout(within, service.ended_by_itself())
                    .await
                    .map_err(|_elapsed| {
                        anyhow::anyhow!("bank1 (pid {dead}) gave no answer and lives")
                    })??;
                let signal = status.and_then(|status| status.signal());
                anyhow::ensure!(signal == Some(9), "bank1 ended with {status:?}, not killed");
                Ok(service.start().await?)
            }
            // Its restart policy starts the next one; no hand of ours is needed.
            Hand::Containers(containers) => {
                containers.replaced(dead, within).await?;
                containers.healthy().await
            }
        }
    }
}
