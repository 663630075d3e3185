//! What can go wrong, in words that an operator can act on.

use std::fmt::Display;
use std::time::Duration;

use sqlx::migrate::MigrateError;

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
    /// It can't be reached, or takes no work, now; waiting may help.
    #[error("the database {url} is away: {reason}")]
    Away {
        /// Which; never with its password.
        url: String,
        /// Why.
        reason: String,
    },
    /// No connection came free, or could be made, in time. Nothing was done.
    #[error("no connection to the database within {waited:?}: {reason}")]
    NoConnection {
        /// How long it was waited for.
        waited: Duration,
        /// What stood in the way, as far as it is known.
        reason: String,
    },
    /// The database did not answer in time: it may have done what it was asked.
    #[error("the database did not answer within {waited:?}")]
    NoAnswer {
        /// How long it was waited for.
        waited: Duration,
    },
    /// The transaction was no longer the one that was begun when it came to its COMMIT, which was not
    /// said then: what it did before that moment was rolled back (a deadlock) or committed (DDL).
    #[error(
        "the transaction had ended on the server before its COMMIT, by a deadlock or a statement that \
         commits by itself, and somebody passed over that error"
    )]
    Ended,
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
        source: Box<MigrateError>,
    },
    /// A migration was cut off on a database whose DDL can't be rolled back.
    #[error(
        "migration {version} of {name:?} was begun and not finished: look what is missing of it, \
         finish it by hand and set success = 1 in its row of _migrations_{name}; a database that was \
         empty before is best made anew"
    )]
    HalfMigrated {
        /// The set of migrations.
        name: String,
        /// The migration that was cut off.
        version: i64,
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
            // The server that went in the middle: what is left of the migration is told next time.
            Self::Migrate { source, .. } => match source.as_ref() {
                MigrateError::ExecuteMigration(error, _) => crate::kind(error),
                _ => Kind::Other,
            },
            Self::MigrationLock { .. } | Self::Away { .. } | Self::NoConnection { .. } => {
                Kind::Retry
            }
            Self::NoAnswer { .. } | Self::Ended => Kind::Lost,
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
    /// The failure itself, for whoever does not care whether it was committed.
    pub fn into_error(self) -> DatabaseError {
        match self {
            Self::RolledBack(error) | Self::Unknown(error) => error,
        }
    }

    /// The failure itself.
    pub fn error(&self) -> &DatabaseError {
        match self {
            Self::RolledBack(error) | Self::Unknown(error) => error,
        }
    }
}
