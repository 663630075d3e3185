//! `/health`: whether the process lives, and whether it can do its work.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use futures::future::join_all;
use notification::api::notifier::Readiness;
use service::extract::Json;
use service::problem::Problem;

use super::{ApiState, Subscribed};

/// How long the broker, or the record store, may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// A result that waits longer than this for the record store is a reason not to be ready.
const LONGEST_FLUSH: Duration = Duration::from_secs(10);

/// The process answers.
pub(super) async fn live() -> Result<StatusCode, Problem> {
    Ok(StatusCode::OK)
}

/// 200 if the record store and the broker answer and results are written, else 503 with what is
/// amiss. A receiver that is in trouble is no reason: its lane is named in either case.
pub(super) async fn ready(State(state): State<ApiState>) -> Result<Json<Readiness>, Problem> {
    let mut reasons = Vec::new();
    let (store, routes) = tokio::join!(record_store(&state), routes(&state));
    reasons.extend(store);
    let unflushed = state.record.health().unflushed();
    if unflushed.is_some_and(|since| since > LONGEST_FLUSH) {
        let since = unflushed.unwrap_or_default().as_secs();
        reasons.push(format!("record store: results have waited for {since} s"));
    }
    reasons.extend(routes);
    reasons.dedup();
    let lines = state.directory.lines();
    let busy = lines.iter().filter(|line| line.lane.is_busy());
    let readiness = Readiness {
        unflushed_for_ms: unflushed
            .map(|since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
        busy_lanes: busy.map(|line| line.id().clone()).collect(),
    };
    if reasons.is_empty() {
        return Ok(Json(readiness));
    }
    let lanes: Vec<&str> = readiness.busy_lanes.iter().map(|id| id.as_str()).collect();
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, reasons.join("; "));
    Err(problem
        .with("reasons", reasons)
        .with("busy_lanes", serde_json::json!(lanes)))
}

async fn record_store(state: &ApiState) -> Option<String> {
    // A read that fails is noted there, one that succeeds ends an earlier failure's note.
    let probe = match tokio::time::timeout(PATIENCE, state.record.probe()).await {
        Ok(probe) => probe.err().map(|error| error.to_string()),
        Err(_) => Some(format!("no answer in {PATIENCE:?}")),
    };
    let reason = probe.or_else(|| state.record.health().reason())?;
    Some(format!("record store: {reason}"))
}

async fn routes(state: &ApiState) -> Vec<String> {
    let route = async |subscribed: &Subscribed| {
        let topic = &subscribed.topic;
        match tokio::time::timeout(PATIENCE, state.client.route(topic.as_str())).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(format!("broker: {error}")),
            Err(_) => Some(format!("broker: no route of topic {topic} in {PATIENCE:?}")),
        }
    };
    let asked = join_all(state.subscribed.iter().map(route)).await;
    asked.into_iter().flatten().collect()
}
