//! The rows that replicas share: what each sees, what was told, who lives, and who tells.

use std::collections::BTreeSet;

use database::{DatabaseError, Tx};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use crate::board::{AllTold, Sight, Told};
use crate::catalogue;

const ANY: &str = "SELECT COUNT(*) FROM (SELECT name FROM alarm_sight LIMIT 1) one";

const SIGHTS: &str = "SELECT worker, name, about, times, first_ms, last_ms, fields \
     FROM alarm_sight ORDER BY worker, name, about";

const INSERT: &str = "INSERT INTO alarm_sight \
     (times, first_ms, last_ms, fields, worker, name, about) VALUES (?, ?, ?, ?, ?, ?, ?)";

const UPDATE: &str = "UPDATE alarm_sight SET times = ?, first_ms = ?, last_ms = ?, fields = ? \
     WHERE worker = ? AND name = ? AND about = ?";

const DELETE: &str = "DELETE FROM alarm_sight WHERE worker = ? AND name = ? AND about = ?";

const OVER: &str = "DELETE FROM alarm_sight WHERE name = ? AND about = ? AND last_ms <= ?";

const UNTELL: &str = "DELETE FROM alarm_sight WHERE worker = '' AND name = ?";

const TOLD: &str = "SELECT name, next_ms, told_ms FROM alarm_told";

const TELL: [&str; 2] = [
    "UPDATE alarm_told SET next_ms = ?, told_ms = ? WHERE name = ?",
    "INSERT INTO alarm_told (next_ms, told_ms, name) VALUES (?, ?, ?)",
];

const LIVES: [&str; 2] = [
    "UPDATE alarm_worker SET alive_until_ms = ? WHERE worker = ?",
    "INSERT INTO alarm_worker (alive_until_ms, worker) VALUES (?, ?)",
];

const ALIVE: &str = "SELECT worker FROM alarm_worker";

const BURY: &str = "DELETE FROM alarm_worker WHERE alive_until_ms < ?";

const LEAD: &str = "UPDATE alarm_teller SET worker = ?, until_ms = ? \
     WHERE singleton = 1 AND (worker = ? OR until_ms < ?)";

/// Whose rows say what was told.
const NOBODY: &str = "";

/// Everything that is there.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// By whom it is seen.
    pub sights: Vec<(String, Sight)>,
    pub told: AllTold,
}

/// Whether anybody sees anything, or anything was told that has not ended.
pub(super) async fn any(db: &mut AnyConnection) -> Result<bool, DatabaseError> {
    let any: i64 = sqlx::query_scalar(ANY).fetch_one(db).await?;
    Ok(any > 0)
}

/// Reads everything. Alarms that this program does not know are left to those that do.
pub(super) async fn read(db: &mut AnyConnection) -> Result<Shared, DatabaseError> {
    let mut shared = Shared::default();
    for row in sqlx::query(TOLD).fetch_all(&mut *db).await? {
        let Some(alarm) = catalogue::find(row.try_get("name")?) else {
            continue;
        };
        let told = Told {
            next_ms: row.try_get("next_ms")?,
            told_ms: row.try_get("told_ms")?,
            ..Told::default()
        };
        shared.told.insert(alarm.name, told);
    }
    for row in sqlx::query(SIGHTS).fetch_all(&mut *db).await? {
        let Some(sight) = sight(&row)? else {
            continue;
        };
        match row.try_get::<String, _>("worker")? {
            worker if worker == NOBODY => {
                let told = shared.told.entry(sight.name).or_default();
                told.subjects.insert(sight.about.clone(), sight);
            }
            worker => shared.sights.push((worker, sight)),
        }
    }
    Ok(shared)
}

fn sight(row: &AnyRow) -> Result<Option<Sight>, DatabaseError> {
    let Some(alarm) = catalogue::find(row.try_get("name")?) else {
        return Ok(None);
    };
    let fields: String = row.try_get("fields")?;
    Ok(Some(Sight {
        name: alarm.name,
        about: row.try_get("about")?,
        count: u64::try_from(row.try_get::<i64, _>("times")?).unwrap_or(0),
        first_ms: row.try_get("first_ms")?,
        last_ms: row.try_get("last_ms")?,
        // Another release may write them otherwise: they are for a reader only.
        fields: serde_json::from_str(&fields).unwrap_or_default(),
    }))
}

/// What a worker sees for the first time.
pub(super) async fn insert(tx: &mut Tx, worker: &str, sight: &Sight) -> Result<(), DatabaseError> {
    write(tx, INSERT, worker, sight).await
}

/// What a worker sees has changed.
pub(super) async fn update(tx: &mut Tx, worker: &str, sight: &Sight) -> Result<(), DatabaseError> {
    write(tx, UPDATE, worker, sight).await
}

async fn write(
    tx: &mut Tx,
    text: &'static str,
    worker: &str,
    sight: &Sight,
) -> Result<(), DatabaseError> {
    let fields = serde_json::to_string(&sight.fields).unwrap_or_default();
    sqlx::query(text)
        .bind(i64::try_from(sight.count).unwrap_or(i64::MAX))
        .bind(sight.first_ms)
        .bind(sight.last_ms)
        .bind(fields)
        .bind(worker)
        .bind(sight.name)
        .bind(sight.about.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// A worker does not see it any more.
pub(super) async fn delete(tx: &mut Tx, worker: &str, sight: &Sight) -> Result<(), DatabaseError> {
    sqlx::query(DELETE)
        .bind(worker)
        .bind(sight.name)
        .bind(sight.about.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Keeps what was told of an alarm in the place of what was told before.
pub(super) async fn tell(tx: &mut Tx, name: &str, told: &Told) -> Result<(), DatabaseError> {
    sqlx::query(UNTELL).bind(name).execute(&mut **tx).await?;
    for sight in told.subjects.values() {
        insert(tx, NOBODY, sight).await?;
    }
    for text in TELL {
        let written = sqlx::query(text)
            .bind(told.next_ms)
            .bind(told.told_ms)
            .bind(name)
            .execute(&mut **tx)
            .await?;
        if written.rows_affected() > 0 {
            break;
        }
    }
    Ok(())
}

/// Its end was told: nobody sees it any more, but for what was heard since.
pub(super) async fn over(
    tx: &mut Tx,
    name: &str,
    about: &str,
    last_ms: i64,
) -> Result<(), DatabaseError> {
    sqlx::query(OVER)
        .bind(name)
        .bind(about)
        .bind(last_ms)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// A worker is there until then, if it says nothing more.
pub(super) async fn lives(tx: &mut Tx, worker: &str, until_ms: i64) -> Result<(), DatabaseError> {
    for text in LIVES {
        let written = sqlx::query(text)
            .bind(until_ms)
            .bind(worker)
            .execute(&mut **tx)
            .await?;
        if written.rows_affected() > 0 {
            break;
        }
    }
    Ok(())
}

/// Who is not forgotten.
pub(super) async fn alive(tx: &mut Tx) -> Result<BTreeSet<String>, DatabaseError> {
    let alive: Vec<String> = sqlx::query_scalar(ALIVE).fetch_all(&mut **tx).await?;
    Ok(alive.into_iter().collect())
}

/// Forgets who is long gone.
pub(super) async fn bury(tx: &mut Tx, before_ms: i64) -> Result<(), DatabaseError> {
    sqlx::query(BURY).bind(before_ms).execute(&mut **tx).await?;
    Ok(())
}

/// Takes or keeps the word until then, unless another has it.
pub(super) async fn lead(
    tx: &mut Tx,
    worker: &str,
    now_ms: i64,
    until_ms: i64,
) -> Result<bool, DatabaseError> {
    let led = sqlx::query(LEAD)
        .bind(worker)
        .bind(until_ms)
        .bind(worker)
        .bind(now_ms)
        .execute(&mut **tx)
        .await?;
    Ok(led.rows_affected() == 1)
}
