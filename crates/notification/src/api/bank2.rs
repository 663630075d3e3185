//! The receiver's HTTP: its answer to a notification, and what its inbox knows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Applied, InboxState, Source, TxNo};

/// The 200 answer to `POST /notifications`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationAnswer {
    /// For the first time, or again.
    pub result: Applied,
}

/// `POST /inbox/states`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboxStatesRequest {
    /// Whose numbers.
    pub source: Source,
    /// At most [`super::MOST_TX_NOS`].
    pub tx_nos: Vec<TxNo>,
}

/// What the inbox knows of each number that was asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxStates {
    /// One entry a number.
    pub states: BTreeMap<TxNo, InboxState>,
}
