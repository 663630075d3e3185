//! The two banks: transfers, accounts, what has arrived, and the barriers of demo mode.

use std::time::Duration;

use notification::api::bank1::{
    Account, Accounts, Held, Hold, ResultView, Transfer, TransferAnswer, TransferRequest,
    TransfersPage,
};
use notification::api::bank2::{InboxStates, InboxStatesRequest};
use notification::{BusinessState, InboxState, Source, TxNo};
use reqwest::{Method, StatusCode};

use super::{World, read, succeed};
use crate::patience::eventually;

/// How many numbers one question may hold.
const PAGE: usize = 500;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bank {
    /// The initiator.
    Bank1,
    /// The receiver.
    Bank2,
}

/// What bank1 said to a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    /// Its database has committed.
    Committed,
    /// Nothing moved.
    RolledBack,
    /// The connection broke: bank1 died, or is not there.
    NoAnswer(String),
    /// Something else.
    Other {
        /// The HTTP status.
        status: u16,
        /// The body.
        text: String,
    },
}

impl std::fmt::Display for Posted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Posted::Committed => f.write_str("committed"),
            Posted::RolledBack => f.write_str("rolled back"),
            Posted::NoAnswer(why) => write!(f, "nothing ({why})"),
            Posted::Other { status, text } => write!(f, "{status} {text}"),
        }
    }
}

impl World {
    fn base(&self, bank: Bank) -> &str {
        match bank {
            Bank::Bank1 => &self.bank1,
            Bank::Bank2 => &self.bank2,
        }
    }

    /// Moves money from account 1 at bank1 to account 2 at bank2.
    pub async fn transfer(&self, tx_no: &TxNo, amount_fen: i64) -> anyhow::Result<Posted> {
        let body = TransferRequest {
            tx_no: Some(*tx_no),
            from_account: "1".to_owned(),
            to_account: "2".to_owned(),
            amount_fen,
        };
        let url = format!("{}/transfers", self.bank1);
        let response = match self.request(Method::POST, &url).json(&body).send().await {
            Ok(response) => response,
            Err(error) => return Ok(Posted::NoAnswer(error.to_string())),
        };
        let status = response.status();
        let text = match response.text().await {
            Ok(text) => text,
            Err(error) => return Ok(Posted::NoAnswer(error.to_string())),
        };
        let state = serde_json::from_str::<TransferAnswer>(&text)
            .ok()
            .map(|answer| answer.state);
        Ok(match (status, state) {
            (StatusCode::CREATED | StatusCode::OK, Some(BusinessState::Committed)) => {
                Posted::Committed
            }
            (StatusCode::INTERNAL_SERVER_ERROR, Some(BusinessState::RolledBack)) => {
                Posted::RolledBack
            }
            _ => Posted::Other {
                status: status.as_u16(),
                text,
            },
        })
    }

    /// What bank1 knows of a transfer.
    pub async fn result(&self, tx_no: &TxNo) -> anyhow::Result<ResultView> {
        let url = format!("{}/results/{tx_no}", self.bank1);
        read(self.request(Method::GET, &url).send().await?).await
    }

    /// A bank's accounts.
    pub async fn accounts(&self, bank: Bank) -> anyhow::Result<Vec<Account>> {
        let url = format!("{}/accounts", self.base(bank));
        let answer: Accounts = read(self.request(Method::GET, &url).send().await?).await?;
        Ok(answer.accounts)
    }

    /// Every transfer that bank1 has committed.
    pub async fn committed(&self) -> anyhow::Result<Vec<Transfer>> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let url = format!("{}/transfers?limit={PAGE}{after}", self.bank1);
            let page: TransfersPage = read(self.request(Method::GET, &url).send().await?).await?;
            all.extend(page.transfers);
            match page.next {
                Some(next) => after = format!("&after={next}"),
                None => return Ok(all),
            }
        }
    }

    /// What bank1 has committed and bank2 has not applied.
    pub async fn not_arrived(&self) -> anyhow::Result<Vec<Transfer>> {
        let committed = self.committed().await?;
        let mut missing = Vec::new();
        for page in committed.chunks(PAGE) {
            let states = self
                .inbox(page.iter().map(|transfer| transfer.tx_no).collect())
                .await?;
            let is_missing = |transfer: &&Transfer| {
                states.states.get(&transfer.tx_no) != Some(&InboxState::Applied)
            };
            missing.extend(page.iter().filter(is_missing).cloned());
        }
        Ok(missing)
    }

    /// Whether bank2 has applied it.
    pub async fn is_applied(&self, tx_no: &TxNo) -> anyhow::Result<bool> {
        let states = self.inbox(vec![*tx_no]).await?;
        Ok(states.states.get(tx_no) == Some(&InboxState::Applied))
    }

    async fn inbox(&self, tx_nos: Vec<TxNo>) -> anyhow::Result<InboxStates> {
        let body = InboxStatesRequest {
            source: "bank1".parse::<Source>()?,
            tx_nos,
        };
        let url = format!("{}/inbox/states", self.bank2);
        read(self.request(Method::POST, &url).json(&body).send().await?).await
    }

    /// Stops the transfer when it comes to `step`, until [`World::release`].
    pub async fn hold(&self, bank: Bank, step: &str, tx_no: &TxNo) -> anyhow::Result<()> {
        let body = Hold {
            step: step.to_owned(),
            tx_no: Some(*tx_no),
        };
        let url = format!("{}/demo/hold", self.base(bank));
        succeed(self.request(Method::POST, &url).json(&body).send().await?).await
    }

    /// Waits until the transfer stands at `step`, and says in which process.
    pub async fn held(
        &self,
        bank: Bank,
        step: &str,
        tx_no: &TxNo,
        within: Duration,
    ) -> anyhow::Result<u32> {
        let url = format!("{}/demo/held", self.base(bank));
        eventually(&format!("{tx_no} at {step}"), within, || async {
            let held: Vec<Held> = read(self.request(Method::GET, &url).send().await?).await?;
            Ok(held
                .into_iter()
                .find(|held| held.step == step && held.tx_no == *tx_no)
                .map(|held| held.pid))
        })
        .await
    }

    /// Lets go whatever is held, and holds nothing any more.
    pub async fn release(&self, bank: Bank) -> anyhow::Result<()> {
        let url = format!("{}/demo/release", self.base(bank));
        succeed(self.request(Method::POST, &url).send().await?).await
    }

    /// From now on bank2 takes transfers of 5.00.
    pub async fn repair_bank2(&self) -> anyhow::Result<()> {
        let url = format!("{}/demo/repair", self.bank2);
        succeed(self.request(Method::POST, &url).send().await?).await
    }
}
