//! What last kept a connection from being made: sqlx's pool tells whoever waits in vain only that it did.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::session;

/// The newest trouble, until a connection is made again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trouble(Arc<Noted>);

#[derive(Debug, Default)]
struct Noted {
    last: Mutex<Option<String>>,
    /// A fresh connection met a read-only server: trying once more at once is no use.
    refused: Notify,
}

impl Trouble {
    /// Keeps an error's text, or forgets the last one.
    pub(crate) fn take_note<T>(&self, done: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        *self.lock() = done.as_ref().err().map(ToString::to_string);
        done
    }

    /// The same for a fresh connection: whoever waits for one need not wait on for a server that refuses.
    pub(crate) fn take_note_of_fresh<T>(
        &self,
        done: Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let done = self.take_note(done);
        if done.as_ref().is_err_and(session::is_read_only) {
            self.0.refused.notify_waiters();
        }
        done
    }

    /// Told when a fresh connection has been refused.
    pub(crate) fn refused(&self) -> &Notify {
        &self.0.refused
    }

    /// The newest, if it is not over.
    pub(crate) fn last(&self) -> Option<String> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        // The note is one value: a panic elsewhere leaves it whole.
        self.0.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
