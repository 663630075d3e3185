//! `POST /v1/endpoints/{id}/test`: one signed notification that no business change stands behind.
//!
//! It goes out at once, whatever the endpoint's lane and operation: an operator wants to know
//! whether the receiver answers before opening it. It leaves no record of a notification.

use axum::extract::State;
use axum::http::StatusCode;
use bytes::Bytes;
use notification::api::endpoint::{ClockShown, EndpointAction, TestResult};
use notification::api::notifier::AuditAction;
use notification::{Group, Source, TxNo};
use serde_json::json;
use service::extract::{Json, Path};
use service::problem::Problem;
use tokio::sync::Semaphore;

use super::{named, reason, unknown};
use crate::api::ApiState;
use crate::api::failure::Failure;
use crate::audit::{self, Deed};
use crate::copy::{Content, Copy, Key, Reading};
use crate::operator::Operator;
use crate::verdict;

/// The event type by which a receiver knows it.
const EVENT_TYPE: &str = "ringback.test";

/// More than these at a time are refused: a test has no lane to wait in.
static AT_ONCE: Semaphore = Semaphore::const_new(8);

/// Sends it, and tells what came of it.
pub(super) async fn test(
    State(state): State<ApiState>,
    operator: Operator,
    Path(id): Path<String>,
    Json(asked): Json<EndpointAction>,
) -> Result<Json<TestResult>, Failure> {
    let id = named(&id)?;
    let reason = reason(asked.reason.as_deref())?;
    let Some(line) = state.directory.line(&id) else {
        return Err(match state.directory.unusable(&id) {
            Some(why) => Problem::new(StatusCode::CONFLICT, format!("endpoint {id}: {why}")),
            None => unknown(&id),
        }
        .into());
    };
    let Ok(_one) = AT_ONCE.try_acquire() else {
        let detail = "8 tests are under way already";
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).into());
    };
    let endpoint = line.endpoint();
    let now_ms = state.clock.now_ms();
    let mut tx = state.record.database().begin().await?;
    let deed = Deed {
        action: AuditAction::EndpointTest,
        target: id.as_str(),
        reason,
        result: "sent",
    };
    audit::write(&mut tx, &operator, deed, now_ms).await?;
    tx.commit().await?;
    let copy = notification(now_ms)?;
    let rung = Box::pin(state.ringer.ring(&endpoint, &copy, 1)).await;
    if let Some(ahead_s) = rung.skew {
        let read_ms = rung.finished_ms;
        line.tells_the_time(ClockShown { ahead_s, read_ms });
    }
    let (verdict, error, detail) = verdict::of(&endpoint.acceptance, &rung);
    let excerpt = rung.excerpt();
    Ok(Json(TestResult {
        endpoint: id,
        url: endpoint.url_text.to_string(),
        tx_no: copy.key.tx_no,
        verdict,
        status: rung.status,
        error,
        detail,
        took_ms: u64::try_from(rung.took.as_millis()).unwrap_or(u64::MAX),
        excerpt: (!excerpt.is_empty()).then(|| String::from_utf8_lossy(&excerpt).into_owned()),
    }))
}

/// A notification with a number of its own.
fn notification(now_ms: i64) -> Result<Copy, Failure> {
    let ours = |error: notification::Invalid| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    };
    let tx_no = TxNo::from_parts(u64::try_from(now_ms).unwrap_or(0), service::ids::random10());
    let body = json!({"type": EVENT_TYPE, "tx_no": tx_no, "sent_ms": now_ms}).to_string();
    Ok(Copy {
        key: Key {
            group: Group::new("-").map_err(ours)?,
            tx_no,
            source: Source::new("ringback").map_err(ours)?,
        },
        generation: 0,
        for_group: None,
        content: Content {
            topic: String::new(),
            event_type: EVENT_TYPE.to_owned(),
            business_key: "test".to_owned(),
            content_type: "application/json".to_owned(),
            endpoint: None,
            notify_url: None,
            traceparent: None,
            initiator_id: String::new(),
            body: Bytes::from(body),
        },
        reading: Reading::Known,
        delivery_attempt: 1,
        born_ms: now_ms,
    })
}
