//! Who asks the API: the token behind a request, and the request itself.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use notification::api::notifier::Role;
use service::problem::Problem;

/// Known of each request that the gate has let through; a handler takes it like any other
/// extractor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operator {
    /// The token's public id; `file` for the one in the data folder.
    pub token_id: String,
    /// The token's name: what `closed_by` and its like say.
    pub name: String,
    pub role: Role,
    /// As the answer's `x-request-id` says it.
    pub request_id: String,
}

impl<S: Sync> FromRequestParts<S> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let operator = parts.extensions.get::<Self>().cloned();
        // A route without a gate before it lets nobody operate.
        let nobody = || Problem::new(StatusCode::UNAUTHORIZED, "this needs an operator's token");
        operator.ok_or_else(nobody)
    }
}
