//! What lies on disk, and how it is laid out.
//!
//! One `redb` file. A message's bytes are stored once, by (topic, offset); each group keeps only a
//! cursor a topic and one small row for each message it holds or has deferred, so that a further
//! group costs next to nothing and a sleeping message costs no memory.
//!
//! - [`tables`]: the tables and their keys;
//! - [`record`]: the stored form of a message;
//! - [`receipt`]: the receipt handle, which is the key of a lease in words;
//! - [`browse`]: reading by offset, beside the writer;
//! - [`upgrade`]: a store's layout, made or brought up to date;
//! - [`lock`]: one process owns the folder.

pub(crate) mod browse;
pub(crate) mod lock;
pub(crate) mod receipt;
pub(crate) mod record;
pub(crate) mod tables;
pub(crate) mod upgrade;

use std::ops::Deref;

use lock::FolderLock;
use redb::{Database, StorageBackend};

use crate::StoreError;

/// An open store. Its folder is free again when the last of those who share it is done.
pub(crate) struct Store {
    // Fields are dropped in their order: the file is closed before the folder is given back.
    database: Database,
    _lock: Option<FolderLock>,
}

impl Store {
    /// Opens the store in `backend`, making it if it is empty.
    pub(crate) fn open(
        backend: impl StorageBackend,
        cache_bytes: usize,
        lock: Option<FolderLock>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            database: open(backend, cache_bytes)?,
            _lock: lock,
        })
    }
}

impl Deref for Store {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.database
    }
}

fn open(backend: impl StorageBackend, cache_bytes: usize) -> Result<Database, StoreError> {
    let database = Database::builder()
        .set_cache_size(cache_bytes)
        .create_with_backend(backend)
        .map_err(failed)?;
    upgrade::create(&database)?;
    Ok(database)
}

/// Any error of the store, in its own words.
pub(crate) fn failed(error: impl Into<redb::Error>) -> StoreError {
    StoreError::Failed(error.into().to_string())
}

/// Reads a topic or group as it is stored.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(json: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(json).map_err(|_| StoreError::Corrupt("a topic or a group"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StartError;

    #[test]
    fn a_folder_is_not_free_before_everyone_is_done_with_its_store() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(folder.path()).unwrap();
        let backend = redb::backends::InMemoryBackend::new();
        let store = std::sync::Arc::new(Store::open(backend, 1 << 20, Some(lock)).unwrap());
        let shared = std::sync::Arc::clone(&store);
        drop(store);
        let refused = FolderLock::take(folder.path()).unwrap_err();
        assert!(matches!(refused, StartError::InUse(_)));
        drop(shared);
        FolderLock::take(folder.path()).unwrap();
    }
}
