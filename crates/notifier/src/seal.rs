//! What others wrote, kept sealed: excerpts of receivers' answers, and the bodies of dead letters.
//!
//! Whoever has the database then has states and times, and no content. A sealed value says which key
//! opens it, so keys are rotated by putting a new one first in their file and leaving the old ones
//! behind it for as long as the retention lasts. Values from before are read as they stand.
//!
//! ```text
//! sixteen bytes of MARK | u8 length, key id | twelve bytes of nonce | AES-256-GCM of the content
//! ```
//! The row's own name is authenticated with it: a value that was copied to another row does not open.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use notification::Invalid;
use serde::Deserialize;

use crate::cipher::{Cipher, Closed};

/// What a sealed value begins with: no text does.
const MARK: &[u8; 16] = b"\0ringback-sealed";

/// The field that errors name.
const FIELD: &str = "notifier.content_keys_file";

/// What becomes of the beginnings of receivers' answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Excerpts {
    /// Stored as they came.
    #[default]
    Keep,
    /// Not stored.
    Omit,
    /// Stored sealed.
    Encrypt,
}

/// What becomes of the bodies of dead letters, which a resend needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bodies {
    /// Stored as they came.
    #[default]
    Keep,
    /// Stored sealed.
    Encrypt,
}

/// Seals and opens; clones share the keys.
#[derive(Clone, Default)]
pub(crate) struct Sealer {
    pub excerpts: Excerpts,
    pub bodies: Bodies,
    keys: Arc<[ContentKey]>,
}

struct ContentKey {
    id: String,
    cipher: Cipher,
}

/// A sealed value that stays shut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Shut {
    #[error("it is sealed with the key {0:?}, which {FIELD} does not hold")]
    NoSuchKey(String),
    #[error("it is sealed with the key {0:?} and does not open: it was damaged, or moved")]
    Damaged(String),
    #[error("it is sealed, and was cut off")]
    CutOff,
}

impl Sealer {
    /// Reads the keys: `<id> <base64 of 32 bytes>` a line, the newest first; it seals, all open.
    ///
    /// # Errors
    /// Something is to be sealed and there is no key, or the file can't be read or used.
    pub(crate) fn new(
        excerpts: Excerpts,
        bodies: Bodies,
        file: Option<&Path>,
    ) -> Result<Self, Invalid> {
        let keys = match file {
            Some(file) => read(file)?,
            None => Vec::new(),
        };
        if keys.is_empty() && (excerpts == Excerpts::Encrypt || bodies == Bodies::Encrypt) {
            let limit = "a file of keys, for excerpts or bodies shall be encrypted";
            return Err(Invalid::new(FIELD, "none", limit));
        }
        Ok(Self {
            excerpts,
            bodies,
            keys: keys.into(),
        })
    }

    /// An excerpt as it is stored, of the attempt with this id; `None` if it is not.
    pub(crate) fn excerpt(&self, excerpt: &[u8], attempt_id: &str) -> Option<Vec<u8>> {
        match self.excerpts {
            _ if excerpt.is_empty() => None,
            Excerpts::Keep => Some(excerpt.to_vec()),
            Excerpts::Omit => None,
            Excerpts::Encrypt => self.seal(excerpt, attempt_id),
        }
    }

    /// A body as it is stored, of the letter with this name.
    pub(crate) fn body(&self, body: &[u8], letter: &str) -> Vec<u8> {
        match self.bodies {
            Bodies::Keep => body.to_vec(),
            // Nothing is better than what was not to be shown; the dead-letter topic has it.
            Bodies::Encrypt => self.seal(body, letter).unwrap_or_default(),
        }
    }

    /// A stored value as it was; one that was never sealed stays as it is.
    pub(crate) fn open(&self, stored: Vec<u8>, of: &str) -> Result<Vec<u8>, Shut> {
        let Some(rest) = stored.strip_prefix(MARK) else {
            return Ok(stored);
        };
        let (length, rest) = rest.split_first().ok_or(Shut::CutOff)?;
        let split = rest.split_at_checked(usize::from(*length));
        let (id, rest) = split.ok_or(Shut::CutOff)?;
        let id = String::from_utf8_lossy(id).into_owned();
        let Some(key) = self.keys.iter().find(|key| key.id == id) else {
            return Err(Shut::NoSuchKey(id));
        };
        key.cipher.open(of, rest).map_err(|closed| match closed {
            Closed::CutOff => Shut::CutOff,
            Closed::NotOurs => Shut::Damaged(id),
        })
    }

    fn seal(&self, content: &[u8], of: &str) -> Option<Vec<u8>> {
        let ContentKey { id, cipher } = self.keys.first()?;
        let mut stored = MARK.to_vec();
        stored.push(u8::try_from(id.len()).ok()?);
        stored.extend_from_slice(id.as_bytes());
        stored.append(&mut cipher.seal(of, content));
        Some(stored)
    }
}

/// The ids alone.
impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.keys.iter().map(|key| key.id.as_str()).collect();
        f.debug_struct("Sealer")
            .field("excerpts", &self.excerpts)
            .field("bodies", &self.bodies)
            .field("keys", &ids)
            .finish()
    }
}

fn read(file: &Path) -> Result<Vec<ContentKey>, Invalid> {
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Invalid::new(FIELD, &shown, format!("readable: {error}")))?;
    let mut keys: Vec<ContentKey> = Vec::new();
    let lines = text.lines().map(str::trim).enumerate();
    for (n, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        // The line itself is not shown: it holds a key.
        let at = || format!("{shown}, line {}", n + 1);
        let limit = "an id of 1 to 32 of [A-Za-z0-9._-], a blank, and 32 bytes in base64";
        let key = key(line).ok_or_else(|| Invalid::new(FIELD, at(), limit))?;
        if keys.iter().any(|known| known.id == key.id) {
            return Err(Invalid::new(FIELD, at(), "each id once"));
        }
        keys.push(key);
    }
    Ok(keys)
}

fn key(line: &str) -> Option<ContentKey> {
    let (id, key) = line.split_once(char::is_whitespace)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let fits = (1..=32).contains(&id.len()) && id.chars().all(plain);
    let bytes = STANDARD.decode(key.trim()).ok()?;
    let cipher = Cipher::new(&bytes)?;
    fits.then(|| ContentKey {
        id: id.to_owned(),
        cipher,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "2026-01 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
    const SECOND: &str = "2026-07 IAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";

    fn sealer(keys: &str) -> Result<Sealer, Invalid> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys");
        std::fs::write(&file, keys).unwrap();
        Sealer::new(Excerpts::Encrypt, Bodies::Encrypt, Some(&file))
    }

    #[test]
    fn what_is_sealed_shows_nothing_and_opens_where_it_was_put() {
        let sealer = sealer(FIRST).unwrap();
        let stored = sealer.body(b"card 4711", "a letter");
        assert!(!stored.windows(4).any(|four| four == b"4711"));
        assert_ne!(
            stored,
            sealer.body(b"card 4711", "a letter"),
            "fresh nonces"
        );
        assert_eq!(
            sealer.open(stored.clone(), "a letter").unwrap(),
            b"card 4711"
        );
        let moved = sealer.open(stored.clone(), "another");
        assert_eq!(moved, Err(Shut::Damaged("2026-01".into())));
        for length in MARK.len()..stored.len() {
            assert!(sealer.open(stored[..length].to_vec(), "a letter").is_err());
        }
    }

    #[test]
    fn an_old_key_opens_what_it_sealed_behind_a_new_one() {
        let old = sealer(FIRST).unwrap().excerpt(b"no", "x").unwrap();
        let both = sealer(&format!("# newest first\n{SECOND}\n{FIRST}")).unwrap();
        assert_eq!(both.open(old.clone(), "x").unwrap(), b"no");
        let new = both.excerpt(b"no", "x").unwrap();
        let only_old = sealer(FIRST).unwrap().open(new, "x");
        assert_eq!(only_old, Err(Shut::NoSuchKey("2026-07".into())));
        assert!(sealer(SECOND).unwrap().open(old, "x").is_err());
    }

    #[test]
    fn what_was_never_sealed_is_read_as_it_stands() {
        let sealer = sealer(FIRST).unwrap();
        assert_eq!(sealer.open(b"fail".to_vec(), "x").unwrap(), b"fail");
        let omitting = Sealer {
            excerpts: Excerpts::Omit,
            ..Sealer::default()
        };
        assert_eq!(omitting.excerpt(b"fail", "x"), None);
        assert_eq!(Sealer::default().excerpt(b"", "x"), None);
    }

    #[test]
    fn bad_keys_are_named_without_being_shown() {
        let none = Sealer::new(Excerpts::Keep, Bodies::Encrypt, None).unwrap_err();
        assert_eq!(none.field, FIELD);
        for bad in [
            "k c2hvcnQ=",
            "k",
            "",
            &format!("{FIRST}{FIRST}"),
            "é AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        ] {
            let error = sealer(bad).unwrap_err().to_string();
            assert!(error.contains(FIELD), "{error}");
            assert!(
                !error.contains("AAEC") && !error.contains("c2hv"),
                "{error}"
            );
        }
        assert!(!format!("{:?}", sealer(FIRST).unwrap()).contains("AAEC"));
    }
}
