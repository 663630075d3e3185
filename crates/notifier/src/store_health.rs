//! Whether the record store answers, told once when that changes.
//!
//! Reading and writing fail apart: a locked SQLite file can still be read. So each is remembered
//! for itself, and only a success of the same kind ends it.

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::alarm;

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// What the last accesses met; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct StoreHealth(Arc<Mutex<Reasons>>);

#[derive(Debug, Default)]
struct Reasons {
    read: Option<String>,
    write: Option<String>,
    /// Since when the batch that is being written has been tried.
    writing_since: Option<Instant>,
}

impl Reasons {
    fn of(&mut self, access: Access) -> &mut Option<String> {
        match access {
            Access::Read => &mut self.read,
            Access::Write => &mut self.write,
        }
    }

    fn any(&self) -> Option<&String> {
        self.write.as_ref().or(self.read.as_ref())
    }
}

impl StoreHealth {
    /// An access failed. The alarm is raised at the first failure.
    pub(crate) fn down(&self, access: Access, error: &dyn Display) {
        let mut reasons = self.lock();
        if reasons.any().is_none() {
            alarm::record_store_down(error);
        }
        *reasons.of(access) = Some(error.to_string());
    }

    /// An access succeeded.
    pub(crate) fn up(&self, access: Access) {
        let mut reasons = self.lock();
        let was_down = reasons.of(access).take().is_some();
        if was_down && reasons.any().is_none() {
            alarm::record_store_up();
        }
    }

    /// Keeps what an access met, and passes it on.
    pub(crate) fn note<T, E: Display>(&self, access: Access, result: Result<T, E>) -> Result<T, E> {
        match &result {
            Ok(_) => self.up(access),
            Err(error) => self.down(access, error),
        }
        result
    }

    /// A batch is to be written: whatever else waits came later.
    pub(crate) fn writing(&self) {
        self.lock().writing_since = Some(Instant::now());
    }

    /// It is durable, or set apart.
    pub(crate) fn written(&self) {
        self.lock().writing_since = None;
    }

    /// For how long the oldest result has been waiting to be durable.
    pub(crate) fn unflushed(&self) -> Option<Duration> {
        self.lock().writing_since.map(|since| since.elapsed())
    }

    /// Why it is down, if it is.
    pub(crate) fn reason(&self) -> Option<String> {
        self.lock().any().cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Reasons> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_can_be_read_but_not_written_is_down() {
        let health = StoreHealth::default();
        health.down(Access::Write, &"database is locked");
        health.up(Access::Read);
        assert_eq!(health.reason().as_deref(), Some("database is locked"));
        health.up(Access::Write);
        assert_eq!(health.reason(), None);
    }
}
