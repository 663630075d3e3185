//! `application/problem+json` (RFC 9457): every error that a server of ours answers with.
//!
//! `{type, title, status, detail, field?, limit?}` and whatever further members a route adds.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};

/// An error answer. Build it from a status and a sentence, then add what is known.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Problem(Box<Members>);

/// The members, apart, so that a `Result` with a problem in it stays small.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Members {
    #[serde(rename = "type")]
    kind: &'static str,
    title: String,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<String>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl Problem {
    /// A problem with the status's own title.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self(Box::new(Members {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            field: None,
            limit: None,
            more: Map::new(),
        }))
    }

    /// 422 for a value that is not allowed: which field, what is.
    pub fn invalid(
        field: impl Into<String>,
        detail: impl Into<String>,
        limit: impl Into<String>,
    ) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
            .field(field)
            .limit(limit)
    }

    /// Another title.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.0.title = title.into();
        self
    }

    /// A name for this kind of problem, a URI.
    #[must_use]
    pub fn kind(mut self, kind: &'static str) -> Self {
        self.0.kind = kind;
        self
    }

    /// The field that is wrong.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    /// What would have been allowed.
    #[must_use]
    pub fn limit(mut self, limit: impl Into<String>) -> Self {
        self.0.limit = Some(limit.into());
        self
    }

    /// A further member, such as `state` or `matches`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.more.insert(name.to_owned(), value.into());
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The sentence.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = serde_json::to_vec(&self).unwrap_or_else(|_| b"{}".to_vec());
        let kind = (header::CONTENT_TYPE, "application/problem+json");
        (status, [kind], body).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_are_unknown_are_left_out_and_further_ones_stand_beside() {
        let plain = Problem::new(StatusCode::NOT_FOUND, "no such number");
        assert_eq!(
            serde_json::to_value(&plain).unwrap(),
            serde_json::json!({"type": "about:blank", "title": "Not Found", "status": 404,
                "detail": "no such number"})
        );
        let more = Problem::invalid("amount_fen", "0 is refused", "more than 0")
            .with("state", "rolled_back");
        let json = serde_json::to_value(&more).unwrap();
        assert_eq!(json["field"], "amount_fen");
        assert_eq!(json["limit"], "more than 0");
        assert_eq!(json["state"], "rolled_back");
        assert_eq!(
            more.into_response().status(),
            StatusCode::UNPROCESSABLE_ENTITY
        );
    }
}
