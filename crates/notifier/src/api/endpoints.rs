//! `/v1/endpoints`: what there is to ring, and what operators change about it.
//!
//! The table is what is read and changed here; every process takes a change over within a second
//! ([`crate::directory`]). Endpoints that `ringback.toml` defines are shown too, and may be paused,
//! resumed, disabled and enabled, which the table remembers for them; all else about them is
//! changed in the file. What is secret goes in and never comes out, but for a secret that is made
//! here: it is told once, in the answer to its making.

mod change;
mod operate;
mod rotate;
mod test;
mod view;

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use database::{DatabaseError, Tx};
use notification::api::endpoint::{EndpointView, EndpointsPage, EndpointsQuery};
use notification::api::notifier::AuditAction;
use notification::{EndpointId, Invalid};
use service::extract::{Json, Path, Query};
use service::problem::Problem;

use super::ApiState;
use super::failure::Failure;
use super::routes::{Route, delete, get, patch, post};
use crate::audit::{self, Deed};
use crate::config::EndpointConfig;
use crate::directory::settings::{self, Unusable};
use crate::directory::table::{self, Change, Row};
use crate::operator::Operator;

/// The most characters of a reason.
const LONGEST_REASON: usize = 200;

/// A test is answered when its attempt has ended: longer than any endpoint's deadline.
pub(super) const LONGEST_TEST: Duration = Duration::from_secs(64);

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        get("/v1/endpoints", page).says("Endpoints, by id"),
        get("/v1/endpoints/{id}", show).says("One endpoint, without what is secret"),
        post("/v1/endpoints", change::create)
            .answers(StatusCode::CREATED)
            .says("Add an endpoint; a secret that is made for it is told in the answer alone"),
        patch("/v1/endpoints/{id}", change::edit)
            .says("Change settings of an endpoint, as a merge patch"),
        delete("/v1/endpoints/{id}", change::remove)
            .answers(StatusCode::NO_CONTENT)
            .says("Take an endpoint away"),
        post("/v1/endpoints/{id}/pause", operate::pause)
            .says("Hold everything for an endpoint; no rung is used"),
        post("/v1/endpoints/{id}/resume", operate::resume).says("End a pause"),
        post("/v1/endpoints/{id}/disable", operate::disable)
            .says("Ring an endpoint no more; what comes for it is parked"),
        post("/v1/endpoints/{id}/enable", operate::enable).says("Ring a disabled endpoint again"),
        post("/v1/endpoints/{id}/rotate-secret", rotate::rotate)
            .says("Sign with a new secret, and for a while with the old ones too"),
        post("/v1/endpoints/{id}/test", test::test)
            .within(LONGEST_TEST)
            .says("Send a test notification and say what came of it"),
    ]
}

/// `GET /v1/endpoints`.
async fn page(
    State(state): State<ApiState>,
    Query(asked): Query<EndpointsQuery>,
) -> Result<Json<EndpointsPage>, Failure> {
    let limit = match asked.limit {
        None => 100,
        Some(limit @ 1..=1000) => limit,
        Some(limit) => {
            let detail = format!("{limit} endpoints on a page");
            return Err(Problem::invalid("limit", detail, "1 to 1000").into());
        }
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut db = state.record.database().read().await?;
    let rows = table::all(&mut db).await?;
    drop(db);
    let mut known = view::known(&state.directory, rows);
    known.retain(|one| {
        asked
            .operation
            .is_none_or(|operation| one.operation() == operation)
    });
    if let Some(after) = &asked.after {
        known.retain(|one| one.id() > after);
    }
    let more = known.len() > limit;
    known.truncate(limit);
    let next = known.last().filter(|_| more).map(|last| last.id().clone());
    let now_ms = state.clock.now_ms();
    let endpoints = known.iter().map(|one| one.view(&state.directory, now_ms));
    Ok(Json(EndpointsPage {
        endpoints: endpoints.collect::<Result<_, _>>()?,
        next,
    }))
}

/// `GET /v1/endpoints/{id}`.
async fn show(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<EndpointView>, Failure> {
    let mut db = state.record.database().read().await?;
    let id = named(&id)?;
    let row = table::one(&mut db, &id).await?;
    drop(db);
    Ok(Json(shown(&state, &id, row)?))
}

/// One endpoint as the API shows it.
fn shown(
    state: &ApiState,
    id: &EndpointId,
    row: Option<table::Row>,
) -> Result<EndpointView, Failure> {
    let known = view::Known::of(&state.directory, id, row).ok_or_else(|| unknown(id))?;
    Ok(known.view(&state.directory, state.clock.now_ms())?)
}

/// Gives an endpoint of the table other settings, puts that on record in the same transaction, and
/// commits it.
async fn redefine(
    state: &ApiState,
    operator: &Operator,
    mut tx: Tx,
    row: Row,
    config: &EndpointConfig,
    (action, reason): (AuditAction, Option<&str>),
    change: Change<'_>,
) -> Result<Row, Failure> {
    let defined = settings::define(config, state.directory.sealing())?;
    table::define(&mut tx, &row.id, &defined, change).await?;
    tell(&mut tx, operator, (action, &row.id), reason, change).await?;
    tx.commit().await?;
    state.directory.changed_here().notify_one();
    Ok(Row {
        defined: Some(defined),
        revision: change.revision,
        updated_ms: change.now_ms,
        updated_by: change.by.to_owned(),
        ..row
    })
}

/// Puts a deed on record, in its own transaction.
async fn tell(
    tx: &mut Tx,
    operator: &Operator,
    (action, id): (AuditAction, &EndpointId),
    reason: Option<&str>,
    change: Change<'_>,
) -> Result<(), DatabaseError> {
    let deed = Deed {
        action,
        target: id.as_str(),
        reason,
        result: &format!("revision {}", change.revision),
    };
    audit::write(tx, operator, deed, change.now_ms).await
}

/// The id in a path: what can't be one is nobody's.
fn named(text: &str) -> Result<EndpointId, Problem> {
    text.parse().map_err(|_: Invalid| unknown(text))
}

fn unknown(id: impl std::fmt::Display) -> Problem {
    let detail = format!("there is no endpoint {id}");
    Problem::new(StatusCode::NOT_FOUND, detail)
}

/// 409 for what is only changed in the file.
fn defined_in_file(id: &EndpointId) -> Problem {
    let detail = format!("endpoint {id} is defined in the notifier's ringback.toml");
    Problem::new(StatusCode::CONFLICT, detail)
        .limit("change it there and start the notifier anew; only pause, resume, disable and enable work here")
}

/// A reason that fits its column.
fn reason(given: Option<&str>) -> Result<Option<&str>, Problem> {
    let given = given.map(str::trim).filter(|reason| !reason.is_empty());
    if given.is_some_and(|reason| reason.contains(char::is_control)) {
        let limit = "one line, without control characters";
        return Err(Problem::invalid("reason", "reason: it is refused", limit));
    }
    let length = given.map_or(0, |reason| reason.chars().count());
    if length > LONGEST_REASON {
        let detail = format!("reason: {length} characters are refused");
        let limit = format!("at most {LONGEST_REASON} characters");
        return Err(Problem::invalid("reason", detail, limit));
    }
    Ok(given)
}

impl From<Unusable> for Failure {
    /// Settings that lie in the table and can't be read back: nothing the caller could mend.
    fn from(error: Unusable) -> Self {
        match error {
            Unusable::Invalid(invalid) => change::refused(&invalid).into(),
            error => {
                let detail = error.to_string();
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into()
            }
        }
    }
}
