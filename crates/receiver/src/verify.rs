//! Who speaks: the source whose secret verifies the signature.

use std::path::{Path, PathBuf};

use axum::http::{HeaderMap, StatusCode};
use notification::{Invalid, Secret, Source, TxNo, VerifyError, headers, signature};
use serde::Deserialize;
use service::Problem;

/// How old or how far ahead a request's time may be, in seconds, as Standard Webhooks has it.
pub const TOLERANCE_S: i64 = 300;

/// A source that may speak, with its secrets: one, or several while they rotate.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Listed")]
pub struct SourceKeys {
    /// The name by which this receiver knows it.
    pub name: Source,
    /// At least one.
    pub secrets: Vec<Secret>,
}

/// [`SourceKeys`] as configuration spells it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    name: Source,
    #[serde(default)]
    secrets: Vec<Secret>,
    /// One `whsec_…` a line, blank lines and `#` comments aside; read with the configuration that names it.
    #[serde(default)]
    secrets_file: Option<PathBuf>,
}

impl TryFrom<Listed> for SourceKeys {
    type Error = Invalid;

    fn try_from(listed: Listed) -> Result<Self, Invalid> {
        let Listed { name, secrets, .. } = listed;
        let secrets = match (secrets.is_empty(), listed.secrets_file) {
            (false, None) => secrets,
            (true, Some(path)) => read_secrets(&path)?,
            (true, None) => {
                let limit = "at least one, or `secrets_file`";
                return Err(Invalid::new("secrets", "none given", limit));
            }
            (false, Some(_)) => {
                let limit = "give either `secrets` or `secrets_file`, not both";
                return Err(Invalid::new("secrets", "both given", limit));
            }
        };
        Ok(Self { name, secrets })
    }
}

fn read_secrets(path: &Path) -> Result<Vec<Secret>, Invalid> {
    const FIELD: &str = "secrets_file";
    let text = std::fs::read_to_string(path)
        .map_err(|error| Invalid::new(FIELD, path.display(), format!("readable: {error}")))?;
    Secret::from_lines(&text, FIELD)
}

/// A request that was signed by someone who knows a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Who: the name beside the secret.
    pub source: Source,
    /// The number: the signed `webhook-id`.
    pub tx_no: TxNo,
    /// When it was signed, in seconds since 1970.
    pub signed_s: i64,
    /// Which of the source's secrets it was, for those who wait for a rotation to end.
    pub secret: usize,
}

/// Why a request is not believed, or not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// A header that Standard Webhooks needs is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A header that can't be read.
    #[error("{0} is ill-formed")]
    IllFormed(&'static str),
    /// Too old, too new, or signed by nobody who is known here.
    #[error("{0}")]
    Signature(#[from] VerifyError),
    /// Well signed, but its id is no number of ours.
    #[error("{0}")]
    TxNo(Invalid),
}

impl Unverified {
    /// 401, or 422 for a well signed request that will never be understood.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TxNo(_) => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::UNAUTHORIZED,
        }
    }
}

impl From<Unverified> for Problem {
    fn from(error: Unverified) -> Self {
        let problem = Problem::new(error.status(), error.to_string());
        match error {
            Unverified::Missing(header) | Unverified::IllFormed(header) => problem.field(header),
            Unverified::TxNo(invalid) => problem.field(headers::WEBHOOK_ID).limit(invalid.limit),
            Unverified::Signature(_) => problem,
        }
    }
}

/// Verifies a request over the exact bytes of its body. `now_s` is the time in seconds since 1970.
pub fn verify(
    sources: &[SourceKeys],
    headers: &HeaderMap,
    body: &[u8],
    now_s: i64,
) -> Result<Verified, Unverified> {
    let id = text(headers, headers::WEBHOOK_ID)?;
    let timestamp = text(headers, headers::WEBHOOK_TIMESTAMP)?;
    let given = text(headers, headers::WEBHOOK_SIGNATURE)?;
    let signed_s: i64 = timestamp
        .parse()
        .map_err(|_| Unverified::IllFormed(headers::WEBHOOK_TIMESTAMP))?;
    let mut why = VerifyError::NoMatch;
    for SourceKeys { name, secrets } in sources {
        match signature::verify(secrets, id, signed_s, given, body, now_s, TOLERANCE_S) {
            Ok(secret) => {
                return Ok(Verified {
                    source: name.clone(),
                    tx_no: id.parse().map_err(Unverified::TxNo)?,
                    signed_s,
                    secret,
                });
            }
            Err(error) => why = error,
        }
    }
    Err(why.into())
}

fn text<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, Unverified> {
    let value = headers.get(name).ok_or(Unverified::Missing(name))?;
    value.to_str().map_err(|_| Unverified::IllFormed(name))
}

#[cfg(test)]
mod tests;
