//! Erasing a notification's content.

use axum::extract::State;
use axum::http::StatusCode;
use notification::TxNo;
use notification::api::erasure::{EraseRequest, Erased};
use notification::api::notifier::AuditAction;
use service::extract::{Json, Path, Query};
use service::problem::Problem;

use super::ApiState;
use super::failure::Failure;
use crate::audit::{self, Deed};
use crate::operator::Operator;
use crate::record::erase::{self, Erasure};

/// `DELETE /v1/notifications/{tx_no}/content`: of every group and source that has the number, which
/// is given whole.
pub(super) async fn erase(
    State(state): State<ApiState>,
    operator: Operator,
    Path(tx_no): Path<String>,
    Query(asked): Query<EraseRequest>,
) -> Result<Json<Erased>, Failure> {
    let tx_no: TxNo = tx_no.parse().map_err(|_| {
        let detail = format!("{tx_no:?} is refused");
        Problem::invalid("tx_no", detail, "the whole tx_no: what is erased is gone")
    })?;
    let mut tx = state.record.database().begin().await?;
    let erased = match erase::erase(&mut tx, tx_no).await? {
        Erasure::Done(erased) => erased,
        Erasure::UnderWay(key) => {
            tx.rollback().await?;
            let detail = format!(
                "{key} is under way: its message, and its next answer, would bring the content back"
            );
            let problem = Problem::new(StatusCode::CONFLICT, detail);
            let limit = "when it is delivered or dead";
            return Err(problem.limit(limit).into());
        }
    };
    if erased.is_empty() {
        tx.rollback().await?;
        let detail = format!("no notification has the number {tx_no}");
        return Err(Problem::new(StatusCode::NOT_FOUND, detail).into());
    }
    let now_ms = state.clock.now_ms();
    for record in &erased {
        let deed = Deed {
            action: AuditAction::Erase,
            target: &format!("{}/{}/{tx_no}", record.group, record.source),
            reason: asked.reason.as_deref(),
            result: &format!("{} attempts, {} letters", record.attempts, record.letters),
        };
        audit::write(&mut tx, &operator, deed, now_ms).await?;
    }
    tx.commit().await?;
    tracing::info!(event = "content_erased", %tx_no, records = erased.len());
    Ok(Json(Erased { tx_no, erased }))
}
