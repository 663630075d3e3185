//! The notifier's API, with the operator's token.

use notification::TxNo;
use notification::api::notifier::{NotificationView, RepairedRequest, ResendRequest, Resent};
use reqwest::{Method, Response};
use serde::Serialize;

use super::{World, is_absent, read, succeed};

/// What the record says of a repair and of a resend.
const WHY: &str = "bank2 is repaired";

impl World {
    /// What the notifier has on record; `None` before it has accepted it.
    pub async fn notification(&self, tx_no: &TxNo) -> anyhow::Result<Option<NotificationView>> {
        let url = format!("{}/notifications/{tx_no}", self.notifier);
        let response = self
            .request(Method::GET, &url)
            .bearer_auth(&self.token)
            .send()
            .await?;
        if is_absent(&response) {
            return Ok(None);
        }
        read(response).await.map(Some)
    }

    /// Tells the notifier that an endpoint has been mended, so that its last failures no longer
    /// speak against a resend.
    pub async fn repaired(&self, endpoint: &str) -> anyhow::Result<()> {
        let body = RepairedRequest {
            reason: Some(WHY.to_owned()),
        };
        succeed(
            self.tell(&format!("endpoints/{endpoint}/repaired"), &body)
                .await?,
        )
        .await
    }

    /// Sends a dead letter anew; gives its new generation.
    pub async fn resend(&self, tx_no: &TxNo) -> anyhow::Result<u32> {
        let body = ResendRequest {
            anyway: false,
            reason: Some(WHY.to_owned()),
        };
        let answer: Resent = read(
            self.tell(&format!("dead-letters/{tx_no}/resend"), &body)
                .await?,
        )
        .await?;
        Ok(answer.generation)
    }

    async fn tell(&self, path: &str, body: &impl Serialize) -> reqwest::Result<Response> {
        let url = format!("{}/{path}", self.notifier);
        self.request(Method::POST, &url)
            .bearer_auth(&self.token)
            .json(body)
            .send()
            .await
    }
}
