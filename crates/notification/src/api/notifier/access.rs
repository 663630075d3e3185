//! Who may use the notifier's API, and what was done with it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::TokenName;
use crate::words::words;

words!(
    /// What a token allows. `operate` includes `read`.
    Role, "role" {
        /// Asking.
        Read = "read",
        /// Asking, and changing what happens.
        Operate = "operate",
    }
);

words!(
    /// What an operator did.
    AuditAction, "action" {
        /// A dead letter sent anew, as a new generation.
        Resend = "resend",
        /// A dead letter given up.
        Discard = "discard",
        /// A dead letter on its way to the dead-letter topic anew.
        Forward = "forward",
        /// A waiting notification's next attempt brought forward.
        RingNow = "ring_now",
        /// A notification withdrawn before its delivery.
        Withdraw = "withdraw",
        /// An endpoint said to work again.
        Repaired = "repaired",
        /// An endpoint added.
        EndpointAdd = "endpoint_add",
        /// An endpoint's settings changed.
        EndpointEdit = "endpoint_edit",
        /// An endpoint removed.
        EndpointRemove = "endpoint_remove",
        /// An endpoint paused.
        EndpointPause = "endpoint_pause",
        /// An endpoint's pause ended.
        EndpointResume = "endpoint_resume",
        /// An endpoint disabled.
        EndpointDisable = "endpoint_disable",
        /// A disabled endpoint enabled.
        EndpointEnable = "endpoint_enable",
        /// An endpoint's secret rotated.
        EndpointRotate = "endpoint_rotate",
        /// A test notification sent to an endpoint.
        EndpointTest = "endpoint_test",
        /// A job over many dead letters begun.
        JobStart = "job_start",
        /// A job stopped.
        JobStop = "job_stop",
        /// A stopped job resumed.
        JobResume = "job_resume",
        /// What is stored of a notification's content erased.
        Erase = "erase",
        /// A token made.
        TokenAdd = "token_add",
        /// A token revoked.
        TokenRevoke = "token_revoke",
    }
);

/// `GET /v1/audit`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// Only this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<AuditAction>,
    /// Only what was done to this: `group/source/tx_no`, a letter's id, an endpoint's, a token's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Only what this operator did: a token's name or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// Not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<i64>,
    /// Before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<i64>,
    /// The cursor: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// 1 to 500; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A page of what operators did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditPage {
    /// Newest first.
    pub entries: Vec<AuditEntry>,
    /// The cursor to ask with next; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One deed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    /// Its place in the list.
    pub id: String,
    /// When.
    pub at_ms: i64,
    /// Whose token it was: its name.
    pub operator: String,
    /// The token's id; `file` is the token in the notifier's data folder.
    pub token_id: String,
    /// What was done.
    pub action: AuditAction,
    /// To what.
    pub target: String,
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What came of it.
    pub result: String,
    /// The request's id, as its answer's `x-request-id` said.
    pub request_id: String,
}

/// `POST /v1/tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// Who is to have it.
    pub name: TokenName,
    /// What it allows.
    pub role: Role,
    /// From when on it is refused; never, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<i64>,
    /// Why, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The 201 answer: the only time that the token is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenMade {
    /// What the list shows of it.
    #[serde(flatten)]
    pub line: TokenLine,
    /// The token itself: `rbt_<id>_<secret>`.
    pub token: String,
}

/// `GET /v1/tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokensQuery {
    /// The cursor: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// 1 to 500; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A page of tokens, the revoked ones too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokensPage {
    /// By id.
    pub tokens: Vec<TokenLine>,
    /// The cursor to ask with next; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A token without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenLine {
    /// Its public part.
    pub id: String,
    /// Who has it.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// When it was made.
    pub created_ms: i64,
    /// By whom.
    pub created_by: String,
    /// When it was used last, to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_ms: Option<i64>,
    /// From when on it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<i64>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_ms: Option<i64>,
}

/// `POST /v1/tokens/{id}/revoke`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeRequest {
    /// Why, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
