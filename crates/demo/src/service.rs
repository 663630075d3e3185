//! One service of the stage: started, awaited, killed, started again, always at the same address.
//!
//! Whoever holds the `Service` is the only one who can kill or restart it, so an act that kills
//! bank1 owns bank1 and no other act can be surprised by it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use crate::plan::Program;
use crate::process::{Process, last_words, stderr_path};
use crate::run_file::{RunFileWriter, Running};
use crate::service_kind::ServiceKind;
use crate::stage_error::StageError;

/// How long a service may take from spawn to its ready line on a loaded machine.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// How one service is started; the same each time.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) kind: ServiceKind,
    pub(crate) program: Program,
    pub(crate) args: Vec<String>,
    pub(crate) address: SocketAddr,
    pub(crate) logs: PathBuf,
}

/// A service of the stage; dropping it kills its process.
#[derive(Debug)]
pub struct Service {
    spec: Spec,
    run_file: Arc<RunFileWriter>,
    process: Option<Process>,
}

impl Service {
    pub(crate) fn new(spec: Spec, run_file: Arc<RunFileWriter>) -> Service {
        Service {
            spec,
            run_file,
            process: None,
        }
    }

    /// Which service this is.
    pub fn kind(&self) -> ServiceKind {
        self.spec.kind
    }

    /// Where it listens, the same over restarts.
    pub fn address(&self) -> SocketAddr {
        self.spec.address
    }

    /// The pid of the process that runs, or of the one that ended and was not yet replaced.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.pid)
    }

    /// Starts a process (a live one is killed first) and waits for its ready line.
    pub async fn start(&mut self) -> Result<(), StageError> {
        self.kill9().await?;
        let Spec {
            kind,
            program,
            args,
            logs,
            ..
        } = &self.spec;
        let stderr = stderr_path(logs, *kind);
        let said_before = std::fs::metadata(&stderr).map_or(0, |file| file.len());
        let mut process =
            Process::spawn(program, args, &stderr).map_err(|source| StageError::Spawn {
                program: program.path.clone(),
                source,
            })?;
        let ready = tokio::time::timeout(READY_WITHIN, process.ready(*kind)).await;
        match ready {
            Ok(Ok(Some(address))) => {
                let running = Running {
                    address,
                    pid: Some(process.pid),
                };
                self.process = Some(process);
                let recorded = self.run_file.record(self.spec.kind.name(), running);
                recorded.map_err(|error| self.io(std::io::Error::other(error)))
            }
            Ok(Ok(None)) => {
                let status = process.kill9().await.map_err(|source| self.io(source))?;
                Err(self.ended(status, said_before))
            }
            Ok(Err(source)) => Err(self.io(source)),
            Err(_elapsed) => {
                process.kill9().await.map_err(|source| self.io(source))?;
                Err(StageError::NotReady {
                    service: *kind,
                    within: READY_WITHIN,
                    logs: logs.clone(),
                })
            }
        }
    }

    /// Kills the process with SIGKILL and waits until the kernel has buried it. Gives its pid;
    /// `None` if none was running.
    pub async fn kill9(&mut self) -> Result<Option<u32>, StageError> {
        let Some(mut process) = self.process.take() else {
            return Ok(None);
        };
        process.kill9().await.map_err(|source| self.io(source))?;
        Ok(Some(process.pid))
    }

    /// Waits until the process ends by itself. For a service that was never started: at once.
    pub async fn ended_by_itself(&mut self) -> Result<Option<ExitStatus>, StageError> {
        let Some(process) = self.process.as_mut() else {
            return Ok(None);
        };
        match process.ended().await {
            Ok(status) => Ok(Some(status)),
            Err(source) => Err(self.io(source)),
        }
    }

    /// Closes the service's stdin, on which it ends in its own way; after `grace` it is killed.
    pub async fn stop(&mut self, grace: Duration) -> Result<(), StageError> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        process.close_stdin();
        if tokio::time::timeout(grace, process.ended()).await.is_err() {
            process.kill9().await.map_err(|source| self.io(source))?;
        }
        Ok(())
    }

    fn ended(&self, status: ExitStatus, said_before: u64) -> StageError {
        StageError::Ended {
            service: self.spec.kind,
            status,
            said: last_words(&stderr_path(&self.spec.logs, self.spec.kind), said_before),
            logs: self.spec.logs.clone(),
        }
    }

    fn io(&self, source: std::io::Error) -> StageError {
        StageError::Io {
            service: self.spec.kind,
            source,
        }
    }
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
