//! The folder a stage lives in, held under a lock.
//!
//! One stage a folder: the second is refused at once. `demo` starts from an empty folder each
//! time, and empties only what carries its own marker, so that a mistyped `--data-dir` never costs
//! anybody their files.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

const LOCK: &str = "lock";
const MARKER: &str = "made-by-ringback-demo";

/// Why a folder can't be used; each message says which folder and what helps.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another stage holds it.
    #[error("data folder {} is in use by another ringback; stop that one, or choose another with --data-dir", .0.display())]
    InUse(PathBuf),
    /// It has files in it that the demo did not make.
    #[error(
        "data folder {} holds files that ringback demo did not make, so it is not emptied; choose another with --data-dir",
        .0.display()
    )]
    NotOurs(PathBuf),
    /// The file system refused.
    #[error("{doing} {}: {source}; choose another folder with --data-dir", .path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// A data folder that this process holds until it is dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Makes the folder if it is not there, for its owner alone: secrets and money are in what it holds.
    pub fn make(path: &Path) -> std::io::Result<()> {
        let mut folder = std::fs::DirBuilder::new();
        folder.recursive(true).mode(0o700).create(path)
    }

    /// Takes `path` for a system whose data stays: makes it if needed, locks it.
    pub fn keep(path: &Path) -> Result<DataFolder, FolderError> {
        DataFolder::make(path).map_err(io("making data folder", path))?;
        let folder = DataFolder {
            path: absolute(path)?,
            _lock: lock(path)?,
        };
        std::fs::create_dir_all(folder.logs()).map_err(io("making log folder", &folder.logs()))?;
        Ok(folder)
    }

    /// Takes `path` for a run that starts from nothing: empties it, but only if it carries the
    /// demo's marker or is empty.
    pub fn fresh(path: &Path) -> Result<DataFolder, FolderError> {
        DataFolder::make(path).map_err(io("making data folder", path))?;
        let marker = path.join(MARKER);
        if !marker.exists() && has_files(path)? {
            return Err(FolderError::NotOurs(path.to_path_buf()));
        }
        let lock = lock(path)?;
        File::create(&marker)
            .and_then(|mut file| {
                file.write_all(b"ringback demo empties this folder whenever it starts.\n")
            })
            .map_err(io("marking data folder", path))?;
        empty(path)?;
        let folder = DataFolder {
            path: absolute(path)?,
            _lock: lock,
        };
        std::fs::create_dir_all(folder.logs()).map_err(io("making log folder", &folder.logs()))?;
        Ok(folder)
    }

    /// The folder, as an absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the services' logs lie.
    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }
}

fn lock(path: &Path) -> Result<File, FolderError> {
    let name = path.join(LOCK);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&name)
        .map_err(io("opening lock file", &name))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(FolderError::InUse(path.to_path_buf())),
        Err(TryLockError::Error(error)) => Err(io("locking", &name)(error)),
    }
}

/// Whether there is anything in it but a lock file, which a refused run may have left.
fn has_files(path: &Path) -> Result<bool, FolderError> {
    for entry in std::fs::read_dir(path).map_err(io("reading data folder", path))? {
        if entry.map_err(io("reading data folder", path))?.file_name() != LOCK {
            return Ok(true);
        }
    }
    Ok(false)
}

fn empty(path: &Path) -> Result<(), FolderError> {
    for entry in std::fs::read_dir(path).map_err(io("reading data folder", path))? {
        let entry = entry.map_err(io("reading data folder", path))?;
        if entry.file_name() == LOCK || entry.file_name() == MARKER {
            continue;
        }
        let old = entry.path();
        let is_folder = entry.file_type().map_err(io("looking at", &old))?.is_dir();
        let removed = if is_folder {
            std::fs::remove_dir_all(&old)
        } else {
            std::fs::remove_file(&old)
        };
        removed.map_err(io("removing", &old))?;
    }
    Ok(())
}

fn absolute(path: &Path) -> Result<PathBuf, FolderError> {
    std::path::absolute(path).map_err(io("resolving", path))
}

fn io<'a>(
    doing: &'static str,
    path: &'a Path,
) -> impl FnOnce(std::io::Error) -> FolderError + use<'a> {
    let path = path.to_path_buf();
    move |source| FolderError::Io {
        doing,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_stage_on_a_folder_is_refused_and_the_next_one_after_the_first_is_not() {
        let root = tempfile::tempdir().unwrap();
        let first = DataFolder::keep(root.path()).unwrap();
        assert!(matches!(
            DataFolder::keep(root.path()),
            Err(FolderError::InUse(_))
        ));
        drop(first);
        DataFolder::keep(root.path()).unwrap();
    }

    #[test]
    fn the_demo_empties_only_what_it_made() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("thesis.txt"), "years of work").unwrap();
        assert!(matches!(
            DataFolder::fresh(root.path()),
            Err(FolderError::NotOurs(_))
        ));
        assert!(root.path().join("thesis.txt").exists());

        let ours = root.path().join("demo");
        let first = DataFolder::fresh(&ours).unwrap();
        std::fs::write(ours.join("bank1.sqlite"), "old").unwrap();
        drop(first);
        let _second = DataFolder::fresh(&ours).unwrap();
        assert!(!ours.join("bank1.sqlite").exists());
    }

    #[test]
    fn a_folder_that_a_running_demo_holds_is_not_emptied() {
        let root = tempfile::tempdir().unwrap();
        let _first = DataFolder::fresh(root.path()).unwrap();
        std::fs::write(root.path().join("bank1.sqlite"), "live").unwrap();
        assert!(matches!(
            DataFolder::fresh(root.path()),
            Err(FolderError::InUse(_))
        ));
        assert!(root.path().join("bank1.sqlite").exists());
    }
}
