//! An endpoint's settings as they lie in the table: what is shown, and the sealed whole.

use notification::{EndpointId, Invalid, SigningSecret};
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value};

use super::table::Defined;
use crate::config::EndpointConfig;
use crate::sealing::{Sealing, Unopened};

/// The settings of which nothing is shown but that they are there.
const SECRET: [&str; 5] = ["secrets", "headers", "basic", "bearer", "tls"];

/// What the column takes, with room for what sealing adds.
const LONGEST: usize = 40_000;

/// Why settings in the table can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("its settings can't be read: {0}")]
    Unopened(#[from] Unopened),
    #[error("its settings can't be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

/// The place that the sealed text is bound to.
fn place(id: &EndpointId) -> String {
    format!("endpoint/{id}")
}

/// As the table takes them.
///
/// # Errors
/// They are too long for it.
pub(crate) fn define(config: &EndpointConfig, sealing: &Sealing) -> Result<Defined, Unusable> {
    let whole = serde_json::to_string(config)?;
    if whole.len() > LONGEST {
        let value = format!("{} bytes", whole.len());
        let limit = format!("at most {LONGEST} bytes of JSON in all");
        return Err(Invalid::new("endpoint", value, limit).into());
    }
    let (shown, _) = shown(config)?;
    Ok(Defined {
        settings: serde_json::to_string(&shown)?,
        sealed: sealing.seal(&place(&config.id), &whole),
    })
}

/// As they were given.
pub(crate) fn open(
    id: &EndpointId,
    defined: &Defined,
    sealing: &Sealing,
) -> Result<EndpointConfig, Unusable> {
    let whole = sealing.open(&place(id), &defined.sealed)?;
    Ok(serde_json::from_str(&whole)?)
}

/// What may be shown, and the names of what is there and may not.
pub(crate) fn shown(
    config: &EndpointConfig,
) -> Result<(Map<String, Value>, Vec<String>), serde_json::Error> {
    let mut shown = whole(config)?;
    shown.retain(|_, value| !value.is_null());
    let mut hidden = Vec::new();
    for key in SECRET {
        match shown.remove(key) {
            // They are told apart, by their fingerprints.
            None if key == "secrets" => {}
            Some(_) if key == "secrets" => {}
            None => {}
            Some(Value::Object(members)) if key == "headers" => {
                hidden.extend(members.keys().map(|name| format!("{key}.{name}")));
            }
            Some(_) => hidden.push(key.to_owned()),
        }
    }
    Ok((shown, hidden))
}

/// Everything, in clear.
pub(crate) fn whole(config: &EndpointConfig) -> Result<Map<String, Value>, serde_json::Error> {
    match serde_json::to_value(config)? {
        Value::Object(members) => Ok(members),
        _ => Ok(Map::new()),
    }
}

/// Tells one secret from another without showing it.
pub(crate) fn fingerprint(signing: &SigningSecret) -> String {
    let hash = digest(&SHA256, signing.secret.expose().as_bytes());
    let first = hash.as_ref().iter().take(4);
    first.map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> EndpointConfig {
        let given = serde_json::json!({
            "id": "m1",
            "url": "https://m1.example/hook",
            "secrets": ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="],
            "ladder": "1s,2s",
            "accept": {"body": "success"},
        });
        serde_json::from_value(given).unwrap()
    }

    #[test]
    fn settings_come_back_whole_and_show_no_secret() {
        let defined = define(&config(), &Sealing::default()).unwrap();
        assert!(!defined.settings.contains("whsec_"), "{}", defined.settings);
        let back = open(&config().id, &defined, &Sealing::default()).unwrap();
        assert_eq!(back.secrets, config().secrets);
        assert_eq!(whole(&back).unwrap(), whole(&config()).unwrap());
        let shown: Map<String, Value> = serde_json::from_str(&defined.settings).unwrap();
        assert_eq!(shown["ladder"], "1s 2s");
        assert_eq!(shown["timeout"], "10s");
    }

    #[test]
    fn settings_that_the_column_would_cut_are_refused() {
        let mut long = config();
        long.accept = notification::Accept::Body("x".repeat(LONGEST));
        let error = define(&long, &Sealing::default()).unwrap_err().to_string();
        assert!(error.contains("at most 40000 bytes"), "{error}");
    }

    #[test]
    fn a_fingerprint_is_the_same_for_the_same_secret_and_says_nothing_of_it() {
        let print = fingerprint(&config().secrets[0]);
        assert_eq!(print, fingerprint(&config().secrets[0]));
        assert_eq!(print.len(), 8);
    }
}
