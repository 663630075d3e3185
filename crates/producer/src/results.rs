//! The result API: what became of a `tx_no`, for whoever must know for certain.
//!
//! It answers 200 for every well-formed number: `unknown` is an answer, and it may still change.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use database::DatabaseError;
use notification::{BusinessState, Invalid, TxNo, api};
use service::problem::Problem;

use crate::initiator::Initiator;
use crate::outgoing::Standing;

/// `GET /results/{tx_no}`.
pub fn result_routes(initiator: Initiator) -> Router {
    Router::new()
        .route("/results/{tx_no}", get(result))
        .with_state(initiator)
}

async fn result(
    State(initiator): State<Initiator>,
    Path(tx_no): Path<String>,
) -> Result<Json<api::ResultView>, Problem> {
    let tx_no: TxNo = tx_no.parse().map_err(|invalid: Invalid| {
        Problem::invalid(&invalid.field, invalid.to_string(), &invalid.limit)
    })?;
    let view = initiator.result(&tx_no).await.map_err(|error| {
        tracing::warn!(event = "result_unreadable", %tx_no, %error);
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the database can't be read now; ask again",
        )
    })?;
    Ok(Json(view))
}

/// What is told of a row, or of there being none.
pub(crate) fn view(tx_no: &TxNo, standing: Option<Standing>) -> api::ResultView {
    match standing {
        None => api::ResultView {
            tx_no: *tx_no,
            state: BusinessState::Unknown,
            outcome: None,
            checked_by: None,
        },
        Some(standing) => api::ResultView {
            tx_no: *tx_no,
            state: standing.state,
            outcome: Some(standing.outcome),
            checked_by: standing.checked_by,
        },
    }
}

impl Initiator {
    /// What became of a `tx_no`: committed, rolled back, reversed, or unknown as yet.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn result(&self, tx_no: &TxNo) -> Result<api::ResultView, DatabaseError> {
        let reading = self.database().in_time(async {
            let mut connection = self.database().read().await?;
            crate::outgoing::standing(&mut connection, tx_no).await
        });
        let standing = reading.await?;
        Ok(view(tx_no, standing))
    }
}
