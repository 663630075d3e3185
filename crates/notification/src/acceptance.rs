//! What an answer means: which replies count as delivered, which as a refusal for good.
//!
//! A receiver's failure is data, never an error of ours: [`verdict`] takes whatever the attempt
//! gave, answer or failure, and returns a value.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::Invalid;
use crate::words::words;

/// What a reply must look like to count as delivered. In configuration: `"2xx"`,
/// `{ body = "success" }` or `{ field = "code", equals = "SUCCESS" }`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Spelled", into = "Spelled")]
pub enum Accept {
    /// Any 2xx.
    #[default]
    Status2xx,
    /// A 2xx whose body, without surrounding ASCII white space, is this (Alipay: `success`).
    Body(String),
    /// A 2xx whose body is a JSON object in which this field has this value (WeChat:
    /// `code` = `SUCCESS`). What is no string is compared as JSON: `0` is 0.
    Field {
        /// The name of a field at the top of the object.
        field: String,
        /// What it must be.
        equals: String,
    },
}

/// [`Accept`] as configuration spells it.
#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = r#""2xx", { body = … } or { field = …, equals = … }"#
)]
enum Spelled {
    Word(String),
    Body(SpelledBody),
    Field(SpelledField),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpelledBody {
    body: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpelledField {
    field: String,
    equals: String,
}

impl TryFrom<Spelled> for Accept {
    type Error = Invalid;

    fn try_from(spelled: Spelled) -> Result<Self, Invalid> {
        match spelled {
            Spelled::Word(word) if word == "2xx" => Ok(Self::Status2xx),
            Spelled::Word(word) => {
                let limit = r#""2xx", { body = … } or { field = …, equals = … }"#;
                Err(Invalid::new("accept", word, limit))
            }
            Spelled::Body(SpelledBody { body }) => Ok(Self::Body(body)),
            Spelled::Field(SpelledField { field, equals }) => Ok(Self::Field { field, equals }),
        }
    }
}

impl From<Accept> for Spelled {
    fn from(accept: Accept) -> Self {
        match accept {
            Accept::Status2xx => Self::Word("2xx".into()),
            Accept::Body(body) => Self::Body(SpelledBody { body }),
            Accept::Field { field, equals } => Self::Field(SpelledField { field, equals }),
        }
    }
}

/// An endpoint's rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// What counts as delivered.
    #[serde(default)]
    pub accept: Accept,
    /// The statuses that mean "never again".
    #[serde(default = "default_reject")]
    pub reject: Vec<u16>,
}

/// 410 and 422.
pub fn default_reject() -> Vec<u16> {
    vec![410, 422]
}

impl Default for Acceptance {
    fn default() -> Self {
        Self {
            accept: Accept::default(),
            reject: default_reject(),
        }
    }
}

impl Acceptance {
    /// Refuses a rule that could never make sense: a rejection that is no error status.
    pub fn check(&self) -> Result<(), Invalid> {
        match self
            .reject
            .iter()
            .find(|status| !(400..=599).contains(*status))
        {
            Some(status) => Err(Invalid::new("reject", status, "statuses from 400 to 599")),
            None => Ok(()),
        }
    }
}

words!(
    /// Why an attempt brought no accepted answer.
    AttemptError, "error" {
        /// The name did not resolve.
        Dns = "dns",
        /// No connection.
        Connect = "connect",
        /// The TLS handshake failed.
        Tls = "tls",
        /// The attempt's deadline passed.
        Timeout = "timeout",
        /// The connection broke before the answer was whole.
        Reset = "reset",
        /// Not HTTP.
        Protocol = "protocol",
        /// The answer was larger than is read, and the rule asks for its body; or its head had no end.
        TooLarge = "too_large",
        /// The address is none that may be rung: nothing was sent.
        AddressRefused = "address_refused",
        /// A 2xx whose body is not what the endpoint's rule asks for.
        NotAccepted = "not_accepted",
    }
);

/// An answer, read whole or as far as answers are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
    /// The body goes on beyond what is read: this is its beginning.
    pub cut: bool,
    /// `Retry-After`, as a span from now.
    pub retry_after: Option<Duration>,
}

words!(
    /// What an attempt means.
    Verdict, "verdict" {
        /// The receiver has it.
        Delivered = "delivered",
        /// Not now: try again.
        Refused = "refused",
        /// Never.
        Rejected = "rejected",
    }
);

/// Judges an attempt. The error is what the attempt's row will say: the failure itself, or
/// [`AttemptError::NotAccepted`] for a 2xx that the rule does not take. Where the status speaks
/// for itself there is none. A 3xx is refused: redirects are never followed. A body that is too large to be read whole
/// changes nothing where the status decides.
pub fn verdict(
    acceptance: &Acceptance,
    attempt: &Result<Reply, AttemptError>,
) -> (Verdict, Option<AttemptError>) {
    let reply = match attempt {
        Ok(reply) => reply,
        Err(error) => return (Verdict::Refused, Some(*error)),
    };
    if acceptance.reject.contains(&reply.status) {
        (Verdict::Rejected, None)
    } else if !(200..=299).contains(&reply.status) {
        (Verdict::Refused, None)
    } else if acceptance.accept == Accept::Status2xx {
        (Verdict::Delivered, None)
    } else if reply.cut {
        (Verdict::Refused, Some(AttemptError::TooLarge))
    } else if says_so(&acceptance.accept, &reply.body) {
        (Verdict::Delivered, None)
    } else {
        (Verdict::Refused, Some(AttemptError::NotAccepted))
    }
}

/// Whether a 2xx's body is what the rule asks for. A byte order mark before it says nothing.
fn says_so(accept: &Accept, body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    match accept {
        Accept::Status2xx => true,
        Accept::Body(text) => body.trim_ascii() == text.as_bytes(),
        Accept::Field { field, equals } => {
            match serde_json::from_slice::<serde_json::Value>(body) {
                Ok(json) => match json.get(field) {
                    Some(serde_json::Value::String(text)) => text == equals,
                    Some(other) => equals
                        .parse::<serde_json::Value>()
                        .is_ok_and(|value| value == *other),
                    None => false,
                },
                Err(_) => false,
            }
        }
    }
}

#[cfg(test)]
#[path = "acceptance_tests.rs"]
mod tests;
