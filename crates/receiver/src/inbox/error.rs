//! What keeps a notification from being applied, and the answer that it gets.

use std::time::Duration;

use axum::http::StatusCode;
use database::{DatabaseError, Kind};
use service::Problem;

/// The caller's own failure inside the transaction.
#[derive(Debug, thiserror::Error)]
pub enum BusinessError {
    /// The business says no; given back as it is.
    #[error("{0}")]
    Refused(Box<dyn std::error::Error + Send + Sync>),
    /// A statement failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl BusinessError {
    /// The business says no.
    pub fn refused(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Refused(error.into())
    }
}

impl From<sqlx::Error> for BusinessError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Why a notification was not applied this time.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// This number was applied with another body.
    #[error("this tx_no was applied with another body")]
    OtherBody,
    /// This number will never be applied: that was promised.
    #[error("this tx_no was cancelled")]
    Cancelled,
    /// The number is older than what the inbox remembers.
    #[error("this tx_no is older than the {} days for which numbers are remembered", retention.as_secs() / 86_400)]
    TooOld {
        /// How long numbers are remembered.
        retention: Duration,
    },
    /// The business said no.
    #[error("{0}")]
    Business(Box<dyn std::error::Error + Send + Sync>),
    /// Another process was adding or removing this number at the same instant.
    #[error("this tx_no is being worked on elsewhere")]
    Unsettled,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<BusinessError> for InboxError {
    fn from(error: BusinessError) -> Self {
        match error {
            BusinessError::Refused(error) => Self::Business(error),
            BusinessError::Database(error) => Self::Database(error),
        }
    }
}

impl InboxError {
    /// The status that tells the notifier what to do: 422 never again, 5xx try again. A `Cancelled`
    /// is a 409, which by itself means: try again.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::OtherBody | Self::TooOld { .. } | Self::Business(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::Cancelled => StatusCode::CONFLICT,
            Self::Unsettled => StatusCode::SERVICE_UNAVAILABLE,
            Self::Database(error) if error.kind() == Kind::Retry => StatusCode::SERVICE_UNAVAILABLE,
            Self::Database(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<InboxError> for Problem {
    /// What went wrong in the database stays here.
    fn from(error: InboxError) -> Self {
        let detail = match &error {
            InboxError::Database(_) => {
                "the database failed; nothing is known to be lost".to_owned()
            }
            other => other.to_string(),
        };
        Problem::new(error.status(), detail)
    }
}
