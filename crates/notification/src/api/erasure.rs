//! `DELETE /v1/notifications/{tx_no}/content?reason=`: what others wrote, forgotten; what became of it, kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Group, NotificationState, Source, TxNo};

/// The request, in the query.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EraseRequest {
    /// Why, for the audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Erased {
    /// The number.
    pub tx_no: TxNo,
    /// One for each group and source that has it.
    pub erased: Vec<ErasedRecord>,
}

/// One record whose content is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErasedRecord {
    /// The subscription.
    pub group: Group,
    /// The initiator.
    pub source: Source,
    /// Where it stands, which stays.
    pub state: NotificationState,
    /// Attempts whose excerpt and URL are gone.
    pub attempts: u64,
    /// Letters whose body is gone: they can't be resent any more.
    pub letters: u64,
}
