//! One service of a docker compose project, as containers that can be killed for real.
//!
//! The project is somebody else's: it was brought up by compose, with whatever version and files. So nothing here
//! asks compose; the `docker` command finds a service's containers by the labels that every version sets, and a
//! container is ready when its own health check says so.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use tokio::process::Command;

use crate::patience::eventually;

/// How long one `docker` command may take.
const COMMAND_WITHIN: Duration = Duration::from_secs(60);
/// How long a killed container may take to be healthy again: a broker's JVM on a loaded machine.
const HEALTHY_WITHIN: Duration = Duration::from_secs(180);

/// The containers of one service: one, or several replicas.
#[derive(Debug, Clone)]
pub struct Containers {
    service: String,
    ids: Vec<String>,
}

impl Containers {
    /// Finds the containers of a service, running or not.
    ///
    /// # Errors
    /// There are none, or `docker` can't be run.
    pub async fn find(project: &str, service: &str) -> anyhow::Result<Containers> {
        let (of_project, of_service) = (
            format!("label=com.docker.compose.project={project}"),
            format!("label=com.docker.compose.service={service}"),
        );
        let found = docker(&[
            "ps",
            "--all",
            "--quiet",
            "--no-trunc",
            "--filter",
            &of_project,
            "--filter",
            &of_service,
            // Not those that `compose run` made.
            "--filter",
            "label=com.docker.compose.oneoff=False",
        ])
        .await?;
        let ids: Vec<String> = found.lines().map(str::to_owned).collect();
        anyhow::ensure!(
            !ids.is_empty(),
            "the compose project {project} has no container of {service}"
        );
        let service = service.to_owned();
        Ok(Containers { service, ids })
    }

    /// Where a port of the first of them is published on this machine.
    pub async fn published(&self, port: u16) -> anyhow::Result<SocketAddr> {
        let port = format!("{port}/tcp");
        let published = docker(&["port", &self.ids[0], &port]).await?;
        let first = published.lines().next().unwrap_or_default();
        let mut address: SocketAddr = first
            .parse()
            .with_context(|| format!("{}: port {port} is published at {first:?}", self.service))?;
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        Ok(address)
    }

    /// What a file in the first of them says.
    pub async fn read(&self, path: &str) -> anyhow::Result<String> {
        docker(&["exec", &self.ids[0], "cat", path]).await
    }

    /// The process of the first of them, by its number on this machine; `None` if it does not run.
    pub async fn pid(&self) -> anyhow::Result<Option<u32>> {
        let pid = self.inspect(&self.ids[0], "{{.State.Pid}}").await?;
        let pid: u32 = pid.parse()?;
        Ok(Some(pid).filter(|pid| *pid != 0))
    }

    /// Sends SIGKILL to all of them. A container killed this way stays dead until [`Containers::start`]: compose's
    /// restart policies are for those that die by themselves.
    pub async fn kill9(&self) -> anyhow::Result<()> {
        self.all(&["kill", "--signal", "KILL"]).await
    }

    /// Starts those that don't run, and waits until all are healthy.
    pub async fn start(&self) -> anyhow::Result<()> {
        self.all(&["start"]).await?;
        self.healthy().await
    }

    /// Waits until all are healthy.
    pub async fn healthy(&self) -> anyhow::Result<()> {
        let what = format!("{} healthy", self.service);
        eventually(&what, HEALTHY_WITHIN, || async {
            for id in &self.ids {
                let health = self.inspect(id, "{{.State.Health.Status}}").await?;
                anyhow::ensure!(health == "healthy", "{} is {health}", self.service);
            }
            Ok(Some(()))
        })
        .await
    }

    /// Waits until the first one's process is another than `pid`.
    pub async fn replaced(&self, pid: u32, within: Duration) -> anyhow::Result<()> {
        let what = format!("the end of {} (pid {pid})", self.service);
        eventually(&what, within, || async {
            let now = self.pid().await?;
            Ok((now != Some(pid)).then_some(()))
        })
        .await
    }

    async fn all(&self, command: &[&str]) -> anyhow::Result<()> {
        let ids = self.ids.iter().map(String::as_str);
        let words: Vec<&str> = command.iter().copied().chain(ids).collect();
        docker(&words).await.map(drop)
    }

    async fn inspect(&self, id: &str, format: &str) -> anyhow::Result<String> {
        docker(&["inspect", "--format", format, id]).await
    }
}

/// What `docker` with these words says.
async fn docker(words: &[&str]) -> anyhow::Result<String> {
    let command = Command::new("docker")
        .args(words)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let shown = words.first().copied().unwrap_or_default();
    let output = tokio::time::timeout(COMMAND_WITHIN, command)
        .await
        .map_err(|_elapsed| anyhow::anyhow!("docker {shown}: not within {COMMAND_WITHIN:?}"))?
        .context("docker can't be run")?;
    anyhow::ensure!(
        output.status.success(),
        "docker {shown}: {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
