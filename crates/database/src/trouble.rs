//! What last kept a connection from being made: sqlx's pool tells whoever waits in vain only that it did.

use std::sync::{Arc, Mutex, PoisonError};

/// The newest trouble, until a connection is made again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    /// Keeps an error's text, or forgets the last one.
    pub(crate) fn take_note<T>(&self, done: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        // The note is one value: a panic elsewhere leaves it whole.
        let mut note = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *note = done.as_ref().err().map(ToString::to_string);
        done
    }

    /// The newest, if it is not over.
    pub(crate) fn last(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
