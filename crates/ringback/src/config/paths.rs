//! What lies where in a data folder.

use std::path::{Path, PathBuf};

/// The configuration, made with fresh secrets if absent.
pub fn config(data: &Path) -> PathBuf {
    data.join("ringback.toml")
}

/// The operator's token, made by whoever is first.
pub fn token(data: &Path) -> PathBuf {
    data.join("token")
}

/// The embedded broker's folder.
pub fn broker(data: &Path) -> PathBuf {
    data.join("broker")
}

/// A service's SQLite file.
pub fn database(data: &Path, service: &str) -> PathBuf {
    data.join(format!("{service}.sqlite"))
}

/// A service's log.
pub fn log(data: &Path, service: &str) -> PathBuf {
    data.join("logs").join(format!("{service}.log"))
}
