//! What a request gets when the record store fails it.

use axum::http::StatusCode;
use database::{CommitError, DatabaseError};
use service::problem::Problem;

/// An error of a handler: its own problem, or the store's.
#[derive(Debug)]
pub(super) struct Failure(Box<Problem>);

impl axum::response::IntoResponse for Failure {
    fn into_response(self) -> axum::response::Response {
        self.0.into_response()
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        tracing::info!(event = "api_store_error", %error);
        let detail = "the record store does not answer; try again";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into()
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        DatabaseError::from(error).into()
    }
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::RolledBack(error) => error.into(),
            CommitError::Unknown(error) => {
                tracing::info!(event = "api_commit_unknown", %error);
                let detail = "whether this was done is not known; look before trying again";
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into()
            }
        }
    }
}
