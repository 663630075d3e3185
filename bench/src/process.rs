//! A child process, and what it has used so far.
//!
//! Its standard input is a pipe that is held open: when this program ends, however it ends, the
//! pipe closes and the child ends by itself.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// How long a process may take to be ready, or to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Microseconds of one clock tick of `/proc`: USER_HZ is 100 wherever Linux runs.
const TICK_US: u64 = 10_000;

/// A running child.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    pid: u32,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
}

/// What the kernel says of a process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// User and system time.
    pub cpu_us: u64,
    /// Resident now.
    pub rss_kib: u64,
    /// The most it ever was.
    pub peak_kib: u64,
}

impl Process {
    /// Starts it and waits for its first line, which says that it is ready.
    pub(crate) async fn start(
        name: &'static str,
        program: &Path,
        args: &[String],
        stderr: &Path,
    ) -> anyhow::Result<Self> {
        let log = File::options().create(true).append(true).open(stderr)?;
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let stdout = child.stdout.take().context("a pipe was asked for")?;
        let mut process = Self {
            name,
            pid: child.id().context("a child that runs has a pid")?,
            stdin: child.stdin.take(),
            stdout: BufReader::new(stdout).lines(),
            child,
        };
        let ready = process.line().await;
        if ready.is_err() {
            let said = std::fs::read_to_string(stderr).unwrap_or_default();
            let last: Vec<&str> = said.lines().rev().take(6).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            anyhow::bail!("{name} did not start; it said:\n{}", last.join("\n"));
        }
        Ok(process)
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Writes a line and reads the answer, one line too.
    pub(crate) async fn ask(&mut self, question: &str) -> anyhow::Result<String> {
        let stdin = self.stdin.as_mut().context("it is being stopped")?;
        stdin.write_all(format!("{question}\n").as_bytes()).await?;
        self.line().await
    }

    async fn line(&mut self) -> anyhow::Result<String> {
        let line = timeout(PATIENCE, self.stdout.next_line()).await;
        let line = line.with_context(|| format!("{} is silent", self.name))??;
        line.with_context(|| format!("{} has ended", self.name))
    }

    /// What it has used so far.
    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        let read = |file: &str| {
            let path = format!("/proc/{}/{file}", self.pid);
            std::fs::read_to_string(&path).with_context(|| path)
        };
        Ok(Usage {
            cpu_us: cpu_ticks(&read("stat")?).context("the kernel's stat line")? * TICK_US,
            rss_kib: kib(&read("status")?, "VmRSS:").context("the kernel's VmRSS")?,
            peak_kib: kib(&read("status")?, "VmHWM:").context("the kernel's VmHWM")?,
        })
    }

    /// Closes its input, on which it ends in order.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.stdin.take());
        let ended = timeout(PATIENCE, self.child.wait()).await;
        let status = ended.with_context(|| format!("{} does not end", self.name))??;
        anyhow::ensure!(status.success(), "{} ended with {status}", self.name);
        Ok(())
    }
}

/// The 14th and 15th field of `/proc/<pid>/stat`; the second, the name, may hold blanks.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
