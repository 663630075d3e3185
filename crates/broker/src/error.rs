//! What can go wrong: at start, and with the store.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::names::BadName;

/// Why the broker did not start. The text names the field, the value and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process owns the folder.
    #[error("data folder {} is in use by another broker; stop it, or give another folder", .0.display())]
    InUse(PathBuf),
    /// The folder cannot be made, read or written.
    #[error("data folder {}: {source}", .folder.display())]
    Folder {
        /// The folder of the configuration.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An address cannot be listened on.
    #[error("{field} = \"{address}\": cannot listen: {source}")]
    Listen {
        /// The configuration's field.
        field: &'static str,
        /// Its value.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A topic or group of the configuration has an impossible name.
    #[error("{field} \"{value}\": {source}")]
    Name {
        /// The configuration's field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        source: BadName,
    },
    /// A value of the configuration is out of its range.
    #[error("{field} = {value}: {limit}")]
    Value {
        /// The configuration's field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        limit: &'static str,
    },
    /// The stored messages cannot be opened.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// The store failed. Whatever waited for the commit was not done, as far as anyone may rely on it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Reading or writing failed; the text is the store's own.
    #[error("message store: {0}")]
    Failed(String),
    /// A stored value is not what this version writes.
    #[error("message store: {0} cannot be read; was it written by a newer version?")]
    Corrupt(&'static str),
    /// What was asked went down with another request that failed.
    #[error("message store: the request was not carried out, see the broker's log")]
    Unanswered,
    /// The broker is stopping.
    #[error("the broker is stopping")]
    Stopped,
}
