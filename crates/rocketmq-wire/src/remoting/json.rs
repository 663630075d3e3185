//! JSON as RocketMQ's servers write it. Theirs leaves the quotes off keys that are numbers
//! (`{0:"127.0.0.1:10911"}`), in a cluster's description always and in a route's for clients that
//! do not ask otherwise.
//!
//! The invariant: what is JSON already is read as it is; only a bare word where a key must stand is
//! put into quotes, and everything else that is wrong stays wrong and is refused by the parser.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

/// Reads JSON whose keys may lack their quotes.
///
/// # Errors
/// The parser's; lines and columns count the added quotes too.
pub fn from_slice<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(&quote_keys(json))
}

/// Puts bare keys (letters, digits, `_`, `$`, `-`, `.`) into quotes. Borrows when there are none.
#[must_use]
pub fn quote_keys(json: &[u8]) -> Cow<'_, [u8]> {
    let mut quoted: Vec<u8> = Vec::new();
    // Everything before this has been copied.
    let mut copied = 0;
    // Of each open bracket, whether it is an object's.
    let mut open = Vec::new();
    let mut key_may_follow = false;
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => {
                at = after_string(json, at);
                key_may_follow = false;
                continue;
            }
            b'{' | b'[' => {
                open.push(byte == b'{');
                key_may_follow = byte == b'{';
            }
            b'}' | b']' => {
                open.pop();
                key_may_follow = false;
            }
            b',' => key_may_follow = open.last() == Some(&true),
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ if key_may_follow && is_word(byte) => {
                let end = json[at..]
                    .iter()
                    .position(|byte| !is_word(*byte))
                    .map_or(json.len(), |length| at + length);
                quoted.extend_from_slice(&json[copied..at]);
                quoted.push(b'"');
                quoted.extend_from_slice(&json[at..end]);
                quoted.push(b'"');
                (copied, at) = (end, end);
                key_may_follow = false;
                continue;
            }
            _ => key_may_follow = false,
        }
        at += 1;
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    quoted.extend_from_slice(&json[copied..]);
    Cow::Owned(quoted)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'-' | b'.')
}

/// The place after the string that begins at `at`; the end if it never ends.
fn after_string(json: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    json.len()
}

#[cfg(test)]
mod tests;
