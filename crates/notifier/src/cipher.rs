//! AES-256-GCM, as whatever lies encrypted in the database uses it: a fresh nonce before each sealed
//! value, and the name of the place where it lies authenticated with it, so that a value which is
//! moved to another place does not open.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

/// The length of a key in bytes.
pub(crate) const KEY_LEN: usize = 32;

/// One key. It has no `Debug`.
pub(crate) struct Cipher(LessSafeKey);

/// Why a value stays shut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// It is shorter than a nonce.
    CutOff,
    /// Another key or place, or it was changed.
    NotOurs,
}

impl Cipher {
    /// `None` unless there are [`KEY_LEN`] bytes.
    pub(crate) fn new(key: &[u8]) -> Option<Self> {
        let key = UnboundKey::new(&AES_256_GCM, key).ok()?;
        Some(Self(LessSafeKey::new(key)))
    }

    /// Nonce, then the content encrypted.
    pub(crate) fn seal(&self, place: &str, content: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = service::ids::random();
        let mut sealed = content.to_vec();
        let (unique, place) = (Nonce::assume_unique_for_key(nonce), Aad::from(place));
        self.0
            .seal_in_place_append_tag(unique, place, &mut sealed)
            .expect("what fits a column is not too long for AES-GCM");
        [&nonce[..], &sealed].concat()
    }

    /// The content of what [`Cipher::seal`] made.
    pub(crate) fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, Closed> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN).ok_or(Closed::CutOff)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Closed::CutOff)?;
        let mut bytes = sealed.to_vec();
        let opened = self.0.open_in_place(nonce, Aad::from(place), &mut bytes);
        let length = opened.map_err(|_| Closed::NotOurs)?.len();
        bytes.truncate(length);
        Ok(bytes)
    }
}
