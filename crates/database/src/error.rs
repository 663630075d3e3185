//! What can go wrong, in words that an operator can act on.

use std::fmt::Display;

use crate::Kind;

/// Any failure of this crate's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// A setting that can't be used.
    #[error("database.{field}: {value:?} is refused: {limit}")]
    Config {
        /// The key under `database`.
        field: &'static str,
        /// What was given; never a password.
        value: String,
        /// What is allowed.
        limit: &'static str,
    },
    /// It can't be opened.
    #[error("cannot open the database {url}: {reason}")]
    Open {
        /// Which; never with its password.
        url: String,
        /// Why, and what to do.
        reason: String,
    },
    /// A newer program has migrated it further than this one knows.
    #[error(
        "the database is newer than this program: it has migration {version} of {name:?}, \
         which is not known here; run the newer program, or restore a backup"
    )]
    Newer {
        /// The set of migrations.
        name: String,
        /// The migration that is not known.
        version: i64,
    },
    /// A migration failed, or was changed after it was applied.
    #[error("migrating {name:?}: {source}")]
    Migrate {
        /// The set of migrations.
        name: String,
        /// Why.
        source: Box<sqlx::migrate::MigrateError>,
    },
    /// Another process held the migration lock too long.
    #[error("another process has been migrating {name:?} for more than {waited_s} s")]
    MigrationLock {
        /// The set of migrations.
        name: String,
        /// How long this one waited, in seconds.
        waited_s: u64,
    },
    /// A statement failed.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
}

impl DatabaseError {
    /// What to make of it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Sql(error) => crate::kind(error),
            Self::MigrationLock { .. } => Kind::Retry,
            _ => Kind::Other,
        }
    }

    pub(crate) fn config(field: &'static str, value: impl Display, limit: &'static str) -> Self {
        Self::Config {
            field,
            value: value.to_string(),
            limit,
        }
    }
}

/// Why a commit brought no `Ok`. The two must never be mixed up: only the first may be told to
/// anyone as "nothing happened".
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// It was not committed and never will be.
    #[error("not committed: {0}")]
    RolledBack(DatabaseError),
    /// The answer did not come, or does not say: it may be committed.
    #[error("nobody knows whether this was committed: {0}")]
    Unknown(DatabaseError),
}

impl CommitError {
    /// The failure itself.
    pub fn error(&self) -> &DatabaseError {
        match self {
            Self::RolledBack(error) | Self::Unknown(error) => error,
        }
    }
}
