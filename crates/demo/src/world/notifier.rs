//! The notifier's API, with the operator's token.

use notification::TxNo;
use notification::api::notifier::{NotificationView, ResendRequest, Resent};
use reqwest::Method;

use super::{World, is_absent, read, succeed};

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
        let url = format!("{}/endpoints/{endpoint}/repaired", self.notifier);
        succeed(
            self.request(Method::POST, &url)
                .bearer_auth(&self.token)
                .send()
                .await?,
        )
        .await
    }

    /// Sends a dead letter anew; gives its new generation.
    pub async fn resend(&self, tx_no: &TxNo) -> anyhow::Result<u32> {
        let url = format!("{}/dead-letters/{tx_no}/resend", self.notifier);
        let body = ResendRequest {
            anyway: false,
            reason: Some("bank2 is repaired".to_owned()),
        };
        let response = self
            .request(Method::POST, &url)
            .bearer_auth(&self.token)
            .json(&body)
            .send()
            .await?;
        let answer: Resent = read(response).await?;
        Ok(answer.generation)
    }
}
