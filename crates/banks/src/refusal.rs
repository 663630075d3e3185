//! Refusals as both banks tell them: a [`Problem`] that names the field, the value and the limit.

use axum::http::StatusCode;
use database::DatabaseError;
use notification::Invalid;
use service::problem::Problem;

/// 422 for a value that is not allowed.
pub(crate) fn invalid(invalid: &Invalid) -> Problem {
    let Invalid {
        field,
        value,
        limit,
    } = invalid;
    Problem::invalid(field, format!("{field}: {value:?} is refused"), limit)
}

/// 503: nothing was changed, and the same request may be made again.
pub(crate) fn unavailable(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
}

/// 503 for a database that can't be read; the log says why.
pub(crate) fn unreadable(error: &DatabaseError) -> Problem {
    tracing::warn!(event = "database_unreadable", %error);
    unavailable("the bank's database can't be read now; ask again")
}
