//! Standard Webhooks signatures: <https://www.standardwebhooks.com>.
//!
//! `webhook-signature` holds `v1,<base64 of HMAC-SHA256 over "id.timestamp.body">`, once for each
//! secret in use, separated by blanks: while secrets rotate, a receiver that knows any of them can
//! verify. Bodies are bytes and need not be UTF-8. Comparison is ring's, in constant time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

mod secret;
mod signing;

pub use secret::Secret;
pub use signing::SigningSecret;

/// The version that stands before each signature.
const VERSION: &str = "v1";

/// More signatures than this in one header are not looked at.
const MOST_SIGNATURES: usize = 16;

/// Why a request is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Signed too long ago, or replayed.
    #[error("signed {age_s} s ago, at most {tolerance_s} s is accepted")]
    TooOld {
        /// Its age in seconds.
        age_s: i64,
        /// What would have been accepted.
        tolerance_s: i64,
    },
    /// Signed in the future: a clock is wrong.
    #[error("signed {ahead_s} s ahead of this clock, at most {tolerance_s} s is accepted")]
    TooNew {
        /// How far ahead, in seconds.
        ahead_s: i64,
        /// What would have been accepted.
        tolerance_s: i64,
    },
    /// The header holds no `v1` signature at all.
    #[error("no v1 signature in webhook-signature")]
    NoSignature,
    /// None of the signatures was made with a known secret over these bytes.
    #[error("no signature matches")]
    NoMatch,
}

/// Signs with every secret, in their order. `id` and `body` are signed as they are.
pub fn sign<'a>(
    secrets: impl IntoIterator<Item = &'a Secret>,
    id: &str,
    timestamp_s: i64,
    body: &[u8],
) -> String {
    let content = content(id, timestamp_s, body);
    let signed = |secret: &Secret| {
        let tag = hmac::sign(secret.key(), &content);
        format!("{VERSION},{}", STANDARD.encode(tag))
    };
    let signatures: Vec<String> = secrets.into_iter().map(signed).collect();
    signatures.join(" ")
}

/// Verifies, and says which secret it was.
///
/// `tolerance_s` bounds the age in both directions (Standard Webhooks: 300).
pub fn verify(
    secrets: &[Secret],
    id: &str,
    timestamp_s: i64,
    header: &str,
    body: &[u8],
    now_s: i64,
    tolerance_s: i64,
) -> Result<usize, VerifyError> {
    check_age(timestamp_s, now_s, tolerance_s)?;
    let signatures: Vec<Vec<u8>> = header
        .split_ascii_whitespace()
        .filter_map(|entry| entry.strip_prefix(VERSION)?.strip_prefix(','))
        .take(MOST_SIGNATURES)
        .filter_map(|base64| STANDARD.decode(base64).ok())
        .collect();
    if signatures.is_empty() {
        return Err(VerifyError::NoSignature);
    }
    let content = content(id, timestamp_s, body);
    let made_by = |secret: &Secret| {
        let matches = |given: &Vec<u8>| hmac::verify(secret.key(), &content, given).is_ok();
        signatures.iter().any(matches)
    };
    secrets.iter().position(made_by).ok_or(VerifyError::NoMatch)
}

fn check_age(timestamp_s: i64, now_s: i64, tolerance_s: i64) -> Result<(), VerifyError> {
    let age_s = now_s.saturating_sub(timestamp_s);
    if age_s > tolerance_s {
        Err(VerifyError::TooOld { age_s, tolerance_s })
    } else if age_s < tolerance_s.saturating_neg() {
        let ahead_s = age_s.saturating_neg();
        Err(VerifyError::TooNew {
            ahead_s,
            tolerance_s,
        })
    } else {
        Ok(())
    }
}

/// What is signed: `id.timestamp.body`.
fn content(id: &str, timestamp_s: i64, body: &[u8]) -> Vec<u8> {
    let mut content = format!("{id}.{timestamp_s}.").into_bytes();
    content.extend_from_slice(body);
    content
}

#[cfg(test)]
mod tests;
