//! Reading named fields and bodies: what is absent or impossible is named.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::de::DeserializeOwned;

use super::{Frame, json};

/// A request or an answer that lacks a field, or has an impossible value there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct FieldError {
    /// The field's name on the wire.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl FieldError {
    pub(super) fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self {
            field,
            reason: reason.into(),
        }
    }
}

/// A field that must be there and not empty.
pub(super) fn text<'f>(frame: &'f Frame, name: &'static str) -> Result<&'f str, FieldError> {
    match frame.ext_fields.get(name) {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(FieldError::new(name, "absent")),
    }
}

/// A field that must be there and a number.
pub(super) fn number<T: FromStr>(frame: &Frame, name: &'static str) -> Result<T, FieldError> {
    let value = text(frame, name)?;
    value.parse().map_err(|_| wrong_number(name, value))
}

/// A field that is a number, if it is there.
pub(super) fn number_or<T: FromStr>(
    frame: &Frame,
    name: &'static str,
    otherwise: T,
) -> Result<T, FieldError> {
    match frame.ext_fields.get(name).map(String::as_str) {
        None | Some("") => Ok(otherwise),
        Some(value) => value.parse().map_err(|_| wrong_number(name, value)),
    }
}

fn wrong_number(name: &'static str, value: &str) -> FieldError {
    let shown: String = value.chars().take(40).collect();
    FieldError::new(name, format!("{shown:?} is no number in its range"))
}

/// A frame's body as JSON, or what passes for it.
pub(super) fn body<T: DeserializeOwned>(frame: &Frame) -> Result<T, FieldError> {
    json::from_slice(&frame.body).map_err(|error| FieldError::new("body", error.to_string()))
}

/// Fields by name.
pub(super) fn fields<const N: usize>(
    fields: [(&'static str, String); N],
) -> BTreeMap<String, String> {
    fields.map(|(name, value)| (name.to_owned(), value)).into()
}
