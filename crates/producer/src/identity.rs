//! Who this database is: a random id, made once and kept in it.
//!
//! The broker hands check-backs to every client of a topic, also to those of another database. The id
//! in the half message tells whose it is.

use database::{Database, DatabaseError, Kind};
use notification::InitiatorId;
use sqlx::Row as _;

/// Reads this database's id, or makes it; several processes may start at once.
pub(crate) async fn initiator_id(
    database: &Database,
    fresh: InitiatorId,
    now_ms: i64,
) -> Result<InitiatorId, DatabaseError> {
    if let Some(id) = read(database).await? {
        return Ok(id);
    }
    let inserted =
        sqlx::query("INSERT INTO initiator (singleton, initiator_id, created_ms) VALUES (1, ?, ?)")
            .bind(fresh.as_str())
            .bind(now_ms)
            .execute(&mut *database.write().await?)
            .await
            .map_err(DatabaseError::from);
    match inserted {
        Ok(_) => Ok(fresh),
        Err(error) if error.kind() == Kind::Duplicate => read(database)
            .await?
            .ok_or_else(|| sqlx::Error::RowNotFound.into()),
        Err(error) => Err(error),
    }
}

async fn read(database: &Database) -> Result<Option<InitiatorId>, DatabaseError> {
    let row = sqlx::query("SELECT initiator_id FROM initiator WHERE singleton = 1")
        .fetch_optional(&mut *database.read().await?)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let id: String = row.try_get("initiator_id")?;
    InitiatorId::new(id)
        .map(Some)
        .map_err(|invalid| sqlx::Error::Decode(Box::new(invalid)).into())
}
