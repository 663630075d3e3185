//! What an operator does about a dead letter: send it anew, or give it up (N6 and N7).

use axum::extract::State;
use axum::http::StatusCode;
use notification::api::notifier::{DiscardRequest, NotificationQuery, ResendRequest, Resent};
use notification::{DeadReason, EndpointId};
use service::extract::{Json, Path, Query};
use service::problem::Problem;
use sqlx::AnyConnection;

use super::ApiState;
use super::failure::Failure;
use super::{last_answers, letters};
use crate::copy::{Key, cut};
use crate::record::columns::{number, parsed};
use crate::resend::SendRequest;

const REVIVE: &str = "UPDATE notification SET state = 'waiting', generation = ?, attempts = 0, \
     parks = 0, parked_ms = 0, seen = 0, next_due_ms = ?, updated_ms = ? \
     WHERE group_name = ? AND tx_no = ? AND source = ? AND generation = ? AND state = 'dead'";

const REQUEST: &str = "INSERT INTO send_request \
     (group_name, tx_no, source, generation, next_send_ms, sends, created_ms) \
     VALUES (?, ?, ?, ?, ?, 0, ?)";

const DEAL_WITH: &str = "UPDATE dead_letter SET state = ?, closed_ms = ?, \
     closed_by = 'operator', closed_reason = ? \
     WHERE group_name = ? AND tx_no = ? AND source = ? AND generation = ? AND state = 'open'";

/// `POST /v1/dead-letters/{ending}/resend`.
pub(super) async fn resend(
    State(state): State<ApiState>,
    Path(ending): Path<String>,
    Query(narrowed): Query<NotificationQuery>,
    Json(asked): Json<ResendRequest>,
) -> Result<(StatusCode, Json<Resent>), Failure> {
    let now_ms = state.clock.now_ms();
    let mut db = state.record.database().read().await?;
    let (key, letter) = letters::resolve(&mut db, &ending, &narrowed).await?;
    if parsed::<DeadReason>(&letter, "reason")? == DeadReason::Malformed {
        let detail = "a malformed message is malformed however often it is sent: discard it";
        return Err(Problem::new(StatusCode::CONFLICT, detail).into());
    }
    let endpoint: EndpointId = parsed(&letter, "endpoint_id")?;
    if !asked.anyway {
        last_answers::refuse_while_failing(&mut db, &endpoint, now_ms).await?;
    }
    let generation: u32 = number(&letter, "generation")?;
    refuse_unsendable(&mut db, &key, generation).await?;
    drop(db);
    let reason = asked.reason.as_deref();
    revive(&state, &key, generation, reason, now_ms).await?;
    state.wake.notify_one();
    let generation = generation + 1;
    tracing::info!(event = "resend_asked", %key, generation);
    Ok((StatusCode::ACCEPTED, Json(Resent { generation })))
}

/// Refuses what could not be sent as it was: a letter of another format, or one that makes no
/// message any more. N6 would bring it to life for nothing.
async fn refuse_unsendable(
    db: &mut AnyConnection,
    key: &Key,
    generation: u32,
) -> Result<(), Failure> {
    let request = SendRequest {
        key: key.clone(),
        generation: generation + 1,
        next_send_ms: 0,
    };
    let why = match request.letter(db).await? {
        Some(Ok(_)) => return Ok(()),
        Some(Err(error)) => error.to_string(),
        None => "it is gone".to_owned(),
    };
    let detail = format!("the dead letter {key}/{generation} can't be sent: {why}");
    Err(Problem::new(StatusCode::CONFLICT, detail).into())
}

/// N6: the notification lives again, one generation on, and its message is to be sent.
async fn revive(
    state: &ApiState,
    key: &Key,
    generation: u32,
    reason: Option<&str>,
    now_ms: i64,
) -> Result<(), Failure> {
    let (old, new) = (i64::from(generation), i64::from(generation) + 1);
    let mut tx = state.record.database().begin().await?;
    let revived = sqlx::query(REVIVE)
        .bind(new)
        .bind(now_ms)
        .bind(now_ms)
        .bind(key.group.as_str())
        .bind(key.tx_no.to_string())
        .bind(key.source.as_str())
        .bind(old)
        .execute(&mut *tx)
        .await?;
    let dealt_with = deal_with(&mut tx, key, generation, "resent", reason, now_ms).await?;
    if revived.rows_affected() == 0 || !dealt_with {
        tx.rollback().await?;
        return Err(not_open(key).into());
    }
    sqlx::query(REQUEST)
        .bind(key.group.as_str())
        .bind(key.tx_no.to_string())
        .bind(key.source.as_str())
        .bind(new)
        .bind(now_ms)
        .bind(now_ms)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// `POST /v1/dead-letters/{ending}/discard` (N7).
pub(super) async fn discard(
    State(state): State<ApiState>,
    Path(ending): Path<String>,
    Query(narrowed): Query<NotificationQuery>,
    Json(asked): Json<DiscardRequest>,
) -> Result<StatusCode, Failure> {
    if asked.reason.trim().is_empty() {
        let limit = "1 to 200 characters";
        return Err(Problem::invalid("reason", "a discard needs a reason", limit).into());
    }
    let mut db = state.record.database().read().await?;
    let (key, letter) = letters::resolve(&mut db, &ending, &narrowed).await?;
    drop(db);
    let (generation, now_ms) = (number(&letter, "generation")?, state.clock.now_ms());
    let mut db = state.record.database().write().await?;
    let reason = Some(asked.reason.as_str());
    if deal_with(&mut db, &key, generation, "discarded", reason, now_ms).await? {
        tracing::info!(event = "letter_discarded", %key, generation);
        Ok(StatusCode::OK)
    } else {
        Err(not_open(&key).into())
    }
}

/// Whether the letter was open, and now is not.
async fn deal_with(
    db: &mut AnyConnection,
    key: &Key,
    generation: u32,
    state: &str,
    reason: Option<&str>,
    now_ms: i64,
) -> Result<bool, Failure> {
    let changed = sqlx::query(DEAL_WITH)
        .bind(state)
        .bind(now_ms)
        .bind(reason.map(|reason| cut(reason, 200)))
        .bind(key.group.as_str())
        .bind(key.tx_no.to_string())
        .bind(key.source.as_str())
        .bind(i64::from(generation))
        .execute(&mut *db)
        .await?;
    Ok(changed.rows_affected() == 1)
}

fn not_open(key: &Key) -> Problem {
    let detail = format!("the dead letter {key} is not open any more");
    Problem::new(StatusCode::CONFLICT, detail)
}
