//! The shared secret of a receiver: `whsec_` and base64 of 24 to 64 bytes.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use crate::Invalid;

const PREFIX: &str = "whsec_";
const LIMIT: &str = "whsec_ and base64 of 24 to 64 bytes";

/// A signing secret. It shows itself only when asked by [`Secret::expose`].
#[derive(Clone, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Secret {
    bytes: Vec<u8>,
    key: hmac::Key,
}

impl Secret {
    /// Takes 24 to 64 random bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Invalid> {
        if !(24..=64).contains(&bytes.len()) {
            let value = format!("{} bytes", bytes.len());
            return Err(Invalid::new("secret", value, LIMIT));
        }
        Ok(Self {
            bytes: bytes.to_vec(),
            key: hmac::Key::new(hmac::HMAC_SHA256, bytes),
        })
    }

    /// Reads a file of secrets as [`super::SigningSecret::from_lines`] does, for who verifies: until when one signs is
    /// the other side's business.
    pub fn from_lines(text: &str, field: &str) -> Result<Vec<Self>, Invalid> {
        let signing = super::SigningSecret::from_lines(text, field)?;
        Ok(signing.into_iter().map(|signing| signing.secret).collect())
    }

    /// The secret in clear, for the configuration file that is written with it.
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.bytes))
    }

    pub(super) fn key(&self) -> &hmac::Key {
        &self.key
    }
}

impl FromStr for Secret {
    type Err = Invalid;

    /// The error never repeats what was given.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let hidden = || Invalid::new("secret", "(hidden)", LIMIT);
        let base64 = text.strip_prefix(PREFIX).ok_or_else(hidden)?;
        let bytes = STANDARD.decode(base64).map_err(|_| hidden())?;
        Self::from_bytes(&bytes)
    }
}

impl TryFrom<String> for Secret {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl PartialEq for Secret {
    /// For settings that changed; signatures are compared in constant time, elsewhere.
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}
