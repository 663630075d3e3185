//! Text that lies encrypted in the database.
//!
//! With a key it is AES-256-GCM, bound to the name of the place where it lies, so that a sealed
//! text that somebody moves to another row does not open. Without a key it lies there in clear,
//! and says so; what was sealed with a key opens with that key only. Each process of a system must
//! have the same key.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use notification::Invalid;

use crate::cipher::{Cipher, Closed, KEY_LEN};

const CLEAR: &str = "clear:";
const SEALED: &str = "a256gcm:";

/// Seals and opens; clones share the key. Its `Debug` shows nothing of it.
#[derive(Clone, Default)]
pub(crate) struct Sealing(Option<Arc<Cipher>>);

/// Why a text can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unopened {
    #[error("it is encrypted, and notifier.encryption_key_file is not set")]
    NoKey,
    #[error("it was not encrypted with the key of notifier.encryption_key_file, or was changed")]
    OtherKey,
    #[error("it is not in a form that this program knows")]
    UnknownForm,
}

impl Sealing {
    /// The key of a file, if one is configured: 32 bytes as base64.
    ///
    /// # Errors
    /// The file can't be read, or holds something else.
    pub(crate) fn from_file(path: Option<&Path>) -> Result<Self, Invalid> {
        const FIELD: &str = "notifier.encryption_key_file";
        let Some(path) = path else {
            return Ok(Self(None));
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| Invalid::new(FIELD, path.display(), format!("readable: {error}")))?;
        let wrong = || {
            Invalid::new(
                FIELD,
                "(hidden)",
                format!("a file with {KEY_LEN} bytes as base64"),
            )
        };
        let bytes = STANDARD.decode(text.trim()).map_err(|_| wrong())?;
        Self::with_key(&bytes).ok_or_else(wrong)
    }

    fn with_key(bytes: &[u8]) -> Option<Self> {
        Some(Self(Some(Arc::new(Cipher::new(bytes)?))))
    }

    /// A text that can lie at `place`.
    pub(crate) fn seal(&self, place: &str, text: &str) -> String {
        let Some(key) = &self.0 else {
            return format!("{CLEAR}{text}");
        };
        let sealed = key.seal(place, text.as_bytes());
        format!("{SEALED}{}", STANDARD.encode(sealed))
    }

    /// The text that lies at `place`.
    pub(crate) fn open(&self, place: &str, sealed: &str) -> Result<String, Unopened> {
        if let Some(text) = sealed.strip_prefix(CLEAR) {
            return Ok(text.to_owned());
        }
        let base64 = sealed.strip_prefix(SEALED).ok_or(Unopened::UnknownForm)?;
        let bytes = STANDARD.decode(base64).map_err(|_| Unopened::UnknownForm)?;
        let key = self.0.as_ref().ok_or(Unopened::NoKey)?;
        let opened = key.open(place, &bytes).map_err(|closed| match closed {
            Closed::CutOff => Unopened::UnknownForm,
            Closed::NotOurs => Unopened::OtherKey,
        })?;
        String::from_utf8(opened).map_err(|_| Unopened::UnknownForm)
    }
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Some(_) => "Sealing(with a key)",
            None => "Sealing(in clear)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(byte: u8) -> Sealing {
        Sealing::with_key(&[byte; KEY_LEN]).unwrap()
    }

    #[test]
    fn what_is_sealed_shows_nothing_and_opens_in_its_place_with_its_key_only() {
        let (sealing, text) = (with(1), "whsec_hello 张三");
        let sealed = sealing.seal("endpoint/m1", text);
        assert!(!sealed.contains("hello"), "{sealed}");
        assert_ne!(sealed, sealing.seal("endpoint/m1", text), "a fresh nonce");
        assert_eq!(sealing.open("endpoint/m1", &sealed).unwrap(), text);
        let opened = |sealing: &Sealing, place| sealing.open(place, &sealed);
        assert_eq!(opened(&sealing, "endpoint/m2"), Err(Unopened::OtherKey));
        assert_eq!(opened(&with(2), "endpoint/m1"), Err(Unopened::OtherKey));
        assert_eq!(
            opened(&Sealing::default(), "endpoint/m1"),
            Err(Unopened::NoKey)
        );
    }

    #[test]
    fn what_lies_in_clear_is_read_also_once_there_is_a_key() {
        let sealed = Sealing::default().seal("endpoint/m1", "text");
        assert_eq!(with(1).open("endpoint/m1", &sealed).unwrap(), "text");
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        let sealed = with(1).seal("p", "text");
        for cut in [
            "",
            "a256gcm:",
            "a256gcm:AAAA",
            "other:AAAA",
            &sealed[..sealed.len() - 4],
        ] {
            assert!(with(1).open("p", cut).is_err(), "{cut}");
        }
    }

    #[test]
    fn a_key_file_holds_32_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(Sealing::from_file(Some(&path)).is_err());
        std::fs::write(&path, STANDARD.encode([7; 31])).unwrap();
        let error = Sealing::from_file(Some(&path)).unwrap_err().to_string();
        assert!(
            error.contains("32 bytes") && !error.contains("Bwc"),
            "{error}"
        );
        std::fs::write(&path, format!("{}\n", STANDARD.encode([7; KEY_LEN]))).unwrap();
        let sealing = Sealing::from_file(Some(&path)).unwrap();
        assert_eq!(format!("{sealing:?}"), "Sealing(with a key)");
        assert!(sealing.seal("p", "x").starts_with(SEALED));
    }
}
