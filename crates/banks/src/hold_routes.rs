//! `/demo/hold`, `/demo/held`, `/demo/release`: the barriers over HTTP, in demo mode only.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use notification::api::bank1::{Held, Hold};
use service::extract::Json;
use service::problem::Problem;

use crate::hold::Holds;
use crate::refusal;

/// The routes over one bank's barriers.
pub(crate) fn routes<S>(holds: Arc<Holds>) -> Router<S> {
    Router::new()
        .route("/demo/hold", post(hold))
        .route("/demo/held", get(held))
        .route("/demo/release", post(release))
        .with_state(holds)
}

async fn hold(
    State(holds): State<Arc<Holds>>,
    Json(asked): Json<Hold>,
) -> Result<StatusCode, Problem> {
    holds
        .arm(&asked.step, asked.tx_no)
        .map_err(|invalid| refusal::invalid(&invalid))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn held(State(holds): State<Arc<Holds>>) -> Json<Vec<Held>> {
    let pid = std::process::id();
    let held = holds.held().into_iter().map(|(step, tx_no)| Held {
        step: step.to_owned(),
        tx_no,
        pid,
    });
    Json(held.collect())
}

async fn release(State(holds): State<Arc<Holds>>) -> StatusCode {
    holds.release();
    StatusCode::NO_CONTENT
}
