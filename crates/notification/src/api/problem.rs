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
        // Its own words may name it already.
        match &self.field {
            Some(field) if !text.contains(last_part(field)) => write!(f, "{field}: {text}")?,
            _ => f.write_str(text)?,
        }
        if let Some(limit) = &self.limit {
            write!(f, " ({limit})")?;
        }
        Ok(())
    }
}

/// `timeout` of `endpoint.timeout`.
fn last_part(field: &str) -> &str {
    field.rsplit_once('.').map_or(field, |(_, last)| last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_told_the_field_once() {
        let problem = |detail: &str| Problem {
            detail: detail.to_owned(),
            field: Some("endpoint.timeout".to_owned()),
            limit: Some("1s to 60s".to_owned()),
            ..Problem::default()
        };
        for (detail, read) in [
            (
                "invalid type: integer",
                "endpoint.timeout: invalid type: integer (1s to 60s)",
            ),
            (
                "endpoint.timeout: 5 is refused",
                "endpoint.timeout: 5 is refused (1s to 60s)",
            ),
        ] {
            assert_eq!(problem(detail).to_string(), read);
        }
    }
}
