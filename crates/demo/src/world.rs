//! What the story can ask and do: the services' HTTP APIs, and nothing behind them.
//!
//! Every request uses a connection of its own: the services are killed and restarted, and a POST
//! that failed on a dead pooled connection would look like a process that died of it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use notification::TxNo;
use notification::api::notifier::NotificationView;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;

use crate::addresses::Addresses;
use crate::patience::eventually;

mod banks;
mod notifier;

pub use banks::{Bank, Posted};

/// Every answer comes within this; bank1's slowest is a transfer whose broker died.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A client of the running services.
#[derive(Debug, Clone)]
pub struct World {
    http: reqwest::Client,
    bank1: String,
    bank2: String,
    notifier: String,
    token: String,
}

impl World {
    /// A client of the services at `addresses`; reads the operator's token from the data folder.
    pub fn new(http: reqwest::Client, addresses: &Addresses, data: &Path) -> anyhow::Result<World> {
        let path = data.join("token");
        let token = std::fs::read_to_string(&path)
            .with_context(|| format!("reading the operator's token {}", path.display()))?;
        let Addresses {
            bank1,
            bank2,
            notifier,
            ..
        } = addresses;
        Ok(World::at(http, [*bank1, *bank2, *notifier], &token))
    }

    /// A client of services that run already: bank1, bank2 and the notifier.
    pub fn at(http: reqwest::Client, services: [SocketAddr; 3], token: &str) -> World {
        let [bank1, bank2, notifier] = services;
        World {
            http,
            bank1: format!("http://{bank1}"),
            bank2: format!("http://{bank2}"),
            notifier: format!("http://{notifier}/v1"),
            token: token.trim().to_owned(),
        }
    }

    /// A number for a new transfer.
    pub fn fresh_tx_no(&self) -> TxNo {
        // The number is made here and not at bank1, so that it can be asked about when bank1 dies.
        let id = uuid::Uuid::now_v7();
        let bytes = id.as_bytes();
        let mut random = [0; 10];
        random.copy_from_slice(&bytes[6..]);
        let unix_ms = bytes[..6]
            .iter()
            .fold(0_u64, |ms, byte| ms << 8 | u64::from(*byte));
        TxNo::from_parts(unix_ms, random)
    }

    /// Waits until the notifier is done with a transfer, one way or the other.
    pub async fn settled(
        &self,
        tx_no: &TxNo,
        within: Duration,
    ) -> anyhow::Result<NotificationView> {
        let what = format!("the end of {tx_no}");
        eventually(&what, within, || async {
            let view = self.notification(tx_no).await?;
            Ok(view
                .filter(|view| view.notification.state != notification::NotificationState::Waiting))
        })
        .await
    }

    fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.http
            .request(method, url)
            .timeout(ANSWER_WITHIN)
            .header("connection", "close")
    }
}

/// The answer's body if its status is a success.
async fn read<T: DeserializeOwned>(response: Response) -> anyhow::Result<T> {
    let status = response.status();
    let url = response.url().clone();
    let text = response
        .text()
        .await
        .with_context(|| format!("reading the answer of {url}"))?;
    anyhow::ensure!(status.is_success(), "{url} answered {status}: {text}");
    serde_json::from_str(&text).with_context(|| format!("{url} answered {text}"))
}

/// As [`read`], for answers whose body says nothing.
async fn succeed(response: Response) -> anyhow::Result<()> {
    let (status, url) = (response.status(), response.url().clone());
    if status.is_success() {
        return Ok(());
    }
    let text = response.text().await.unwrap_or_default();
    anyhow::bail!("{url} answered {status}: {text}")
}

fn is_absent(response: &Response) -> bool {
    response.status() == StatusCode::NOT_FOUND
}
