//! The broker as a process that can be killed and comes back on the same address and folder.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use demo::{Ports, UsualPorts};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::{AUDITOR, NORMAL, PATIENCE, TRANSACTIONAL, WORKER};

pub(crate) struct BrokerProcess {
    program: PathBuf,
    folder: TempDir,
    address: SocketAddr,
    child: Child,
}

impl BrokerProcess {
    pub(crate) async fn start(program: &Path, rng: &mut fastrand::Rng) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let configuration = format!(
            r#"
            [broker.embedded]
            check_interval = "1s"
            check_max = 1000
            topic = [
                {{ name = "{NORMAL}", type = "normal" }},
                {{ name = "{TRANSACTIONAL}", type = "transaction" }},
            ]
            group = [
                {{ name = "{WORKER}", ladder = "1s,2s", retry_max_times = 1000 }},
                {{ name = "{AUDITOR}", ladder = "1s,2s", retry_max_times = 1000 }},
            ]
            "#
        );
        std::fs::write(folder.path().join("ringback.toml"), configuration).unwrap();
        let address = Ports::new(UsualPorts::Avoid, rng.fork()).pick(0).unwrap();
        let child = spawn(program, folder.path(), address).await;
        Self {
            program: program.to_owned(),
            folder,
            address,
            child,
        }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// SIGKILL: nothing is flushed, nobody is told.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    pub(crate) async fn restart(&mut self) {
        self.child = spawn(&self.program, self.folder.path(), self.address).await;
    }
}

/// Spawns the broker and waits until it says that it is ready.
async fn spawn(program: &Path, folder: &Path, address: SocketAddr) -> Child {
    let mut child = Command::new(program)
        // No RINGBACK_ variable of this process.
        .env_clear()
        .args([
            "broker",
            "--log",
            "stderr",
            "--log-filter",
            "warn",
            "--data-dir",
        ])
        .arg(folder)
        .arg("--config")
        .arg(folder.join("ringback.toml"))
        .args(["--with-parent", "--listen", &address.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    let ready = ready.expect("the broker is ready in time").unwrap();
    assert!(
        ready.is_some_and(|line| line.contains("\"ready\"")),
        "the broker did not start"
    );
    child
}
