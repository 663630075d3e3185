//! `POST /v1/dead-letters/{ending}/forward`: the dead-letter topic is mended from the letter's row.
//!
//! The broker alone puts a message there, out of a delivery. So the letter's message goes out once
//! more as it was, of the same generation and for its group alone: whichever notifier is given that
//! copy finds it dead and not forwarded, and forwards it. Nobody is rung.

use axum::extract::State;
use axum::http::StatusCode;
use database::{DatabaseError, Tx};
use notification::api::notifier::{AuditAction, ForwardRequest, NotificationQuery};
use notification::{DeadReason, LetterState};
use service::extract::{Json, Path, Query};
use service::problem::Problem;

use super::ApiState;
use super::failure::Failure;
use super::letter_actions::not_open;
use super::letters;
use crate::audit::{self, Deed};
use crate::letters::id::LetterId;
use crate::operator::Operator;
use crate::record::columns::parsed;
use crate::resend;

const AWAITS_AGAIN: &str = "UPDATE dead_letter SET forwarded_ms = NULL \
     WHERE group_name = ? AND tx_no = ? AND source = ? AND generation = ? AND state = 'open'";

/// Sends it on its way.
pub(super) async fn forward(
    State(state): State<ApiState>,
    operator: Operator,
    Path(ending): Path<String>,
    Query(narrowed): Query<NotificationQuery>,
    Json(asked): Json<ForwardRequest>,
) -> Result<StatusCode, Failure> {
    let mut db = state.record.database().read().await?;
    let (letter, row) = letters::resolve(&mut db, &ending, &narrowed).await?;
    if parsed::<LetterState>(&row, "state")? != LetterState::Open {
        return Err(not_open(&letter).into());
    }
    if parsed::<DeadReason>(&row, "reason")? == DeadReason::Malformed {
        return Err(unsendable(&letter, "its message was malformed").into());
    }
    let (key, generation) = (&letter.key, letter.generation);
    let sealer = state.record.sealer();
    let envelope = resend::letter_as(&mut db, sealer, key, generation, generation).await?;
    drop(db);
    let envelope = match envelope {
        None => return Err(unsendable(&letter, "it is gone").into()),
        Some(Err(error)) => return Err(unsendable(&letter, &error.to_string()).into()),
        Some(Ok(envelope)) => envelope,
    };
    // Before it is sent: a copy that came sooner would be acknowledged, for the topic would have it.
    let mut tx = state.record.database().begin().await?;
    await_again(&mut tx, &letter).await?;
    let deed = Deed {
        action: AuditAction::Forward,
        target: &letter.to_string(),
        reason: asked.reason.as_deref(),
        result: "on its way to the dead-letter topic",
    };
    audit::write(&mut tx, &operator, deed, state.clock.now_ms()).await?;
    tx.commit().await?;
    tracing::info!(event = "forward_asked", %key, generation);
    if let Err(error) = resend::send(&state.producer, &envelope).await {
        let detail = format!("the broker did not take the message of {letter}: {error}");
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
        return Err(problem.limit("ask again when the broker answers").into());
    }
    Ok(StatusCode::ACCEPTED)
}

/// The letter says that the topic lacks it.
async fn await_again(tx: &mut Tx, letter: &LetterId) -> Result<(), DatabaseError> {
    sqlx::query(AWAITS_AGAIN)
        .bind(letter.key.group.as_str())
        .bind(letter.key.tx_no.to_string())
        .bind(letter.key.source.as_str())
        .bind(i64::from(letter.generation))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn unsendable(letter: &LetterId, why: &str) -> Problem {
    let detail = format!("the dead letter {letter} can't be forwarded anew: {why}");
    Problem::new(StatusCode::CONFLICT, detail)
}
