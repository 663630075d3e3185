//! Killing a broker and bringing it back on the same folder and address.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use demo::{Ports, UsualPorts};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// For a start, on a machine with other things to do.
const PATIENCE: Duration = Duration::from_secs(180);

/// How to do it.
pub(crate) enum Restart {
    /// The embedded broker as a process of its own.
    Process(Box<Process>),
    /// A program that knows `kill9` and `start`.
    Script(PathBuf),
}

pub(crate) struct Process {
    program: PathBuf,
    folder: TempDir,
    grpc: SocketAddr,
    child: Child,
}

impl Restart {
    /// As a crash would: nothing is flushed, nobody is told.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        match self {
            Restart::Process(process) => Ok(process.child.kill().await?),
            Restart::Script(script) => run(script, "kill9").await,
        }
    }

    /// Brings it back and waits until it is ready.
    pub(crate) async fn start(&mut self) -> anyhow::Result<()> {
        match self {
            Restart::Process(process) => {
                process.child =
                    spawn(&process.program, process.folder.path(), process.grpc).await?;
                Ok(())
            }
            Restart::Script(script) => run(script, "start").await,
        }
    }
}

async fn run(script: &Path, command: &str) -> anyhow::Result<()> {
    let run = Command::new(script)
        .arg(command)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    let status = tokio::time::timeout(PATIENCE, run).await;
    let status = status
        .context("no end of it")?
        .with_context(|| format!("{}", script.display()))?;
    ensure!(status.success(), "{} {command}: {status}", script.display());
    Ok(())
}

/// A broker of its own, as the process it is in earnest; answers its gRPC and remoting addresses.
pub(crate) async fn embedded() -> anyhow::Result<(Restart, SocketAddr, SocketAddr)> {
    let mut ports = Ports::new(UsualPorts::Avoid, fastrand::Rng::new());
    let (grpc, remoting) = (ports.pick(0)?, ports.pick(0)?);
    let folder = tempfile::tempdir()?;
    let configuration = format!(
        "[broker.embedded]\nremoting_listen = \"{remoting}\"\ncheck_interval = \"2s\"\ncheck_max = 15\nrecall_enabled = true\n"
    );
    std::fs::write(folder.path().join("ringback.toml"), configuration)?;
    let program = ringback_tests::under_test!();
    let child = spawn(program, folder.path(), grpc).await?;
    let process = Process {
        program: program.to_owned(),
        folder,
        grpc,
        child,
    };
    Ok((Restart::Process(Box::new(process)), grpc, remoting))
}

async fn spawn(program: &Path, folder: &Path, grpc: SocketAddr) -> anyhow::Result<Child> {
    let mut child = Command::new(program)
        // No RINGBACK_ variable of this process.
        .env_clear()
        .args(["broker", "--log", "stderr", "--log-filter", "warn"])
        .args(["--with-parent", "--listen", &grpc.to_string(), "--data-dir"])
        .arg(folder)
        .arg("--config")
        .arg(folder.join("ringback.toml"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = child.stdout.take().context("a piped stdout")?;
    let mut lines = BufReader::new(stdout).lines();
    let ready = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    let ready = ready.context("the broker is not ready in time")??;
    ensure!(
        ready
            .as_deref()
            .is_some_and(|line| line.contains("\"ready\"")),
        "the broker did not start: {ready:?}"
    );
    Ok(child)
}
