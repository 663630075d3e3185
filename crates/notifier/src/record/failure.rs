//! Why something is not known to be on record, and what that says about trying again.

use std::time::Duration;

use database::{CommitError, DatabaseError, Kind};

/// A transaction, or a statement, that did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error("a transaction took longer than {0:?}")]
    Deadline(Duration),
}

impl Failure {
    /// How the store failed; `None`: it was too slow.
    pub(crate) fn kind(&self) -> Option<Kind> {
        match self {
            Self::Database(error) => Some(error.kind()),
            Self::Commit(error) => Some(error.error().kind()),
            Self::Deadline(_) => None,
        }
    }

    /// Another process made a row of the same key first.
    pub(super) fn is_duplicate(&self) -> bool {
        matches!(self, Self::Database(error) if error.kind() == Kind::Duplicate)
    }

    pub(super) fn is_deadline(&self) -> bool {
        matches!(self, Self::Deadline(_))
    }

    /// Whether the same again would show that it is about what the batch holds, not about the
    /// store being busy or away.
    pub(super) fn may_be_the_batch(&self) -> bool {
        match self {
            Self::Database(error) => !matches!(error.kind(), Kind::Retry | Kind::Lost),
            Self::Deadline(_) => true,
            Self::Commit(CommitError::RolledBack(error)) => {
                !matches!(error.kind(), Kind::Retry | Kind::Lost)
            }
            Self::Commit(CommitError::Unknown(_)) => false,
        }
    }
}
