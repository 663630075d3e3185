//! Carries notices to a webhook and to a command, to each in order, each tried until it is through or too old.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use notification::{Secret, headers, sign};
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use serde::Serialize;
use service::http_client::{HttpOptions, build};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::mpsc;

use crate::config::Config;
use crate::notice::{Notice, Process};
use crate::shared::Outgoing;

/// The deadline over one request or one run of the command.
const DEADLINE: Duration = Duration::from_secs(30);

/// From one try to the next: each doubles the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A notice that could not be sent for this long is given up: newer ones wait behind it.
const PATIENCE: Duration = Duration::from_secs(600);

/// Where notices go. Each has a queue of its own: one that does not answer keeps no other waiting.
pub(crate) struct Destination {
    process: Process,
    way: Way,
}

enum Way {
    Webhook(Webhook),
    Command(Vec<String>),
}

struct Webhook {
    client: Client,
    url: String,
    secrets: Vec<Secret>,
}

/// What is posted, and what the command reads.
#[derive(Serialize)]
struct Message<'a> {
    /// The same for each try.
    id: &'a str,
    /// The same for each notice of this alarm.
    key: String,
    /// Which process says so.
    service: &'a str,
    worker: &'a str,
    #[serde(flatten)]
    notice: &'a Notice,
}

/// Those that the configuration names.
///
/// # Errors
/// A secret can't be read.
pub(crate) fn destinations(config: &Config, process: &Process) -> anyhow::Result<Vec<Destination>> {
    let mut ways = Vec::new();
    if let Some(url) = &config.webhook {
        ways.push(Way::Webhook(Webhook {
            client: build(&HttpOptions {
                timeout: DEADLINE,
                ..HttpOptions::default()
            })?,
            url: url.clone(),
            secrets: config.read_secrets()?,
        }));
    }
    if !config.command.is_empty() {
        ways.push(Way::Command(config.command.clone()));
    }
    let destination = |way| Destination {
        process: process.clone(),
        way,
    };
    Ok(ways.into_iter().map(destination).collect())
}

impl Destination {
    /// `webhook` or `command`.
    pub(crate) fn name(&self) -> &'static str {
        match self.way {
            Way::Webhook(_) => "webhook",
            Way::Command(_) => "command",
        }
    }

    /// Sends what comes, until nothing comes any more.
    pub(crate) async fn run(self, mut unsent: mpsc::Receiver<Outgoing>) {
        while let Some(outgoing) = unsent.recv().await {
            if self.send(&outgoing.id, &outgoing.notice).await {
                outgoing.went_out();
            } else {
                outgoing.was_given_up();
            }
        }
    }

    /// Whether it got through.
    async fn send(&self, id: &str, notice: &Notice) -> bool {
        let message = Message {
            id,
            key: format!("{}/{}", self.process.service, notice.name),
            service: &self.process.service,
            worker: &self.process.worker,
            notice,
        };
        let body = serde_json::to_vec(&message).expect("a notice is JSON");
        match &self.way {
            Way::Webhook(webhook) => until_through(self.name(), || webhook.post(id, &body)).await,
            Way::Command(command) => until_through(self.name(), || give(command, &body)).await,
        }
    }
}

impl Webhook {
    async fn post(&self, id: &str, body: &[u8]) -> anyhow::Result<()> {
        let timestamp_s = service::clock::now_ms().div_euclid(1000);
        let response = self
            .client
            .post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header(headers::WEBHOOK_ID, id)
            .header(headers::WEBHOOK_TIMESTAMP, timestamp_s)
            .header(
                headers::WEBHOOK_SIGNATURE,
                sign(&self.secrets, id, timestamp_s, body),
            )
            .body(body.to_vec())
            .send()
            .await
            // Whoever has the address of such a hook may often post to it.
            .map_err(reqwest::Error::without_url)?;
        let status = response.status();
        if !status.is_success() {
            bail!("status {}", status.as_u16());
        }
        Ok(())
    }
}

/// Runs the command with the message on its standard input.
async fn give(command: &[String], body: &[u8]) -> anyhow::Result<()> {
    let (program, arguments) = command.split_first().context("the command is empty")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("starting {program}"))?;
    let mut stdin = child.stdin.take().context("its standard input")?;
    let run = async {
        // A command that does not read is no failure of its own: its exit code says how it went.
        let _unread = stdin.write_all(body).await.is_err();
        drop(stdin);
        child.wait().await
    };
    let ended = tokio::time::timeout(DEADLINE, run).await;
    let status = ended.with_context(|| format!("{program} did not end within {DEADLINE:?}"))??;
    if !status.success() {
        bail!("{program} ended with {status}");
    }
    Ok(())
}

/// Whether it got through in time.
async fn until_through<F: Future<Output = anyhow::Result<()>>>(
    what: &str,
    mut attempt: impl FnMut() -> F,
) -> bool {
    let began = Instant::now();
    let mut pause = FIRST_PAUSE;
    while let Err(error) = attempt().await {
        let given_up = began.elapsed() >= PATIENCE;
        tracing::error!(event = "alarm_not_sent", what, error = %format!("{error:#}"), given_up);
        if given_up {
            return false;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    true
}
