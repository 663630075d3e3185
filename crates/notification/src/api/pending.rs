//! What is undelivered: how much, for whom, since when.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{EndpointId, Group, Source, TxNo};

/// `GET /v1/pending`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PendingQuery {
    /// Only this endpoint, and its notifications that are due first with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<EndpointId>,
    /// How many endpoints, or notifications of the one endpoint, at most: 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// What waits to be delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pending {
    /// In all, over all endpoints asked about.
    pub waiting: u64,
    /// Endpoints for which something waits.
    pub endpoints_waiting: u64,
    /// By endpoint, the oldest first.
    pub endpoints: Vec<PendingEndpoint>,
    /// Of the one endpoint that was asked about: its notifications, those due first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notifications: Vec<PendingNotification>,
}

/// What waits for one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PendingEndpoint {
    /// Which.
    pub endpoint: EndpointId,
    /// `open`, `paused` or `disabled`; `unknown` for one that is not there any more.
    pub operation: String,
    /// Whether its breaker keeps attempts back at this replica.
    pub breaker_open: bool,
    /// How many wait.
    pub waiting: u64,
    /// When the oldest of them was accepted.
    pub oldest_ms: i64,
    /// When the next of them is due.
    pub next_due_ms: Option<i64>,
    /// That one: it was due first.
    pub first: PendingNotification,
}

/// One notification that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PendingNotification {
    /// The subscription.
    pub group: Group,
    /// The initiator.
    pub source: Source,
    /// Its number.
    pub tx_no: TxNo,
    /// What a person searches for.
    pub business_key: String,
    /// 0, and one more for each resend.
    pub generation: u32,
    /// Attempts of this generation so far.
    pub attempts: u32,
    /// Times it was put off without an attempt.
    pub parks: u32,
    /// When it was accepted.
    pub accepted_ms: i64,
    /// When it is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due_ms: Option<i64>,
    /// The last answer's status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_status: Option<u16>,
    /// The last failure, or why it was put off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}
