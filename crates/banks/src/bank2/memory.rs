//! What bank2's simulated exceptions remember, in its database, so that a restart changes nothing.

use database::{Database, DatabaseError};
use notification::TxNo;
use sqlx::Row;

const REPAIRED: &str = "repaired";

/// Whether bank2 was repaired.
pub(super) async fn is_repaired(database: &Database) -> Result<bool, DatabaseError> {
    Ok(recall(database, REPAIRED).await? > 0)
}

/// From now on bank2 is repaired.
pub(super) async fn repair(database: &Database) -> Result<(), DatabaseError> {
    count(database, REPAIRED).await.map(drop)
}

/// How often this transfer was refused, this time included.
pub(super) async fn count_refusal(database: &Database, tx_no: &TxNo) -> Result<i64, DatabaseError> {
    count(database, &format!("refused {tx_no}")).await
}

async fn recall(database: &Database, name: &str) -> Result<i64, DatabaseError> {
    let mut read = database.read().await?;
    let row = sqlx::query("SELECT value FROM demo_memory WHERE name = ?")
        .bind(name)
        .fetch_optional(&mut *read)
        .await?;
    row.map_or(Ok(0), |row| Ok(row.try_get(0)?))
}

async fn count(database: &Database, name: &str) -> Result<i64, DatabaseError> {
    let mut tx = database.begin().await?;
    let changed = sqlx::query("UPDATE demo_memory SET value = value + 1 WHERE name = ?")
        .bind(name)
        .execute(&mut *tx)
        .await?;
    if changed.rows_affected() == 0 {
        sqlx::query("INSERT INTO demo_memory (name, value) VALUES (?, 1)")
            .bind(name)
            .execute(&mut *tx)
            .await?;
    }
    let row = sqlx::query("SELECT value FROM demo_memory WHERE name = ?")
        .bind(name)
        .fetch_one(&mut *tx)
        .await?;
    let value = row.try_get(0)?;
    tx.commit().await.map_err(into_error)?;
    Ok(value)
}

fn into_error(error: database::CommitError) -> DatabaseError {
    match error {
        database::CommitError::RolledBack(error) | database::CommitError::Unknown(error) => error,
    }
}
