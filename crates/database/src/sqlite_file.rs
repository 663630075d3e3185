//! An SQLite database as a file: where it may be, and what its errors mean.

use std::fs;
use std::path::{Path, PathBuf};

use crate::DatabaseError;
use crate::config::Config;
use crate::kind::sqlite_code;

/// The URL that makes sqlx open, or make, the configured file. It is absolute and percent-encoded,
/// so that blanks, `?` and `#` in a path stay part of it.
pub(crate) fn url(config: &Config) -> Result<String, DatabaseError> {
    let refused = |reason: String| DatabaseError::Open {
        url: config.shown(),
        reason,
    };
    let path = config.sqlite_path().unwrap_or(Path::new(""));
    let path = std::path::absolute(path).map_err(|error| refused(error.to_string()))?;
    check(&path).map_err(refused)?;
    Ok(format!("sqlite://{}?mode=rwc", encoded(&path)))
}

/// Finds what is wrong before SQLite does, in better words. Whoever may write anyway, as root may,
/// is held to the mode bits as well: they say what was meant.
fn check(path: &Path) -> Result<(), String> {
    let folder = path.parent().unwrap_or(path);
    let folder_data = fs::metadata(folder)
        .map_err(|error| format!("its folder {} is not there ({error})", folder.display()))?;
    if !folder_data.is_dir() {
        return Err(format!("{} is not a folder", folder.display()));
    }
    if folder_data.permissions().readonly() {
        let folder = folder.display();
        return Err(format!(
            "the folder {folder} is read-only; SQLite needs to write there"
        ));
    }
    for file in [
        path.to_path_buf(),
        beside(path, "-wal"),
        beside(path, "-shm"),
    ] {
        match fs::metadata(&file) {
            Ok(data) if data.is_dir() => return Err(format!("{} is a folder", file.display())),
            Ok(data) if data.permissions().readonly() => {
                return Err(format!("{} is read-only", file.display()));
            }
            // Absent files are made; anything else SQLite will say.
            _ => {}
        }
    }
    Ok(())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn encoded(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.to_string_lossy().bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'~' => text.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// What SQLite's result code means for an operator.
pub(crate) fn reason(error: &sqlx::Error) -> Option<&'static str> {
    match sqlite_code(error.as_database_error()?)? {
        8 => Some("it is read-only"),
        10 => Some("the disk failed to read or write it"),
        11 => Some("it is damaged; restore a backup"),
        13 => Some("the disk is full"),
        14 => Some("the file can't be opened or made; look at the rights of file and folder"),
        26 => Some("the file is not an SQLite database"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_whole_in_its_url() {
        assert_eq!(
            encoded(Path::new("/a b/c?d#e%f.sqlite")),
            "/a%20b/c%3Fd%23e%25f.sqlite"
        );
    }
}
