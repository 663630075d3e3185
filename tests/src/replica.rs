//! One more process of a service: beside the stage's own on a port of its own, or in its place.
//!
//! It reads the stage's configuration and works on the same folder and databases, as a second machine
//! would on the same servers.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use demo::{Addresses, ServiceKind, World};
use nix::sys::signal::Signal;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

use crate::{PATIENCE, TestStage, http, send, spawn};

/// How long it may take from spawn to its ready line.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// The process; dropping it kills it.
#[derive(Debug)]
pub struct Replica {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its process.
    pub pid: u32,
    child: Child,
    /// Held open: a service that prints to a closed pipe would fail.
    _stdout: Lines<BufReader<ChildStdout>>,
}

#[derive(Deserialize)]
struct Ready {
    ready: String,
    address: SocketAddr,
}

impl Replica {
    /// Starts one of `kind` beside the stage's, on any free port.
    pub async fn beside(on: &TestStage, program: &Path, kind: ServiceKind) -> Replica {
        Replica::at(on, program, kind, ([127, 0, 0, 1], 0).into()).await
    }

    /// Starts one of `kind` on `address`, whose owner has to be gone.
    pub async fn at(
        on: &TestStage,
        program: &Path,
        kind: ServiceKind,
        address: SocketAddr,
    ) -> Replica {
        let args = arguments(on, kind, address);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut child = spawn(program, on.folder.path(), &args);
        let mut said = child.stderr.take().expect("stderr is piped");
        let pid = child.id().expect("it was not waited for");
        let log = on.folder.logs().join(format!("{kind}-{pid}.stderr"));
        let mut log = tokio::fs::File::create(log)
            .await
            .expect("the folder can be written to");
        tokio::spawn(async move {
            // A log: what it lacks at the end is missed by nobody but a reader.
            let _ = tokio::io::copy(&mut said, &mut log).await;
        });
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let reading = async {
            while let Some(line) = stdout.next_line().await.expect("the program prints UTF-8") {
                match serde_json::from_str::<Ready>(&line) {
                    Ok(ready) if ready.ready == kind.name() => return ready.address,
                    _ => {}
                }
            }
            panic!("the second {kind} ended before it was ready");
        };
        let address = tokio::time::timeout(READY_WITHIN, reading).await;
        Replica {
            address: address.unwrap_or_else(|_| panic!("no {kind} within {READY_WITHIN:?}")),
            pid,
            child,
            _stdout: stdout,
        }
    }

    /// A client of the stage's services, with this one in the place of its own kind.
    pub fn world(&self, on: &TestStage, kind: ServiceKind) -> World {
        let mut addresses: Addresses = on.stage.addresses.clone();
        match kind {
            ServiceKind::Bank1 => addresses.bank1 = self.address,
            ServiceKind::Bank2 => addresses.bank2 = self.address,
            ServiceKind::Notifier => addresses.notifier = self.address,
            ServiceKind::Broker => panic!("nobody asks a broker over HTTP"),
        }
        World::new(http(), &addresses, on.folder.path()).expect("the token is made by now")
    }

    /// Kills it with SIGKILL, and waits until it is gone.
    pub async fn kill9(mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// Asks it to end, and waits until it has done so in good order.
    pub async fn stop(mut self) {
        send(self.pid, Signal::SIGTERM);
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = ended
            .expect("it ends when it is asked to")
            .expect("a child can be waited for");
        assert!(status.success(), "{status}");
    }
}

/// The command line of a service of the stage, for another process of it.
pub fn arguments(on: &TestStage, kind: ServiceKind, address: SocketAddr) -> Vec<String> {
    let data = on.folder.path();
    let mut args = vec![
        kind.name().to_owned(),
        "--config".to_owned(),
        data.join("ringback.toml").display().to_string(),
        "--data-dir".to_owned(),
        data.display().to_string(),
        "--listen".to_owned(),
        address.to_string(),
    ];
    if matches!(kind, ServiceKind::Bank1 | ServiceKind::Bank2) {
        args.push("--demo".to_owned());
    }
    args
}
