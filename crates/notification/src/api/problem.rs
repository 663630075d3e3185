//! `application/problem+json`, as a client reads it (RFC 9457).

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{BusinessState, TxNo};

/// What an error answer says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// A name for this kind of problem.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The same for a reader.
    #[serde(default)]
    pub title: String,
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// What happened this time.
    #[serde(default)]
    pub detail: String,
    /// The field that is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What would have been allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// What became of the transfer, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<BusinessState>,
    /// The number concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tx_no: Option<TxNo>,
    /// The numbers that an ambiguous ending fits, at most ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.detail.is_empty() {
            &self.title
        } else {
            &self.detail
        };
        f.write_str(text)?;
        if let Some(limit) = &self.limit {
            write!(f, " ({limit})")?;
        }
        Ok(())
    }
}
