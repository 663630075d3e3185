//! `/health`: whether the process lives, and whether it can do its work.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use notification::api::notifier::NotReady;
use service::extract::Json;

use super::ApiState;

/// How long the broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The process answers.
pub(super) async fn live() -> StatusCode {
    StatusCode::OK
}

/// 200 if the record store and the broker answer, else 503 with what does not.
pub(super) async fn ready(State(state): State<ApiState>) -> Response {
    let mut reasons = Vec::new();
    // A read that fails is noted there, one that succeeds ends an earlier failure's note.
    let probe = state
        .record
        .probe()
        .await
        .err()
        .map(|error| error.to_string());
    if let Some(reason) = probe.or_else(|| state.record.health().reason()) {
        reasons.push(format!("record store: {reason}"));
    }
    for subscribed in state.subscribed.iter() {
        let route = state.client.route(subscribed.topic.as_str());
        let topic = &subscribed.topic;
        match tokio::time::timeout(PATIENCE, route).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => reasons.push(format!("broker: {error}")),
            Err(_) => reasons.push(format!("broker: no route of topic {topic} in {PATIENCE:?}")),
        }
    }
    reasons.dedup();
    if reasons.is_empty() {
        StatusCode::OK.into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(NotReady { reasons })).into_response()
    }
}
