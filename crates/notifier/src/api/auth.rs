//! The operator token: `Authorization: Bearer <token>`, compared in constant time.

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use service::problem::Problem;

use super::ApiState;

/// Lets a request through that brings the token.
pub(super) async fn require_token(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let given = request.headers().get(header::AUTHORIZATION);
    let bearer = given
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    match bearer {
        Some(token) if state.token.matches(token) => Ok(next.run(request).await),
        Some(_) => Err(unauthorized("the operator token is not the right one")),
        None => Err(unauthorized(
            "send the operator token as `Authorization: Bearer <token>`",
        )),
    }
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, detail)
}
