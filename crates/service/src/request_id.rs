//! A name for each request: the client's own, or a fresh one.
//!
//! It stands in the answer's `x-request-id`, so that an operator can say which request is meant,
//! and in the request's extensions for whoever logs or records what the request did.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use crate::{clock, ids};

/// The header, in requests and answers.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest that is taken from a client.
const LONGEST: usize = 64;

/// The name of a request: 1 to 64 characters, `A-Z a-z 0-9 . _ -`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestId(String);

impl RequestId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The client's, if it is one; else a fresh UUIDv7.
    fn of(headers: &HeaderMap) -> Self {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        let given = headers.get(HEADER).and_then(|value| value.to_str().ok());
        let taken = given.filter(|id| (1..=LONGEST).contains(&id.len()) && id.bytes().all(fits));
        Self(taken.map_or_else(|| ids::uuid7(clock::now_ms()), str::to_owned))
    }
}

/// Middleware: names the request and says the name in its answer.
pub async fn attach(mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let value = HeaderValue::from_str(id.as_str());
    request.extensions_mut().insert(id);
    let mut response = next.run(request).await;
    if let Ok(value) = value {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_name_is_kept_if_it_is_one() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, HeaderValue::from_static(value));
            RequestId::of(&headers)
        };
        assert_eq!(of("job-7.retry_2").as_str(), "job-7.retry_2");
        let long = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
        for bad in ["", "a b", "a\"b", long] {
            assert_eq!(of(bad).as_str().len(), 36, "{bad:?}");
        }
        let none = HeaderMap::new();
        assert_ne!(RequestId::of(&none), RequestId::of(&none));
    }
}
