//! The initiator's HTTP: transfers, accounts and the result that a receiver may ask for.

use serde::{Deserialize, Serialize};

use crate::{BusinessState, Outcome, TxNo};

/// `POST /transfers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferRequest {
    /// Made by the caller, so that it can go on asking; made by bank1 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tx_no: Option<TxNo>,
    /// The account at bank1.
    pub from_account: String,
    /// The account at bank2.
    pub to_account: String,
    /// More than 0.
    pub amount_fen: i64,
}

/// The answer to a transfer: 201, 200 for one done before, 202 if the state is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferAnswer {
    /// Its number.
    pub tx_no: TxNo,
    /// What became of it.
    pub state: BusinessState,
    /// How far it was when, counted from the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<TookMs>,
}

/// Milliseconds from the request to each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TookMs {
    /// The half message is held.
    pub half: u64,
    /// The account is debited.
    pub debited: u64,
    /// The database has committed.
    pub committed: u64,
    /// The broker confirmed the end; absent if it did not: the check-back will settle that.
    pub ended: Option<u64>,
}

/// `GET /bank1/transfer?accountNo=1&amount=10.00`, as the RocketMQ tutorials write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TutorialTransfer {
    /// The account at bank1; the money goes to account 2.
    pub account_no: String,
    /// In yuan.
    pub amount: String,
}

/// `GET /accounts` of either bank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounts {
    /// In the order of their numbers.
    pub accounts: Vec<Account>,
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its number.
    pub account_no: String,
    /// Its owner.
    pub name: String,
    /// What it holds.
    pub balance_fen: i64,
    /// What it held at first.
    pub opening_fen: i64,
}

/// `GET /results/{tx_no}`: always 200.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultView {
    /// The number asked about.
    pub tx_no: TxNo,
    /// What became of the business transaction.
    pub state: BusinessState,
    /// What the notifier has said so far; absent if there is no row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The `host:pid` that answered a check-back for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_by: Option<String>,
}

/// `GET /transfers`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransfersQuery {
    /// The last number of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<TxNo>,
    /// At most 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A page of committed transfers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransfersPage {
    /// In the order of their numbers.
    pub transfers: Vec<Transfer>,
    /// What to ask for next; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<TxNo>,
}

/// A committed transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Its number.
    pub tx_no: TxNo,
    /// The account at bank1.
    pub from_account: String,
    /// The account at bank2.
    pub to_account: String,
    /// Its amount.
    pub amount_fen: i64,
}

/// What bank1 tells bank2: the notification's body. It holds no clock, so that the same transfer
/// always has the same hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferBody {
    /// Its number.
    pub tx_no: TxNo,
    /// The account at bank1.
    pub from_account: String,
    /// The account at bank2.
    pub to_account: String,
    /// The amount.
    pub amount_fen: i64,
}

/// `POST /demo/hold`: stop at this step, for one transfer or for the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// `before_half`, `after_half`, `after_insert`, `before_commit`, `after_commit`, `after_end`;
    /// at bank2 `after_apply`.
    pub step: String,
    /// The one to stop; absent: whichever comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tx_no: Option<TxNo>,
}

/// One line of `GET /demo/held`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Where it stands.
    pub step: String,
    /// Which one.
    pub tx_no: TxNo,
    /// In which process.
    pub pid: u32,
}
