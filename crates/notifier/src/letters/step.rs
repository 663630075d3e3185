//! One transaction of a job: some letters, what became of each, and the place reached.

use std::collections::HashMap;
use std::sync::LazyLock;

use database::DatabaseError;
use notification::api::letters::{JobKind, JobResult};
use notification::{DeadReason, EndpointId, LetterState};
use sqlx::{AnyConnection, Row};
use tokio::time::timeout;

use super::chosen::{Chosen, ORDER};
use super::deal::{self, Dealt, Word};
use super::id::{LetterId, Place};
use super::job::{Counts, Job};
use super::walk::{Of, Walk};
use crate::record::Record;
use crate::record::columns::parsed;
use crate::record::failure::Failure;
use crate::record::insert::Insert;
use crate::resend::SendRequest;
use crate::seal::Sealer;

/// The most letters of one step: a transaction of some ten milliseconds.
pub(super) const MOST: usize = 64;

static LISTED: LazyLock<Insert> = LazyLock::new(|| {
    Insert::into(
        "letter_job_letter",
        "job_id, group_name, tx_no, source, generation, result, why, at_ms",
    )
});

/// A letter whose turn has come.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub place: Place,
    pub endpoint: EndpointId,
    /// Why nothing can be done about it.
    pub refused: Option<String>,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stepped {
    /// It is durable, and the claim lasts until then.
    Until(i64),
    /// The job is not ours any more, or it is stopped.
    NotOurs,
    /// A row contradicts another one at this moment: the same again.
    Changing,
}

/// The next letters of a walk of a job, oldest first; none if it is at its end.
pub(super) async fn candidates(
    db: &mut AnyConnection,
    sealer: &Sealer,
    job: &Job,
    walk: (&Walk, &Of),
    most: usize,
) -> Result<Vec<Candidate>, DatabaseError> {
    let (walk, of) = walk;
    let Some(place) = walk.place(of) else {
        return Ok(Vec::new());
    };
    let chosen = Chosen::new(Some(LetterState::Open), &job.filter)
        .died_by(job.created_ms)
        .behind(place)
        .unlisted(&job.id);
    let chosen = match of {
        Of::All => chosen.not_of(&walk.apart()),
        Of::Endpoint(id) => chosen.of(id),
    };
    let text = format!(
        "SELECT group_name, tx_no, source, generation, died_ms, endpoint_id, reason \
         FROM dead_letter WHERE {{}} {ORDER} LIMIT {}",
        most.min(MOST)
    );
    let rows = chosen.query(&text).fetch_all(&mut *db).await?;
    let mut candidates = Vec::with_capacity(rows.len());
    for row in rows {
        let place = Place {
            died_ms: row.try_get("died_ms")?,
            id: LetterId::read(&row)?,
        };
        let reason = parsed(&row, "reason")?;
        let refused = match job.kind {
            JobKind::Resend => unsendable(db, sealer, &place.id, reason).await?,
            JobKind::Discard => None,
        };
        candidates.push(Candidate {
            endpoint: parsed(&row, "endpoint_id")?,
            refused,
            place,
        });
    }
    Ok(candidates)
}

/// Why a letter can't be sent as it was, if it can't: N6 would bring it to life for nothing.
pub(crate) async fn unsendable(
    db: &mut AnyConnection,
    sealer: &Sealer,
    letter: &LetterId,
    reason: DeadReason,
) -> Result<Option<String>, DatabaseError> {
    if reason == DeadReason::Malformed {
        let why = "a malformed message is malformed however often it is sent: discard it";
        return Ok(Some(why.to_owned()));
    }
    let request = SendRequest {
        key: letter.key.clone(),
        generation: letter.generation + 1,
        next_send_ms: 0,
    };
    Ok(match request.letter(db, sealer).await? {
        Some(Ok(_)) => None,
        Some(Err(error)) => Some(format!("it can't be sent: {error}")),
        None => Some("it is gone".to_owned()),
    })
}

/// Deals with these, and moves the job to the place that it has reached by that.
pub(super) async fn step(
    record: &Record,
    job: &Job,
    letters: &[Candidate],
    reached: Option<&Place>,
) -> Result<Stepped, Failure> {
    let deadline = record.write_deadline();
    let stepped = timeout(deadline, transaction(record, job, letters, reached)).await;
    stepped.unwrap_or(Err(Failure::Deadline(deadline)))
}

async fn transaction(
    record: &Record,
    job: &Job,
    letters: &[Candidate],
    reached: Option<&Place>,
) -> Result<Stepped, Failure> {
    let mut tx = record.database().begin().await?;
    match apply(&mut tx, job, letters, reached, record.now_ms()).await {
        Ok(Stepped::Until(until_ms)) => {
            tx.commit().await?;
            Ok(Stepped::Until(until_ms))
        }
        Ok(not) => {
            tx.rollback().await?;
            Ok(not)
        }
        Err(error) => {
            // Unconfirmed is as good: the job's row says where it stands.
            let _unconfirmed = tx.rollback().await;
            Err(error.into())
        }
    }
}

async fn apply(
    tx: &mut AnyConnection,
    job: &Job,
    letters: &[Candidate],
    reached: Option<&Place>,
    now_ms: i64,
) -> Result<Stepped, DatabaseError> {
    let Some(until_ms) = job.confirm(tx, now_ms).await? else {
        return Ok(Stepped::NotOurs);
    };
    let word = Word {
        by: &job.asked_by,
        reason: job.reason.as_deref(),
        now_ms,
    };
    let mut listed = Vec::with_capacity(letters.len());
    for letter in letters {
        let id = &letter.place.id;
        let dealt = match (&letter.refused, job.kind) {
            (Some(why), _) => Err(why.clone()),
            (None, JobKind::Resend) => match deal::resend(tx, id, word).await? {
                Dealt::Yes => Ok(JobResult::Resent),
                Dealt::NotOpen => Err(NOT_OPEN.to_owned()),
                Dealt::Changing => return Ok(Stepped::Changing),
            },
            (None, JobKind::Discard) => match deal::discard(tx, id, word).await? {
                Dealt::Yes => Ok(JobResult::Discarded),
                Dealt::NotOpen | Dealt::Changing => Err(NOT_OPEN.to_owned()),
            },
        };
        listed.push((id, dealt));
    }
    let failed = listed.iter().filter(|(_, dealt)| dealt.is_err()).count();
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let counts = Counts {
        matched: count(listed.len()),
        dealt: count(listed.len() - failed),
        failed: count(failed),
    };
    list(tx, job, &listed, now_ms).await?;
    job.advance(tx, counts, reached).await?;
    Ok(Stepped::Until(until_ms))
}

/// What a letter's listing says when somebody or something was quicker.
const NOT_OPEN: &str = "it is not open any more";

async fn list(
    tx: &mut AnyConnection,
    job: &Job,
    listed: &[(&LetterId, Result<JobResult, String>)],
    now_ms: i64,
) -> Result<(), DatabaseError> {
    for (text, chunk) in LISTED.chunks(listed) {
        let mut query = sqlx::query(text);
        for (id, dealt) in chunk {
            let (result, why) = match dealt {
                Ok(result) => (*result, None),
                Err(why) => (JobResult::Failed, Some(crate::copy::cut(why, 200))),
            };
            query = query
                .bind(job.id.to_string())
                .bind(id.key.group.to_string())
                .bind(id.key.tx_no.to_string())
                .bind(id.key.source.to_string())
                .bind(i64::from(id.generation))
                .bind(result.as_str())
                .bind(why)
                .bind(now_ms);
        }
        query.execute(&mut *tx).await?;
    }
    Ok(())
}

/// Where each endpoint of some letters stands.
pub(super) type Endpoints = HashMap<EndpointId, super::endpoint_now::Now>;
