//! One process owns the folder: a lock that the system takes back when the process dies, however.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use crate::StartError;

/// The lock. It is held as long as this lives, and must outlive the open store.
#[derive(Debug)]
pub(crate) struct FolderLock(#[expect(dead_code, reason = "held, not read")] File);

impl FolderLock {
    /// Takes the lock, making the folder if it is absent; `InUse` if another process has it.
    pub(crate) fn take(folder: &Path) -> Result<Self, StartError> {
        let trouble = |source| StartError::Folder {
            folder: folder.to_owned(),
            source,
        };
        std::fs::create_dir_all(folder).map_err(trouble)?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join("lock"))
            .map_err(trouble)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StartError::InUse(folder.to_owned())),
            Err(TryLockError::Error(source)) => Err(trouble(source)),
        }
    }
}

/// The store's file inside the folder.
pub(crate) fn store_file(folder: &Path) -> PathBuf {
    folder.join("messages.redb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = FolderLock::take(folder.path()).unwrap();
        let refused = FolderLock::take(folder.path()).unwrap_err();
        assert!(matches!(refused, StartError::InUse(_)));
        assert!(
            refused
                .to_string()
                .contains(&folder.path().display().to_string())
        );
        drop(first);
        FolderLock::take(folder.path()).unwrap();
    }
}
