//! axum's extractors with rejections that are [`Problem`]s and name the field where it is known.

use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Problem;

/// A JSON body. A request without a content type is taken as JSON too, for `curl -d`; an answer is
/// `application/json`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json<T>(pub T);

/// The query string.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query<T>(pub T);

/// The path's parameters.
#[derive(Debug, Clone, Copy, Default)]
pub struct Path<T>(pub T);

/// The most that a body may hold, bytes.
const BODY_LIMIT: usize = 2 << 20;

/// Parts that are still read of a larger one, and for how long at most: a connection that is closed while its client
/// writes is reset, and the client never reads why.
const OVERFLOW: usize = 1 << 10;
const OVERFLOW_WITHIN: Duration = Duration::from_secs(2);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(mut request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        if kind.is_none_or(|kind| kind == form) {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(header::CONTENT_TYPE, json);
        }
        let (parts, body) = request.into_parts();
        let body = match whole(body).await? {
            // Nothing is said: whatever may be left out is.
            empty if empty.is_empty() => Bytes::from_static(b"{}"),
            body => body,
        };
        let request = Request::from_parts(parts, body.into());
        match axum::Json::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(json_problem(&rejection)),
        }
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query: Result<_, QueryRejection> =
            axum::extract::Query::from_request_parts(parts, state).await;
        match query {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(described(StatusCode::BAD_REQUEST, &rejection)),
        }
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path: Result<_, PathRejection> =
            axum::extract::Path::from_request_parts(parts, state).await;
        match path {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(described(StatusCode::BAD_REQUEST, &rejection)),
        }
    }
}

/// All of a body, if it is within [`BODY_LIMIT`].
async fn whole(body: Body) -> Result<Bytes, Problem> {
    let mut parts = body.into_data_stream();
    let mut held = BytesMut::new();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|error| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                format!("the body breaks off: {error}"),
            )
        })?;
        if held.len() + part.len() > BODY_LIMIT {
            let rest = parts.take(OVERFLOW).for_each(|_| std::future::ready(()));
            let _heard_or_not = tokio::time::timeout(OVERFLOW_WITHIN, rest).await;
            return Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("a body holds at most {BODY_LIMIT} bytes"),
            ));
        }
        held.extend_from_slice(&part);
    }
    Ok(held.freeze())
}

fn json_problem(rejection: &JsonRejection) -> Problem {
    match rejection {
        JsonRejection::JsonDataError(_) | JsonRejection::JsonSyntaxError(_) => {
            described(rejection.status(), rejection)
        }
        other => Problem::new(other.status(), other.body_text()),
    }
}

/// The innermost cause in its own words, with the field that it is about.
fn described(status: StatusCode, rejection: &dyn std::error::Error) -> Problem {
    let mut cause = rejection;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let text = cause.to_string();
    let (path, message) = split_path(&text);
    let problem = Problem::new(status, message);
    match path.or_else(|| quoted_field(message)) {
        Some(field) => problem.field(field),
        None => problem,
    }
}

/// `a.b: message` as its two halves; `.` is the whole body, which is no field.
fn split_path(text: &str) -> (Option<&str>, &str) {
    match text.split_once(": ") {
        Some((path, message)) if is_path(path) => {
            ((path != "." && path != "?").then_some(path), message)
        }
        _ => (None, text),
    }
}

fn is_path(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-[]?".contains(&b);
    !text.is_empty() && text.bytes().all(fits)
}

/// The name in serde's "missing field `x`" and "unknown field `x`".
fn quoted_field(message: &str) -> Option<&str> {
    let rest = ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start))?;
    rest.split('`').next()
}

#[cfg(test)]
mod tests;
