//! A job's row: made, found, claimed, moved on, stopped.
//!
//! The claim is the column `claimed_until_ms`: whoever changes it from what it read has the job until
//! then, and every step changes it again. It only grows, so no two claims are alike.

use database::{Database, DatabaseError};
use notification::api::letters::{JobKind, JobState, LetterFilter, ResendRate};
use notification::{EndpointId, TxNo};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::id::Place;
use super::pace::CLAIM;
use crate::copy::cut;
use crate::record::columns::{number, parsed, parsed_if_any};

const INSERT: &str = "INSERT INTO letter_job (job_id, kind, state, filter, endpoint_id, \
     rate_per_minute, anyway, reason, asked_by, created_ms, selected, matched, dealt, failed, \
     claimed_until_ms) VALUES (?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0)";

const COLUMNS: &str = "SELECT job_id, kind, state, note, filter, endpoint_id, rate_per_minute, \
     anyway, reason, asked_by, created_ms, ended_ms, selected, matched, dealt, failed, reached, \
     worker, claimed_until_ms FROM letter_job";

const CLAIM_IT: &str = "UPDATE letter_job SET claimed_until_ms = ?, worker = ? \
     WHERE job_id = ? AND state = 'running' AND claimed_until_ms = ?";

const NOTE: &str = "UPDATE letter_job SET claimed_until_ms = ?, note = ? \
     WHERE job_id = ? AND state = 'running' AND claimed_until_ms = ?";

const PAUSE: &str = "UPDATE letter_job SET state = 'paused', note = ?, claimed_until_ms = ? \
     WHERE job_id = ? AND state = 'running' AND claimed_until_ms = ?";

const FINISH: &str = "UPDATE letter_job SET state = 'done', note = NULL, ended_ms = ?, \
     claimed_until_ms = ? WHERE job_id = ? AND state = 'running' AND claimed_until_ms = ?";

const ADVANCE: &str = "UPDATE letter_job SET matched = matched + ?, dealt = dealt + ?, \
     failed = failed + ?, reached = CASE WHEN ? IS NULL THEN reached ELSE ? END, note = NULL \
     WHERE job_id = ?";

const STOP: &str = "UPDATE letter_job SET state = 'stopped', note = NULL \
     WHERE job_id = ? AND state IN ('running', 'paused')";

/// Whoever carried it may be anywhere: the claim runs out by itself.
const RESUME: &str = "UPDATE letter_job SET state = 'running', note = NULL, \
     anyway = CASE WHEN ? = 1 THEN 1 ELSE anyway END, rate_per_minute = ? \
     WHERE job_id = ? AND state IN ('stopped', 'paused')";

/// The most jobs that run at a time: each is looked at every second.
pub(crate) const MOST_RUNNING: i64 = 64;

/// A job as its row has it.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub id: TxNo,
    pub kind: JobKind,
    pub state: JobState,
    pub note: Option<String>,
    pub filter: LetterFilter,
    /// Set if all its letters are of one endpoint.
    pub endpoint: Option<EndpointId>,
    pub rate: ResendRate,
    pub anyway: bool,
    pub reason: Option<String>,
    pub asked_by: String,
    pub created_ms: i64,
    pub ended_ms: Option<i64>,
    pub selected: u64,
    pub matched: u64,
    pub dealt: u64,
    pub failed: u64,
    /// Everything up to this letter is dealt with.
    pub reached: Option<Place>,
    /// Who claimed it last.
    pub worker: Option<String>,
    pub claimed_until_ms: i64,
}

/// What a step adds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub matched: i64,
    pub dealt: i64,
    pub failed: i64,
}

impl Job {
    fn read(row: &AnyRow) -> Result<Self, sqlx::Error> {
        let filter: String = row.try_get("filter")?;
        let filter = serde_json::from_str(&filter).map_err(|error| sqlx::Error::ColumnDecode {
            index: "filter".to_owned(),
            source: Box::new(error),
        })?;
        let rate = ResendRate::per_minute(number(row, "rate_per_minute")?);
        Ok(Self {
            id: parsed(row, "job_id")?,
            kind: parsed(row, "kind")?,
            state: parsed(row, "state")?,
            note: row.try_get("note")?,
            filter,
            endpoint: parsed_if_any(row, "endpoint_id")?,
            rate: rate.map_err(|invalid| sqlx::Error::ColumnDecode {
                index: "rate_per_minute".to_owned(),
                source: Box::new(invalid),
            })?,
            anyway: number::<i64>(row, "anyway")? != 0,
            reason: row.try_get("reason")?,
            asked_by: row.try_get("asked_by")?,
            created_ms: row.try_get("created_ms")?,
            ended_ms: row.try_get("ended_ms")?,
            selected: number(row, "selected")?,
            matched: number(row, "matched")?,
            dealt: number(row, "dealt")?,
            failed: number(row, "failed")?,
            reached: parsed_if_any(row, "reached")?,
            worker: row.try_get("worker")?,
            claimed_until_ms: row.try_get("claimed_until_ms")?,
        })
    }

    /// Writes a new one; it is carried from the next look on.
    pub(crate) async fn insert(&self, tx: &mut AnyConnection) -> Result<(), DatabaseError> {
        let filter = serde_json::to_string(&self.filter).expect("a filter is plain JSON");
        sqlx::query(INSERT)
            .bind(self.id.to_string())
            .bind(self.kind.as_str())
            .bind(filter)
            .bind(self.endpoint.as_ref().map(EndpointId::as_str))
            .bind(i64::from(self.rate.minutely()))
            .bind(i64::from(self.anyway))
            .bind(self.reason.as_deref())
            .bind(&self.asked_by)
            .bind(self.created_ms)
            .bind(i64::try_from(self.selected).unwrap_or(i64::MAX))
            .execute(tx)
            .await?;
        Ok(())
    }

    /// The newest hundred, newest first.
    pub(crate) async fn newest(db: &mut AnyConnection) -> Result<Vec<Self>, DatabaseError> {
        const NEWEST: &str = " ORDER BY job_id DESC LIMIT 100";
        Self::all(db, NEWEST).await
    }

    /// Those to carry, oldest first: no more than [`MOST_RUNNING`] are let begin, but for some that begin
    /// at one moment on a server.
    pub(super) async fn running(db: &mut AnyConnection) -> Result<Vec<Self>, DatabaseError> {
        const RUNNING: &str = " WHERE state = 'running' ORDER BY job_id LIMIT 100";
        Self::all(db, RUNNING).await
    }

    /// How many are running.
    pub(crate) async fn count_running(db: &mut AnyConnection) -> Result<i64, DatabaseError> {
        const COUNT: &str = "SELECT COUNT(*) FROM letter_job WHERE state = 'running'";
        Ok(sqlx::query_scalar(COUNT).fetch_one(db).await?)
    }

    async fn all(db: &mut AnyConnection, which: &'static str) -> Result<Vec<Self>, DatabaseError> {
        let text = format!("{COLUMNS}{which}");
        let rows = sqlx::query(sqlx::AssertSqlSafe(text)).fetch_all(db).await?;
        Ok(rows.iter().map(Self::read).collect::<Result<_, _>>()?)
    }

    /// One by its whole id.
    pub(crate) async fn find(
        db: &mut AnyConnection,
        id: &TxNo,
    ) -> Result<Option<Self>, DatabaseError> {
        let text = format!("{COLUMNS} WHERE job_id = ?");
        let row = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(id.to_string())
            .fetch_optional(db)
            .await?;
        Ok(row.as_ref().map(Self::read).transpose()?)
    }

    /// Takes it over, if nobody else has meanwhile. Gives until when.
    pub(super) async fn claim(
        &self,
        database: &Database,
        worker: &str,
        now_ms: i64,
    ) -> Result<Option<i64>, DatabaseError> {
        let until_ms = self.until_ms(now_ms);
        let claimed = sqlx::query(CLAIM_IT)
            .bind(until_ms)
            .bind(worker)
            .bind(self.id.to_string())
            .bind(self.claimed_until_ms)
            .execute(&mut *database.write().await?)
            .await?;
        Ok((claimed.rows_affected() == 1).then_some(until_ms))
    }

    /// Confirms the claim within a step's transaction, and by that locks the row. `None`: it is
    /// stopped, or somebody else's.
    pub(super) async fn confirm(
        &self,
        tx: &mut AnyConnection,
        now_ms: i64,
    ) -> Result<Option<i64>, DatabaseError> {
        self.say(tx, NOTE, self.note.as_deref(), now_ms).await
    }

    /// The same, with what it waits for.
    pub(super) async fn wait(
        &self,
        db: &mut AnyConnection,
        note: &str,
        now_ms: i64,
    ) -> Result<Option<i64>, DatabaseError> {
        self.say(db, NOTE, Some(note), now_ms).await
    }

    async fn say(
        &self,
        db: &mut AnyConnection,
        text: &'static str,
        note: Option<&str>,
        now_ms: i64,
    ) -> Result<Option<i64>, DatabaseError> {
        let until_ms = self.until_ms(now_ms);
        let said = sqlx::query(text)
            .bind(until_ms)
            .bind(note.map(|note| cut(note, 200)))
            .bind(self.id.to_string())
            .bind(self.claimed_until_ms)
            .execute(db)
            .await?;
        Ok((said.rows_affected() == 1).then_some(until_ms))
    }

    /// It stops by itself until an operator resumes it.
    pub(super) async fn pause(
        &self,
        db: &mut AnyConnection,
        why: &str,
    ) -> Result<bool, DatabaseError> {
        let paused = sqlx::query(PAUSE)
            .bind(cut(why, 200))
            .bind(self.claimed_until_ms.saturating_add(1))
            .bind(self.id.to_string())
            .bind(self.claimed_until_ms)
            .execute(db)
            .await?;
        Ok(paused.rows_affected() == 1)
    }

    /// No letter is left.
    pub(super) async fn finish(
        &self,
        db: &mut AnyConnection,
        now_ms: i64,
    ) -> Result<bool, DatabaseError> {
        let done = sqlx::query(FINISH)
            .bind(now_ms)
            .bind(self.claimed_until_ms.saturating_add(1))
            .bind(self.id.to_string())
            .bind(self.claimed_until_ms)
            .execute(db)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// What a step has done, and how far everything is dealt with now, if that is known to be further;
    /// it follows [`Job::confirm`] in the same transaction.
    pub(super) async fn advance(
        &self,
        tx: &mut AnyConnection,
        counts: Counts,
        reached: Option<&Place>,
    ) -> Result<(), DatabaseError> {
        let reached = reached.map(ToString::to_string);
        sqlx::query(ADVANCE)
            .bind(counts.matched)
            .bind(counts.dealt)
            .bind(counts.failed)
            .bind(reached.as_deref())
            .bind(reached.as_deref())
            .bind(self.id.to_string())
            .execute(tx)
            .await?;
        Ok(())
    }

    /// Later than the claim that it replaces, whatever the clocks say.
    fn until_ms(&self, now_ms: i64) -> i64 {
        let claim_ms = service::clock::millis(CLAIM);
        now_ms
            .saturating_add(claim_ms)
            .max(self.claimed_until_ms.saturating_add(1))
    }
}

/// An operator's stop. Whether it was running, or paused.
pub(crate) async fn stop(tx: &mut AnyConnection, id: &TxNo) -> Result<bool, DatabaseError> {
    let stopped = sqlx::query(STOP).bind(id.to_string()).execute(tx).await?;
    Ok(stopped.rows_affected() == 1)
}

/// An operator's resumption. Whether it was stopped, or paused.
pub(crate) async fn resume(
    tx: &mut AnyConnection,
    id: &TxNo,
    anyway: bool,
    rate: ResendRate,
) -> Result<bool, DatabaseError> {
    let resumed = sqlx::query(RESUME)
        .bind(i64::from(anyway))
        .bind(i64::from(rate.minutely()))
        .bind(id.to_string())
        .execute(tx)
        .await?;
    Ok(resumed.rows_affected() == 1)
}
