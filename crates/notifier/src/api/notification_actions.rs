//! What an operator does about a single notification that is not delivered: have it rung now, or
//! withdraw it.
//!
//! *Ring* brings the next attempt forward; it uses a rung like any other. The copy that the broker
//! keeps sleeps on until the time that it was put off to, so a fresh one is needed. A resend's
//! message lies in the letter of the generation before, and goes out by a send request of the same
//! generation. The initiator's own is with the initiator alone, which is asked for it as for a lost
//! one (outcome `lost`). The old copy does no harm: it finds a record that has moved on, and is
//! acknowledged or put off.
//!
//! *Withdraw* ends it for good: the record is final, its letter closed, its send request gone, and
//! the initiator hears `withdrawn`. That is not the receiver's promise never to apply it, which is
//! `cancelled`: a business change must not be undone on an operator's word alone.

use axum::extract::State;
use axum::http::StatusCode;
use database::Tx;
use notification::api::notifier::{
    AuditAction, NotificationQuery, RingAsked, RingRequest, WithdrawRequest, Withdrawn,
};
use notification::{EndpointId, NotificationState, OutcomeKind};
use service::extract::{Json, Path, Query};
use service::problem::Problem;
use sqlx::any::AnyRow;

use super::ApiState;
use super::failure::Failure;
use super::find;
use crate::audit::{self, Deed};
use crate::carry::FRESH;
use crate::copy::{Key, cut};
use crate::operator::Operator;
use crate::record::columns::{number, parsed};

const STANDING: &str = "SELECT state, generation, endpoint_id FROM notification \
     WHERE group_name = ? AND tx_no = ? AND source = ?";

const DUE_NOW: &str = "UPDATE notification SET next_due_ms = ?, updated_ms = ? \
     WHERE group_name = ? AND tx_no = ? AND source = ? \
     AND generation = ? AND state = 'waiting' AND next_due_ms > ?";

/// The relay sends what no record of the generation has confirmed since.
const UNSEEN: &str = "UPDATE notification SET seen = 0 \
     WHERE group_name = ? AND tx_no = ? AND source = ?";

const ASK_AGAIN: &str = "UPDATE send_request SET next_send_ms = ? \
     WHERE group_name = ? AND tx_no = ? AND source = ? AND generation = ?";

const ASK: &str = "INSERT INTO send_request \
     (next_send_ms, group_name, tx_no, source, generation, sends, created_ms) \
     VALUES (?, ?, ?, ?, ?, 0, ?)";

const OUTCOME: &str = "INSERT INTO outcome \
     (outcome_id, group_name, source, tx_no, generation, kind, at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)";

const CANCEL: &str = "UPDATE notification SET state = 'cancelled', next_due_ms = NULL, \
     updated_ms = ?, last_error = ? \
     WHERE group_name = ? AND tx_no = ? AND source = ? AND state IN ('waiting', 'dead')";

const CLOSE: &str = "UPDATE dead_letter SET state = 'closed', closed_ms = ?, closed_by = ?, \
     closed_reason = ? \
     WHERE group_name = ? AND tx_no = ? AND source = ? AND state IN ('open', 'resent')";

const FORGET: &str = "DELETE FROM send_request WHERE group_name = ? AND tx_no = ? AND source = ?";

/// What the record says before anything is done.
struct Standing {
    state: NotificationState,
    generation: u32,
    endpoint: EndpointId,
}

/// `POST /v1/notifications/{ending}/ring`.
pub(super) async fn ring(
    State(state): State<ApiState>,
    operator: Operator,
    Path(ending): Path<String>,
    Query(narrowed): Query<NotificationQuery>,
    Json(asked): Json<RingRequest>,
) -> Result<(StatusCode, Json<RingAsked>), Failure> {
    let now_ms = state.clock.now_ms();
    let mut db = state.record.database().read().await?;
    let key = find::to_change(&mut db, &ending, &narrowed).await?;
    drop(db);
    let mut tx = state.record.database().begin().await?;
    let standing = standing(&mut tx, &key).await?;
    let generation = i64::from(standing.generation);
    let brought_forward = keyed(sqlx::query(DUE_NOW).bind(now_ms).bind(now_ms), &key)
        .bind(generation)
        .bind(now_ms)
        .execute(&mut *tx)
        .await?;
    if brought_forward.rows_affected() == 0 {
        tx.rollback().await?;
        return Err(not_waiting(&key, standing.state).into());
    }
    let copy_from = if standing.generation == 0 {
        outcome(&state, &mut tx, &key, 0, OutcomeKind::Lost, now_ms).await?;
        "initiator"
    } else {
        request_copy(&mut tx, &key, generation, now_ms).await?;
        "notifier"
    };
    let deed = Deed {
        action: AuditAction::RingNow,
        target: &key.to_string(),
        reason: asked.reason.as_deref(),
        result: &format!("due now, generation {generation}, a copy from the {copy_from}"),
    };
    audit::write(&mut tx, &operator, deed, now_ms).await?;
    tx.commit().await?;
    state.wake.notify_one();
    tracing::info!(event = "ring_asked", %key, generation, copy_from);
    let answer = RingAsked {
        generation: standing.generation,
        copy_from: copy_from.to_owned(),
    };
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// Has the relay send the letter's message anew, for the generation that it was sent for before.
async fn request_copy(
    tx: &mut Tx,
    key: &Key,
    generation: i64,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    keyed(sqlx::query(UNSEEN), key).execute(&mut **tx).await?;
    let again = keyed(sqlx::query(ASK_AGAIN).bind(now_ms), key).bind(generation);
    if again.execute(&mut **tx).await?.rows_affected() == 0 {
        let first = keyed(sqlx::query(ASK).bind(now_ms), key).bind(generation);
        first.bind(now_ms).execute(&mut **tx).await?;
    }
    Ok(())
}

/// `POST /v1/notifications/{ending}/withdraw`.
pub(super) async fn withdraw(
    State(state): State<ApiState>,
    operator: Operator,
    Path(ending): Path<String>,
    Query(narrowed): Query<NotificationQuery>,
    Json(asked): Json<WithdrawRequest>,
) -> Result<Json<Withdrawn>, Failure> {
    let reason = asked.reason.trim();
    if reason.is_empty() {
        let limit = "1 to 200 characters";
        return Err(Problem::invalid("reason", "a withdrawal needs a reason", limit).into());
    }
    let now_ms = state.clock.now_ms();
    let mut db = state.record.database().read().await?;
    let key = find::to_change(&mut db, &ending, &narrowed).await?;
    drop(db);
    let mut tx = state.record.database().begin().await?;
    let standing = standing(&mut tx, &key).await?;
    let note = cut(&format!("withdrawn by {}", operator.name), 200);
    let cancelled = keyed(sqlx::query(CANCEL).bind(now_ms).bind(note.as_str()), &key)
        .execute(&mut *tx)
        .await?;
    if cancelled.rows_affected() == 0 {
        tx.rollback().await?;
        return Err(final_already(&key, standing.state).into());
    }
    let close = sqlx::query(CLOSE)
        .bind(now_ms)
        .bind(operator.name.as_str())
        .bind(cut(reason, 200));
    keyed(close, &key).execute(&mut *tx).await?;
    keyed(sqlx::query(FORGET), &key).execute(&mut *tx).await?;
    let kind = OutcomeKind::Withdrawn;
    outcome(&state, &mut tx, &key, standing.generation, kind, now_ms).await?;
    let deed = Deed {
        action: AuditAction::Withdraw,
        target: &key.to_string(),
        reason: Some(reason),
        result: &format!("cancelled, was {}", standing.state),
    };
    audit::write(&mut tx, &operator, deed, now_ms).await?;
    tx.commit().await?;
    tracing::info!(event = "withdrawn", %key);
    Ok(Json(Withdrawn {
        state: NotificationState::Cancelled,
        may_ring_for_ms: may_ring_for_ms(&state, &standing.endpoint),
    }))
}

/// A copy that was read less than [`FRESH`] ago is rung without another look, for as long as its
/// endpoint lets an attempt take.
fn may_ring_for_ms(state: &ApiState, endpoint: &EndpointId) -> u64 {
    let line = state.directory.line(endpoint);
    let attempt = line.map(|line| line.endpoint().timeout);
    let longest = FRESH + attempt.unwrap_or_default();
    u64::try_from(longest.as_millis()).unwrap_or(u64::MAX)
}

async fn standing(tx: &mut Tx, key: &Key) -> Result<Standing, sqlx::Error> {
    let row: AnyRow = keyed(sqlx::query(STANDING), key)
        .fetch_one(&mut **tx)
        .await?;
    Ok(Standing {
        state: parsed(&row, "state")?,
        generation: number(&row, "generation")?,
        endpoint: parsed(&row, "endpoint_id")?,
    })
}

async fn outcome(
    state: &ApiState,
    tx: &mut Tx,
    key: &Key,
    generation: u32,
    kind: OutcomeKind,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(OUTCOME)
        .bind(state.record.next_outcome_id().to_string())
        .bind(key.group.as_str())
        .bind(key.source.as_str())
        .bind(key.tx_no.to_string())
        .bind(i64::from(generation))
        .bind(kind.as_str())
        .bind(now_ms)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

type Statement<'q> = sqlx::query::Query<'q, sqlx::Any, sqlx::any::AnyArguments>;

fn keyed<'q>(statement: Statement<'q>, key: &'q Key) -> Statement<'q> {
    statement
        .bind(key.group.as_str())
        .bind(key.tx_no.to_string())
        .bind(key.source.as_str())
}

fn not_waiting(key: &Key, state: NotificationState) -> Problem {
    let detail = match state {
        NotificationState::Waiting => format!("{key} is due already: it is about to be rung"),
        NotificationState::Dead => format!("{key} is dead: resend its dead letter"),
        _ => format!("{key} is {state}: there is nothing to ring for"),
    };
    Problem::new(StatusCode::CONFLICT, detail).with("notification_state", state.as_str())
}

fn final_already(key: &Key, state: NotificationState) -> Problem {
    let detail = format!("{key} is {state}: there is nothing to withdraw");
    Problem::new(StatusCode::CONFLICT, detail).with("notification_state", state.as_str())
}
