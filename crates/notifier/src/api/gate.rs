//! What stands before each handler: a token, its role, and the handler's deadline.
//!
//! No handler waits for a database or a broker by itself: whatever hangs, the gate answers 503 in
//! time. A change that is cut off there may or may not have been made, and the answer says so.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use notification::api::notifier::Role;
use service::problem::Problem;
use service::request_id::RequestId;

use crate::operator::Operator;
use crate::tokens::{Refusal, Tokens};

/// How long a handler may take, if its route does not say otherwise: whoever asks has an answer
/// within five seconds.
pub(super) const DEADLINE: Duration = Duration::from_secs(4);

/// What one route asks for.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    pub tokens: Tokens,
    pub needs: Role,
    pub within: Duration,
}

/// Lets a request through whose token allows it, for as long as it may take.
pub(super) async fn pass(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let asks = request.method() == Method::GET || request.method() == Method::HEAD;
    let token = bearer(request.headers()).map(str::to_owned);
    let id = request.extensions().get::<RequestId>().cloned();
    let work = async {
        let admitted = admit(&gate, token.as_deref(), &id.unwrap_or_default()).await;
        match admitted {
            Ok(operator) => {
                request.extensions_mut().insert(operator);
                next.run(request).await
            }
            Err(refused) => *refused,
        }
    };
    match tokio::time::timeout(gate.within, work).await {
        Ok(response) => response,
        Err(_elapsed) => too_late(gate.within, asks).into_response(),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A refusal is boxed, as it is large and rare.
async fn admit(
    gate: &Gate,
    token: Option<&str>,
    id: &RequestId,
) -> Result<Operator, Box<Response>> {
    let Some(token) = token else {
        let detail = "send a token as `Authorization: Bearer <token>`";
        return Err(Box::new(unauthorized(gate.needs, detail, "Bearer")));
    };
    let known = gate.tokens.operator(token, id).await;
    let operator = known.map_err(|refusal| Box::new(refused(gate.needs, refusal)))?;
    if gate.needs == Role::Operate && operator.role == Role::Read {
        let detail = format!(
            "this needs a token of the role operate; {} has read",
            operator.name
        );
        let problem = Problem::new(StatusCode::FORBIDDEN, detail);
        let problem = problem.with("needs", gate.needs.as_str());
        return Err(Box::new(problem.into_response()));
    }
    Ok(operator)
}

fn refused(needs: Role, refusal: Refusal) -> Response {
    let invalid = "Bearer error=\"invalid_token\"";
    match refusal {
        Refusal::Unknown => unauthorized(needs, "the token is not the right one", invalid),
        Refusal::Expired { name } => {
            unauthorized(needs, &format!("the token {name} has expired"), invalid)
        }
        Refusal::Unreadable(error) => {
            let detail = format!("tokens can't be looked up, the record store says: {error}");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response()
        }
    }
}

fn unauthorized(needs: Role, detail: &str, challenge: &'static str) -> Response {
    let problem = Problem::new(StatusCode::UNAUTHORIZED, detail);
    let mut response = problem.with("needs", needs.as_str()).into_response();
    let challenge = HeaderValue::from_static(challenge);
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, challenge);
    response
}

fn too_late(within: Duration, asks: bool) -> Problem {
    let span = humantime::format_duration(within);
    let detail = if asks {
        format!("no answer within {span}; try again")
    } else {
        format!(
            "no answer within {span}; whether this was done is not known: look before trying again"
        )
    };
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use axum::{Router, middleware, routing};
    use database::Database;
    use database::testing::Databases;
    use service::Shutdown;
    use service::clock::Clock;
    use service::http_client::{HttpOptions, build};

    use super::*;
    use crate::config::OperatorToken;

    const TOKEN: &str = "0123456789abcdef";

    #[tokio::test]
    async fn a_handler_that_hangs_is_answered_for_in_time() {
        let databases = Databases::new();
        let database = Database::open(&databases.config("gate")).await.unwrap();
        let gate = Gate {
            tokens: Tokens::new(database, OperatorToken::new(TOKEN), Clock::system()),
            needs: Role::Operate,
            within: Duration::from_millis(50),
        };
        let hang = std::future::pending::<StatusCode>;
        let router: Router = Router::new()
            .route("/", routing::get(hang).post(hang))
            .layer(middleware::from_fn_with_state(gate, pass));
        let listener = service::http::bind(([127, 0, 0, 1], 0).into())
            .await
            .unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let shutdown = Shutdown::new();
        let serving = tokio::spawn(service::http::serve(listener, router, shutdown.clone()));
        let http = build(&HttpOptions::default()).unwrap();
        for (method, hint) in [(Method::GET, "try again"), (Method::POST, "not known")] {
            let began = Instant::now();
            let asked = http
                .request(method, &url)
                .bearer_auth(TOKEN)
                .send()
                .await
                .unwrap();
            assert_eq!(asked.status(), StatusCode::SERVICE_UNAVAILABLE);
            let text = asked.text().await.unwrap();
            assert!(
                text.contains("within 50ms") && text.contains(hint),
                "{text}"
            );
            assert!(began.elapsed() < DEADLINE);
        }
        shutdown.force();
        serving.await.unwrap().unwrap();
    }
}
