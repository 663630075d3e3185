//! What an operator does about one dead letter: send it anew, or give it up (N6 and N7).

use axum::extract::State;
use axum::http::StatusCode;
use notification::EndpointId;
use notification::api::notifier::{
    AuditAction, DiscardRequest, NotificationQuery, ResendRequest, Resent,
};
use service::extract::{Json, Path, Query};
use service::problem::Problem;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::ApiState;
use super::failure::Failure;
use super::letters;
use crate::audit::{self, Deed};
use crate::letters::deal::{self, Dealt, LONGEST_REASON, Word};
use crate::letters::failing;
use crate::letters::id::LetterId;
use crate::operator::Operator;
use crate::record::columns::parsed;
use crate::seal::Sealer;

/// `POST /v1/dead-letters/{ending}/resend`.
pub(super) async fn resend(
    State(state): State<ApiState>,
    operator: Operator,
    Path(ending): Path<String>,
    Query(narrowed): Query<NotificationQuery>,
    Json(asked): Json<ResendRequest>,
) -> Result<(StatusCode, Json<Resent>), Failure> {
    let now_ms = state.clock.now_ms();
    let mut db = state.record.database().read().await?;
    let (letter, row) = letters::resolve(&mut db, &ending, &narrowed).await?;
    refuse_unsendable(&mut db, state.record.sealer(), &letter, &row).await?;
    if !asked.anyway {
        refuse_while_failing(&mut db, &parsed(&row, "endpoint_id")?, now_ms).await?;
    }
    drop(db);
    let word = Word {
        by: &operator.name,
        reason: asked.reason.as_deref(),
        now_ms,
    };
    let mut tx = state.record.database().begin().await?;
    match deal::resend(&mut tx, &letter, word).await? {
        Dealt::Yes => {
            let result = format!("generation {}", letter.generation + 1);
            let deed = Deed {
                action: AuditAction::Resend,
                target: &letter.to_string(),
                reason: word.reason,
                result: &result,
            };
            audit::write(&mut tx, &operator, deed, now_ms).await?;
            tx.commit().await?;
        }
        Dealt::NotOpen | Dealt::Changing => {
            tx.rollback().await?;
            return Err(not_open(&letter).into());
        }
    }
    state.wake.notify_one();
    let (key, generation) = (letter.key, letter.generation + 1);
    tracing::info!(event = "resend_asked", %key, generation);
    Ok((StatusCode::ACCEPTED, Json(Resent { generation })))
}

/// 412 while the endpoint's newest attempts all failed: the letter would only die again.
pub(super) async fn refuse_while_failing(
    db: &mut AnyConnection,
    endpoint: &EndpointId,
    now_ms: i64,
) -> Result<(), Failure> {
    match failing::failing(db, endpoint, now_ms).await? {
        None => Ok(()),
        Some(answers) => {
            let detail = failing::in_words(endpoint, &answers);
            let limit = "repair the receiver, or send `anyway`";
            let problem = Problem::new(StatusCode::PRECONDITION_FAILED, detail);
            Err(problem.limit(limit).into())
        }
    }
}

/// Refuses what could not be sent as it was.
async fn refuse_unsendable(
    db: &mut AnyConnection,
    sealer: &Sealer,
    letter: &LetterId,
    row: &AnyRow,
) -> Result<(), Failure> {
    let why = crate::letters::unsendable(db, sealer, letter, parsed(row, "reason")?).await?;
    match why {
        None => Ok(()),
        Some(why) => {
            let detail = format!("the dead letter {letter} can't be sent anew: {why}");
            Err(Problem::new(StatusCode::CONFLICT, detail).into())
        }
    }
}

/// `POST /v1/dead-letters/{ending}/discard` (N7).
pub(super) async fn discard(
    State(state): State<ApiState>,
    operator: Operator,
    Path(ending): Path<String>,
    Query(narrowed): Query<NotificationQuery>,
    Json(asked): Json<DiscardRequest>,
) -> Result<StatusCode, Failure> {
    refuse_no_reason(&asked.reason)?;
    let mut db = state.record.database().read().await?;
    let (letter, _) = letters::resolve(&mut db, &ending, &narrowed).await?;
    drop(db);
    let word = Word {
        by: &operator.name,
        reason: Some(asked.reason.as_str()),
        now_ms: state.clock.now_ms(),
    };
    let mut tx = state.record.database().begin().await?;
    if deal::discard(&mut tx, &letter, word).await? != Dealt::Yes {
        tx.rollback().await?;
        return Err(not_open(&letter).into());
    }
    let deed = Deed {
        action: AuditAction::Discard,
        target: &letter.to_string(),
        reason: word.reason,
        result: "discarded",
    };
    audit::write(&mut tx, &operator, deed, word.now_ms).await?;
    tx.commit().await?;
    tracing::info!(event = "letter_discarded", key = %letter.key, generation = letter.generation);
    Ok(StatusCode::OK)
}

/// A letter is given up for a reason that the next one can read.
pub(super) fn refuse_no_reason(reason: &str) -> Result<(), Failure> {
    if reason.trim().is_empty() {
        let limit = format!("1 to {LONGEST_REASON} characters");
        return Err(Problem::invalid("reason", "a discard needs a reason", limit).into());
    }
    Ok(())
}

pub(super) fn not_open(letter: &LetterId) -> Problem {
    let detail = format!("the dead letter {letter} is not open any more");
    Problem::new(StatusCode::CONFLICT, detail)
}
