//! Removing what is older of what lies beside notifications: jobs on letters, and the audit.
//!
//! A job goes when it is done, or was stopped, and nobody has touched it since: what became of its
//! letters first, in pages, and its own row at last. One that runs or pauses stays however old it is:
//! it is still to be carried on.

use database::{CommitError, DatabaseError};
use notification::TxNo;
use sqlx::{Any, AssertSqlSafe, Row};

use super::{Record, columns, ids};

/// Rows of what became of letters that are removed in one page.
const LETTERS: i64 = 256;

/// Lines of the audit removed in one page.
const LINES: i64 = 1024;

/// The claim is renewed as long as anybody carries it.
const OVER: &str = "((state = 'done' AND ended_ms < ?) \
     OR (state = 'stopped' AND created_ms < ? AND claimed_until_ms < ?))";

const LAST_OF_LETTERS: &str = "SELECT tx_no FROM letter_job_letter \
     WHERE job_id = ? AND group_name = ? ORDER BY tx_no LIMIT 1 OFFSET ?";

const NEXT_GROUP: &str =
    "SELECT MIN(group_name) AS group_name FROM letter_job_letter WHERE job_id = ?";

const ANY_LETTER: &str = "SELECT tx_no FROM letter_job_letter WHERE job_id = ? LIMIT 1";

const SOME_LETTERS: &str =
    "DELETE FROM letter_job_letter WHERE job_id = ? AND group_name = ? AND tx_no <= ?";

const ALL_LETTERS: &str = "DELETE FROM letter_job_letter WHERE job_id = ? AND group_name = ?";

const LAST_LINE: &str =
    "SELECT audit_id FROM audit WHERE audit_id < ? ORDER BY audit_id LIMIT 1 OFFSET ?";

const AUDITS: &str = "DELETE FROM audit WHERE audit_id < ?";

impl Record {
    /// The jobs that were over before then, some of them; the next pass finds the others.
    pub(crate) async fn old_jobs(&self, before_ms: i64) -> Result<Vec<TxNo>, DatabaseError> {
        let text = format!("SELECT job_id FROM letter_job WHERE {OVER} ORDER BY job_id LIMIT 256");
        let read = async {
            let mut db = self.database.read().await?;
            let rows = over(sqlx::query(AssertSqlSafe(text)), before_ms);
            let rows = rows.fetch_all(&mut *db).await?;
            let ids = rows.iter().map(|row| columns::parsed(row, "job_id"));
            Ok::<_, DatabaseError>(ids.collect::<Result<_, _>>()?)
        };
        self.database.in_time(read).await
    }

    /// Removes a page of what became of an old job's letters; how many rows, 0 if none are left or the
    /// job is not over any more.
    pub(crate) async fn expire_job_letters(
        &self,
        job: TxNo,
        before_ms: i64,
    ) -> Result<u64, DatabaseError> {
        let removing = async {
            let mut tx = self.database.begin().await?;
            // Locked, so that nobody resumes it meanwhile.
            of_job("UPDATE letter_job SET note = NULL", job, before_ms)
                .execute(&mut *tx)
                .await?;
            let is_over = of_job("SELECT job_id FROM letter_job", job, before_ms);
            if is_over.fetch_optional(&mut *tx).await?.is_none() {
                tx.rollback().await?;
                return Ok(0);
            }
            let group = sqlx::query(NEXT_GROUP).bind(job.to_string());
            let group: Option<String> = group.fetch_one(&mut *tx).await?.try_get("group_name")?;
            let Some(group) = group else {
                tx.rollback().await?;
                return Ok(0);
            };
            let last = sqlx::query_scalar(LAST_OF_LETTERS)
                .bind(job.to_string())
                .bind(group.as_str())
                .bind(LETTERS - 1)
                .fetch_optional(&mut *tx)
                .await?;
            let last: Option<String> = last;
            let deleted = match &last {
                Some(last) => sqlx::query(SOME_LETTERS)
                    .bind(job.to_string())
                    .bind(group.as_str())
                    .bind(last.as_str()),
                None => sqlx::query(ALL_LETTERS)
                    .bind(job.to_string())
                    .bind(group.as_str()),
            };
            let deleted = deleted.execute(&mut *tx).await?.rows_affected();
            tx.commit().await.map_err(CommitError::into_error)?;
            Ok::<_, DatabaseError>(deleted)
        };
        self.database.in_time(removing).await
    }

    /// Removes an old job whose letters are gone; 0 if it is not over any more.
    pub(crate) async fn expire_job(&self, job: TxNo, before_ms: i64) -> Result<u64, DatabaseError> {
        let deleting = async {
            let mut db = self.database.write().await?;
            let left = sqlx::query(ANY_LETTER).bind(job.to_string());
            if left.fetch_optional(&mut *db).await?.is_some() {
                return Ok(0);
            }
            let deleted = of_job("DELETE FROM letter_job", job, before_ms);
            let deleted = deleted.execute(&mut *db).await?;
            Ok::<_, DatabaseError>(deleted.rows_affected())
        };
        self.database.in_time(deleting).await
    }

    /// Removes the oldest lines of the audit that are older; how many, 0 if none are left.
    pub(crate) async fn expire_audits(&self, before_ms: i64) -> Result<u64, DatabaseError> {
        let end = ids::before(before_ms).to_string();
        let deleting = async {
            let mut db = self.database.write().await?;
            let last = sqlx::query(LAST_LINE)
                .bind(end.as_str())
                .bind(LINES)
                .fetch_optional(&mut *db)
                .await?;
            let until: String = match last {
                Some(row) => row.try_get("audit_id")?,
                None => end,
            };
            let deleted = sqlx::query(AUDITS).bind(until).execute(&mut *db).await?;
            Ok::<_, DatabaseError>(deleted.rows_affected())
        };
        self.database.in_time(deleting).await
    }
}

type Query = sqlx::query::Query<'static, Any, sqlx::any::AnyArguments>;

/// The values of [`OVER`].
fn over(query: Query, before_ms: i64) -> Query {
    query.bind(before_ms).bind(before_ms).bind(before_ms)
}

/// A statement about one job, as long as it is over.
fn of_job(what: &str, job: TxNo, before_ms: i64) -> Query {
    let text = format!("{what} WHERE job_id = ? AND {OVER}");
    over(
        sqlx::query(AssertSqlSafe(text)).bind(job.to_string()),
        before_ms,
    )
}
