//! Which life of this database it is.
//!
//! A reader of the outcome feed keeps the epoch with its cursor: a database that was recreated has
//! another one, and the reader starts anew instead of waiting behind ids that never come.

use database::{Database, DatabaseError, Kind};

use super::ids;

/// Reads the epoch, or makes one in a new database; of several processes one makes it.
pub(super) async fn read_or_create(
    database: &Database,
    now_ms: i64,
) -> Result<String, DatabaseError> {
    if let Some(epoch) = read(database).await? {
        return Ok(epoch);
    }
    let mut db = database.write().await?;
    let made = sqlx::query("INSERT INTO record_epoch (singleton, epoch) VALUES (1, ?)")
        .bind(ids::one(now_ms).to_string())
        .execute(&mut *db)
        .await
        .map_err(DatabaseError::from);
    drop(db);
    match made {
        Ok(_) => {}
        Err(error) if error.kind() == Kind::Duplicate => {}
        Err(error) => return Err(error),
    }
    let epoch = read(database).await?;
    epoch.ok_or_else(|| DatabaseError::from(sqlx::Error::RowNotFound))
}

/// The epoch, if there is one.
pub(super) async fn read(database: &Database) -> Result<Option<String>, DatabaseError> {
    let mut db = database.read().await?;
    let epoch = sqlx::query_scalar("SELECT epoch FROM record_epoch WHERE singleton = 1")
        .fetch_optional(&mut *db)
        .await?;
    Ok(epoch)
}
