//! Pause, resume, disable, enable: whether an endpoint may be rung.
//!
//! A pause holds everything for the endpoint and counts nothing; a disabled endpoint's messages
//! are parked, with an alarm. Each word ends its own opposite only, so that who resumes what
//! somebody else has disabled is told.

use axum::extract::State;
use axum::http::StatusCode;
use notification::Operation;
use notification::api::endpoint::{EndpointAction, EndpointView};
use notification::api::notifier::AuditAction;
use service::extract::{Json, Path};
use service::problem::Problem;

use super::{named, reason, shown, tell, unknown};
use crate::api::ApiState;
use crate::api::failure::Failure;
use crate::directory::table::{self, Change};
use crate::operator::Operator;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Pause,
    Resume,
    Disable,
    Enable,
}

impl Word {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Disable => "disable",
            Self::Enable => "enable",
        }
    }

    const fn action(self) -> AuditAction {
        match self {
            Self::Pause => AuditAction::EndpointPause,
            Self::Resume => AuditAction::EndpointResume,
            Self::Disable => AuditAction::EndpointDisable,
            Self::Enable => AuditAction::EndpointEnable,
        }
    }

    /// What it makes of an endpoint, or what must be said first.
    const fn onto(self, now: Operation) -> Result<Operation, Self> {
        use Operation::{Disabled, Open, Paused};
        match (self, now) {
            (Self::Pause, Open | Paused) => Ok(Paused),
            (Self::Resume, Open | Paused) | (Self::Enable, Open | Disabled) => Ok(Open),
            (Self::Disable, _) => Ok(Disabled),
            (Self::Pause | Self::Resume, Disabled) => Err(Self::Enable),
            (Self::Enable, Paused) => Err(Self::Resume),
        }
    }
}

/// `POST /v1/endpoints/{id}/pause`.
pub(super) async fn pause(
    State(state): State<ApiState>,
    operator: Operator,
    Path(id): Path<String>,
    Json(asked): Json<EndpointAction>,
) -> Result<Json<EndpointView>, Failure> {
    operate(&state, &operator, &id, asked, Word::Pause).await
}

/// `POST /v1/endpoints/{id}/resume`.
pub(super) async fn resume(
    State(state): State<ApiState>,
    operator: Operator,
    Path(id): Path<String>,
    Json(asked): Json<EndpointAction>,
) -> Result<Json<EndpointView>, Failure> {
    operate(&state, &operator, &id, asked, Word::Resume).await
}

/// `POST /v1/endpoints/{id}/disable`.
pub(super) async fn disable(
    State(state): State<ApiState>,
    operator: Operator,
    Path(id): Path<String>,
    Json(asked): Json<EndpointAction>,
) -> Result<Json<EndpointView>, Failure> {
    operate(&state, &operator, &id, asked, Word::Disable).await
}

/// `POST /v1/endpoints/{id}/enable`.
pub(super) async fn enable(
    State(state): State<ApiState>,
    operator: Operator,
    Path(id): Path<String>,
    Json(asked): Json<EndpointAction>,
) -> Result<Json<EndpointView>, Failure> {
    operate(&state, &operator, &id, asked, Word::Enable).await
}

async fn operate(
    state: &ApiState,
    operator: &Operator,
    id: &str,
    asked: EndpointAction,
    word: Word,
) -> Result<Json<EndpointView>, Failure> {
    let id = named(id)?;
    let reason = reason(asked.reason.as_deref())?;
    let mut tx = state.record.database().begin().await?;
    let revision = table::next_revision(&mut tx).await?;
    let row = table::one(&mut tx, &id).await?;
    let in_table = row.as_ref().is_some_and(|row| row.defined.is_some());
    if !in_table && state.directory.in_file(&id).is_none() {
        return Err(unknown(&id).into());
    }
    let now = row.as_ref().map_or(Operation::Open, |row| row.operation);
    let operation = word.onto(now).map_err(|first| {
        let detail = format!("endpoint {id} is {now}");
        let limit = format!("{} it first", first.as_str());
        Problem::new(StatusCode::CONFLICT, detail).limit(limit)
    })?;
    if operation == now {
        // Said already: who said it first, and why, stays.
        tx.rollback().await?;
        return Ok(Json(shown(state, &id, row)?));
    }
    let now_ms = state.clock.now_ms();
    let change = Change {
        by: &operator.name,
        now_ms,
        revision,
    };
    table::operate(&mut tx, &id, operation, reason, change).await?;
    let row = table::one(&mut tx, &id).await?;
    tell(&mut tx, operator, (word.action(), &id), reason, change).await?;
    tx.commit().await?;
    state.directory.changed_here().notify_one();
    Ok(Json(shown(state, &id, row)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_ends_its_own_opposite_only() {
        use Operation::{Disabled, Open, Paused};
        let onto = |word: Word| [Open, Paused, Disabled].map(|now| word.onto(now));
        assert_eq!(
            onto(Word::Pause),
            [Ok(Paused), Ok(Paused), Err(Word::Enable)]
        );
        assert_eq!(onto(Word::Resume), [Ok(Open), Ok(Open), Err(Word::Enable)]);
        assert_eq!(onto(Word::Disable), [Ok(Disabled); 3]);
        assert_eq!(onto(Word::Enable), [Ok(Open), Err(Word::Resume), Ok(Open)]);
    }
}
