//! A child process: spawned, listened to until it is ready, killed.
//!
//! Its stdin is a pipe that nobody writes to. The kernel closes it when this process ends, however
//! it ends, and a service started with `--with-parent` ends then, too.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::plan::Program;
use crate::service_kind::ServiceKind;

/// How many lines of a log an error message repeats.
const LAST_WORDS: usize = 5;

/// A live child, or one that ended and was not yet replaced.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    child: Child,
    /// Held open for as long as the service shall live.
    stdin: Option<ChildStdin>,
    /// Held open too: a service that prints to a closed pipe would fail.
    stdout: Lines<BufReader<ChildStdout>>,
}

/// The line that a service prints once it listens.
#[derive(Debug, Deserialize)]
struct Ready {
    ready: String,
    address: SocketAddr,
}

impl Process {
    /// Runs `program` with `args`; what it says on stderr is appended to `stderr`.
    pub(crate) fn spawn(
        program: &Program,
        args: &[String],
        stderr: &Path,
    ) -> std::io::Result<Process> {
        let stderr = File::options().create(true).append(true).open(stderr)?;
        let mut command = Command::new(&program.path);
        for name in &program.without {
            command.env_remove(name);
        }
        let mut child = command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            // Ctrl-C goes to the stage alone, which then ends its services in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let missing = || std::io::Error::other("the child has no pid or no pipes");
        Ok(Process {
            pid: child.id().ok_or_else(missing)?,
            stdin: Some(child.stdin.take().ok_or_else(missing)?),
            stdout: BufReader::new(child.stdout.take().ok_or_else(missing)?).lines(),
            child,
        })
    }

    /// Reads stdout up to the ready line of `kind`; `None` when it closes before.
    pub(crate) async fn ready(&mut self, kind: ServiceKind) -> std::io::Result<Option<SocketAddr>> {
        while let Some(line) = self.stdout.next_line().await? {
            match serde_json::from_str::<Ready>(&line) {
                Ok(ready) if ready.ready == kind.name() => return Ok(Some(ready.address)),
                _ => tracing::debug!(event = "before_ready", service = kind.name(), line),
            }
        }
        Ok(None)
    }

    /// Sends SIGKILL, unless it has ended already, and waits until the kernel has buried it.
    pub(crate) async fn kill9(&mut self) -> std::io::Result<ExitStatus> {
        if self.child.try_wait()?.is_none() {
            self.child.start_kill()?;
        }
        self.child.wait().await
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        // `Child::wait` closes the child's stdin first; ours was taken out of it, and stays open.
        self.child.wait().await
    }

    /// Closes its stdin, on which it is to end in its own way.
    pub(crate) fn close_stdin(&mut self) {
        drop(self.stdin.take());
    }
}

/// Where the stderr of a service goes.
pub(crate) fn stderr_path(logs: &Path, kind: ServiceKind) -> PathBuf {
    logs.join(format!("{kind}.stderr"))
}

/// The end of a log, for an error message: a panic from its first line, else the last few lines.
/// Only what stands from byte `from` on counts: what was said before was said by predecessors.
pub(crate) fn last_words(path: &Path, from: u64) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    let text = String::from_utf8_lossy(bytes.get(from..).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let panic = lines
        .iter()
        .rposition(|line| line.contains(" panicked at "));
    let start = panic.unwrap_or(lines.len().saturating_sub(LAST_WORDS));
    lines[start..]
        .iter()
        .take(LAST_WORDS)
        .copied()
        .collect::<Vec<_>>()
        .join("\n")
}
