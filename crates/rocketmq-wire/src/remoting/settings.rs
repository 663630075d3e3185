//! What a broker says of itself: its configuration (26) and its state (28).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::field::{FieldError, body};
use super::{BROKER_SETTINGS, Frame, RUNTIME_INFO};

/// The key of a broker's state under which it says its version, e.g. `V5_5_0`.
pub const VERSION: &str = "brokerVersionDesc";

/// Request 26: a broker's configuration.
#[must_use]
pub fn broker_settings(opaque: i32) -> Frame {
    Frame::request(BROKER_SETTINGS, opaque)
}

/// Reads the answer to [`broker_settings`]: `key=value` lines, in which nothing is escaped. A line
/// without `=` is passed over.
///
/// # Errors
/// When the body is not UTF-8.
pub fn read_settings(answer: &Frame) -> Result<BTreeMap<String, String>, FieldError> {
    let text = std::str::from_utf8(&answer.body)
        .map_err(|error| FieldError::new("body", error.to_string()))?;
    let lines = text.lines().filter_map(|line| line.split_once('='));
    Ok(lines
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .collect())
}

/// The body of the answer to [`broker_settings`].
#[must_use]
pub fn settings_body(settings: &BTreeMap<String, String>) -> Vec<u8> {
    let lines = settings
        .iter()
        .map(|(key, value)| format!("{key}={value}\n"));
    lines.collect::<String>().into_bytes()
}

/// Request 28: a broker's state.
#[must_use]
pub fn runtime_info(opaque: i32) -> Frame {
    Frame::request(RUNTIME_INFO, opaque)
}

/// Body of the answer to [`runtime_info`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RuntimeInfo {
    /// Names and values, numbers as text too.
    #[serde(default)]
    pub table: BTreeMap<String, String>,
}

impl RuntimeInfo {
    /// The answer's body.
    ///
    /// # Errors
    /// [`FieldError`] if it cannot be written, which no value here leads to.
    pub fn to_body(&self) -> Result<Vec<u8>, FieldError> {
        serde_json::to_vec(self).map_err(|error| FieldError::new("body", error.to_string()))
    }

    /// Reads the answer.
    ///
    /// # Errors
    /// When the body is not the JSON it should be.
    pub fn from_frame(frame: &Frame) -> Result<Self, FieldError> {
        body(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_lines_and_the_first_equals_sign_divides() {
        let settings: BTreeMap<String, String> = [
            ("flushDiskType", "SYNC_FLUSH"),
            ("messageDelayLevel", "1s 5s 10s"),
            ("rocksdbConfig", "a=b;c=d"),
            ("storePathDLedgerCommitLog", ""),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        let frame = Frame {
            body: settings_body(&settings).into(),
            ..Frame::default()
        };
        assert_eq!(read_settings(&frame), Ok(settings));
    }

    #[test]
    fn a_state_survives_its_body() {
        let info = RuntimeInfo {
            table: [(VERSION.to_owned(), "V5_5_0".to_owned())].into(),
        };
        let frame = Frame {
            body: info.to_body().unwrap().into(),
            ..Frame::default()
        };
        assert_eq!(RuntimeInfo::from_frame(&frame), Ok(info));
    }
}
