//! One service as a child process: started, awaited, killed, started again.
//!
//! Whoever holds the `Service` is the only one who can kill or restart it, so an act that kills
//! bank1 owns bank1 and no other act can be surprised by it. The child's stdin is held open here
//! and closed by the kernel when this process ends, however it ends.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::run_file::{RunFileWriter, Running};
use crate::stage::Program;

/// How long a service may take from spawn to its ready line on a loaded machine.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// The four services a stage runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceKind {
    /// The embedded broker.
    Broker,
    /// The initiator of the demo.
    Bank1,
    /// Its receiver.
    Bank2,
    /// What stands between them.
    Notifier,
}

impl ServiceKind {
    /// The subcommand that runs it, its name in `run.json` and of its log.
    pub fn name(self) -> &'static str {
        match self {
            ServiceKind::Broker => "broker",
            ServiceKind::Bank1 => "bank1",
            ServiceKind::Bank2 => "bank2",
            ServiceKind::Notifier => "notifier",
        }
    }
}

impl std::fmt::Display for ServiceKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a service did not come up; each names the log that says more.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The program could not be executed.
    #[error("cannot run {program}: {source}")]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It ended before it was ready.
    #[error("{service} ended before it was ready ({status}): {said}\nlogs in {}", .logs.display())]
    Ended {
        /// Which service.
        service: ServiceKind,
        /// How its process ended.
        status: ExitStatus,
        /// The last of what it wrote to stderr.
        said: String,
        /// Where its logs lie.
        logs: PathBuf,
    },
    /// It lives, and has not said that it is ready.
    #[error("{service} was not ready within {within:?}\nlogs in {}", .logs.display())]
    NotReady {
        /// Which service.
        service: ServiceKind,
        /// The deadline.
        within: Duration,
        /// Where its logs lie.
        logs: PathBuf,
    },
    /// A file of the stage could not be written.
    #[error("{service}: {source}")]
    Io {
        /// For which service.
        service: ServiceKind,
        /// Why not.
        source: std::io::Error,
    },
}

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

#[derive(Debug)]
struct Process {
    child: Child,
    pid: u32,
    /// Held open for as long as the service shall live.
    stdin: Option<ChildStdin>,
    /// Held open too: a service that prints to a closed pipe would fail.
    stdout: Lines<BufReader<ChildStdout>>,
}

#[derive(Debug, Deserialize)]
struct Ready {
    ready: String,
    address: SocketAddr,
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
        let mut process = self.spawn()?;
        let pid = process.pid;
        match tokio::time::timeout(READY_WITHIN, await_ready(&mut process, self.spec.kind)).await {
            Err(_elapsed) => {
                kill(&mut process).await.map_err(|source| self.io(source))?;
                return Err(StageError::NotReady {
                    service: self.spec.kind,
                    within: READY_WITHIN,
                    logs: self.spec.logs.clone(),
                });
            }
            Ok(Err(source)) => return Err(self.io(source)),
            Ok(Ok(None)) => {
                let status = kill(&mut process).await.map_err(|source| self.io(source))?;
                return Err(self.ended(status));
            }
            Ok(Ok(Some(address))) => self.spec.address = address,
        }
        self.process = Some(process);
        let running = Running {
            address: self.spec.address,
            pid: Some(pid),
        };
        self.run_file
            .record(self.spec.kind.name(), running)
            .map_err(|error| self.io(std::io::Error::other(error)))
    }

    /// Kills the process with SIGKILL and waits until the kernel has buried it. Returns its pid;
    /// `None` if none was running.
    pub async fn kill9(&mut self) -> Result<Option<u32>, StageError> {
        let Some(mut process) = self.process.take() else {
            return Ok(None);
        };
        kill(&mut process).await.map_err(|source| self.io(source))?;
        Ok(Some(process.pid))
    }

    /// Waits until the process ends by itself. For a service that was never started: at once.
    pub async fn ended_by_itself(&mut self) -> Result<Option<ExitStatus>, StageError> {
        let Some(process) = self.process.as_mut() else {
            return Ok(None);
        };
        match process.child.wait().await {
            Ok(status) => Ok(Some(status)),
            Err(source) => Err(self.io(source)),
        }
    }

    /// Closes the service's stdin, on which it ends in its own way; after `grace` it is killed.
    pub async fn stop(&mut self, grace: Duration) -> Result<(), StageError> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        drop(process.stdin.take());
        if tokio::time::timeout(grace, process.child.wait())
            .await
            .is_err()
        {
            kill(&mut process).await.map_err(|source| self.io(source))?;
        }
        Ok(())
    }

    fn spawn(&self) -> Result<Process, StageError> {
        let stderr = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.stderr_path())
            .map_err(|source| self.io(source))?;
        let mut command = Command::new(&self.spec.program.path);
        for name in &self.spec.program.without {
            command.env_remove(name);
        }
        let mut child = command
            .args(&self.spec.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            // Ctrl-C goes to the stage alone, which then ends its services in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| StageError::Spawn {
                program: self.spec.program.path.clone(),
                source,
            })?;
        let missing = || self.io(std::io::Error::other("the child has no pipes"));
        Ok(Process {
            pid: child.id().ok_or_else(missing)?,
            stdin: Some(child.stdin.take().ok_or_else(missing)?),
            stdout: BufReader::new(child.stdout.take().ok_or_else(missing)?).lines(),
            child,
        })
    }

    fn stderr_path(&self) -> PathBuf {
        self.spec.logs.join(format!("{}.stderr", self.spec.kind))
    }

    fn ended(&self, status: ExitStatus) -> StageError {
        StageError::Ended {
            service: self.spec.kind,
            status,
            said: last_words(&self.stderr_path()),
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

/// Reads stdout up to the ready line; `None` when it closes before.
async fn await_ready(
    process: &mut Process,
    kind: ServiceKind,
) -> std::io::Result<Option<SocketAddr>> {
    while let Some(line) = process.stdout.next_line().await? {
        match serde_json::from_str::<Ready>(&line) {
            Ok(ready) if ready.ready == kind.name() => return Ok(Some(ready.address)),
            _ => tracing::debug!(service = kind.name(), line, "before_ready"),
        }
    }
    Ok(None)
}

async fn kill(process: &mut Process) -> std::io::Result<ExitStatus> {
    // A process that has ended and was not waited for can still be signalled; one that was waited
    // for gives InvalidInput, and its status all the same.
    if process.child.try_wait()?.is_none() {
        process.child.start_kill()?;
    }
    process.child.wait().await
}

/// The last lines of a log, for an error message.
fn last_words(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}
