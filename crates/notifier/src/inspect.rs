//! What an operator's tools read of the record directly, while the notifier may be down.

use database::{Database, DatabaseError};
use sqlx::Row;

const LETTERS: &str = "SELECT group_name, source, tx_no, generation, forwarded_ms FROM dead_letter \
     ORDER BY group_name, tx_no, source, generation";

/// One dead letter's identity, and whether it is known to be in the dead-letter topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterOnRecord {
    /// The subscription.
    pub group: String,
    /// The initiator.
    pub source: String,
    /// Its number.
    pub tx_no: String,
    /// 0, and one more for each resend.
    pub generation: u32,
    /// Whether it was forwarded, as the record says.
    pub forwarded: bool,
}

/// All dead letters, whatever became of them.
///
/// # Errors
/// The database can't be read, or has no such table.
pub async fn letters_on_record(database: &Database) -> Result<Vec<LetterOnRecord>, DatabaseError> {
    let mut db = database.read().await?;
    let rows = sqlx::query(LETTERS).fetch_all(&mut *db).await?;
    let letters = rows.iter().map(|row| {
        let generation: i64 = row.try_get("generation")?;
        let forwarded_ms: Option<i64> = row.try_get("forwarded_ms")?;
        Ok(LetterOnRecord {
            group: row.try_get("group_name")?,
            source: row.try_get("source")?,
            tx_no: row.try_get("tx_no")?,
            generation: u32::try_from(generation).unwrap_or(0),
            forwarded: forwarded_ms.is_some(),
        })
    });
    let letters: Result<Vec<_>, sqlx::Error> = letters.collect();
    Ok(letters?)
}
