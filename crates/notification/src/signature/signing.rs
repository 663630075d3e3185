//! A secret that signs: for good, or until a moment while its successor takes over.
//!
//! To rotate, put the new secret first and give the old one an `until` that leaves the receiver time to learn the new
//! one. Until then both sign, so a receiver that knows either can verify, and what sleeps on the ladder meanwhile is no
//! exception: each attempt is signed with what is in force when it is sent.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::Secret;
use crate::Invalid;

/// More secrets than this at a time are not taken: each adds a signature to every request.
const MOST: usize = 8;

const UNTIL: &str = "a moment such as 2026-12-31T00:00:00Z";

/// A secret and its end. Spelled `"whsec_…"`, or `{ secret = "whsec_…", until = "2026-12-31T00:00:00Z" }`.
/// Serialised it is in clear, for whoever has to keep it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Spelled", into = "Spelled")]
pub struct SigningSecret {
    /// What signs.
    pub secret: Secret,
    /// From this moment on it no longer does; ms since 1970. `None`: it has no end.
    pub until_ms: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = r#""whsec_…" or { secret = "whsec_…", until = "2026-12-31T00:00:00Z" }"#
)]
enum Spelled {
    ForGood(String),
    Until(SpelledUntil),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpelledUntil {
    secret: String,
    until: String,
}

impl From<Secret> for SigningSecret {
    fn from(secret: Secret) -> Self {
        Self {
            secret,
            until_ms: None,
        }
    }
}

impl SigningSecret {
    /// Whether it signs what is sent at this moment.
    pub fn signs_at(&self, now_ms: i64) -> bool {
        self.until_ms.is_none_or(|until_ms| now_ms < until_ms)
    }

    /// Reads a file of secrets: one a line, blank lines and `#` comments aside, at least one. A line may go on with
    /// `until` and a moment. Complaints name `field` and never repeat a secret.
    pub fn from_lines(text: &str, field: &str) -> Result<Vec<Self>, Invalid> {
        let lines = text.lines().map(str::trim);
        let secrets = lines
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| Self::from_line(line).map_err(|bad| bad.in_field(field)))
            .collect::<Result<Vec<_>, _>>()?;
        if secrets.is_empty() {
            let limit = "at least one secret";
            return Err(Invalid::new(field, "a file without one", limit));
        }
        Ok(secrets)
    }

    fn from_line(line: &str) -> Result<Self, Invalid> {
        let Some((secret, rest)) = line.split_once(char::is_whitespace) else {
            return Ok(Self::from(line.parse::<Secret>()?));
        };
        let secret = secret.parse()?;
        let Some(until) = rest.trim_start().strip_prefix("until ") else {
            let limit = "a secret, and at most `until` and a moment behind it";
            return Err(Invalid::new("secret", "(hidden)", limit));
        };
        Ok(Self {
            secret,
            until_ms: Some(moment(until)?),
        })
    }

    /// Refuses a list that cannot sign for ever: none, too many, or none without an end.
    pub fn check(secrets: &[Self], field: &str) -> Result<(), Invalid> {
        if !(1..=MOST).contains(&secrets.len()) {
            let limit = format!("1 to {MOST} secrets");
            return Err(Invalid::new(field, secrets.len(), limit));
        }
        if secrets.iter().all(|signing| signing.until_ms.is_some()) {
            let limit = "at least one secret without `until`, or nothing would sign one day";
            return Err(Invalid::new(field, "each has its end", limit));
        }
        Ok(())
    }
}

impl TryFrom<Spelled> for SigningSecret {
    type Error = Invalid;

    fn try_from(spelled: Spelled) -> Result<Self, Invalid> {
        match spelled {
            Spelled::ForGood(secret) => Ok(Self::from(secret.parse::<Secret>()?)),
            Spelled::Until(SpelledUntil { secret, until }) => Ok(Self {
                secret: secret.parse()?,
                until_ms: Some(moment(&until)?),
            }),
        }
    }
}

impl From<SigningSecret> for Spelled {
    fn from(signing: SigningSecret) -> Self {
        let secret = signing.secret.expose();
        match signing.until_ms {
            None => Self::ForGood(secret),
            Some(until_ms) => {
                let since = Duration::from_millis(u64::try_from(until_ms).unwrap_or(0));
                let until = humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string();
                Self::Until(SpelledUntil { secret, until })
            }
        }
    }
}

/// Milliseconds since 1970 of `2026-12-31T00:00:00Z`.
fn moment(text: &str) -> Result<i64, Invalid> {
    let refuse = || Invalid::new("until", text, UNTIL);
    let at: SystemTime = humantime::parse_rfc3339(text.trim()).map_err(|_| refuse())?;
    let since = at.duration_since(UNIX_EPOCH).map_err(|_| refuse())?;
    i64::try_from(since.as_millis()).map_err(|_| refuse())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNTIL_MS: i64 = 1_798_675_200_000; // 2026-12-31T00:00:00Z

    fn secret() -> Secret {
        Secret::from_bytes(&[7; 32]).unwrap()
    }

    fn spelled(json: serde_json::Value) -> Result<SigningSecret, serde_json::Error> {
        serde_json::from_value(json)
    }

    #[test]
    fn both_spellings_are_read_and_written() {
        let text = secret().expose();
        let for_good = spelled(serde_json::json!(text)).unwrap();
        assert_eq!(for_good, SigningSecret::from(secret()));
        let until = serde_json::json!({ "secret": text, "until": "2026-12-31T00:00:00.000Z" });
        let ending = spelled(until.clone()).unwrap();
        assert_eq!(ending.until_ms, Some(UNTIL_MS));
        assert_eq!(serde_json::to_value(&ending).unwrap(), until);
        assert_eq!(serde_json::to_value(&for_good).unwrap(), text);
    }

    #[test]
    fn a_secret_signs_up_to_its_end_and_not_at_it() {
        let ending = SigningSecret {
            until_ms: Some(UNTIL_MS),
            ..secret().into()
        };
        assert!(ending.signs_at(UNTIL_MS - 1));
        assert!(!ending.signs_at(UNTIL_MS));
        assert!(SigningSecret::from(secret()).signs_at(i64::MAX));
    }

    #[test]
    fn a_file_may_name_ends() {
        let text = secret().expose();
        let file = format!("# the new one\n{text}\n\n{text}  until 2026-12-31T00:00:00Z\n");
        let read = SigningSecret::from_lines(&file, "secrets_file").unwrap();
        let ends: Vec<_> = read.iter().map(|signing| signing.until_ms).collect();
        assert_eq!(ends, [None, Some(UNTIL_MS)]);
        for bad in [
            format!("{text} untill 2026-12-31T00:00:00Z"),
            format!("{text} until tomorrow"),
            "# nothing".to_owned(),
            "whsec_short".to_owned(),
        ] {
            let error = SigningSecret::from_lines(&bad, "secrets_file").unwrap_err();
            assert!(error.field.contains("secrets_file"), "{error}");
            assert!(!error.to_string().contains(&text[6..]), "{error}");
        }
    }

    #[test]
    fn a_list_that_would_stop_signing_is_refused() {
        let ending = SigningSecret {
            until_ms: Some(UNTIL_MS),
            ..secret().into()
        };
        let lasting = SigningSecret::from(secret());
        let check = |secrets: &[SigningSecret]| SigningSecret::check(secrets, "secrets");
        assert!(check(&[ending.clone(), lasting.clone()]).is_ok());
        assert!(check(std::slice::from_ref(&ending)).is_err());
        assert!(check(&[]).is_err());
        assert!(check(&vec![lasting; 9]).is_err());
    }

    #[test]
    fn what_is_ill_formed_is_not_repeated() {
        for bad in [
            serde_json::json!("whsec_c2hvcnQ="),
            serde_json::json!({ "secret": "whsec_c2hvcnQ=", "until": "2026-12-31T00:00:00Z" }),
        ] {
            let error = spelled(bad).unwrap_err().to_string();
            assert!(!error.contains("c2hvcnQ="), "{error}");
        }
    }
}
