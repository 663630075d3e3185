//! What an operator's tools read of the record directly, while the notifier may be down.

use database::{Database, DatabaseError};
use notification::LetterState;
use sqlx::Row;

use crate::record::columns;

const LETTERS: &str = "SELECT group_name, source, tx_no, generation, state, died_ms, forwarded_ms \
     FROM dead_letter ORDER BY group_name, tx_no, source, generation";

/// One dead letter's identity, and where it stands.
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
    /// What became of it.
    pub state: LetterState,
    /// When it was written (UTC, ms).
    pub died_ms: i64,
    /// When it came to lie in the dead-letter topic (UTC, ms), if that is on record.
    pub forwarded_ms: Option<i64>,
}

/// All dead letters, whatever became of them.
///
/// # Errors
/// The database can't be read, or has no such table.
pub async fn letters_on_record(database: &Database) -> Result<Vec<LetterOnRecord>, DatabaseError> {
    let mut db = database.read().await?;
    let rows = sqlx::query(LETTERS).fetch_all(&mut *db).await?;
    let letters = rows.iter().map(|row| {
        Ok(LetterOnRecord {
            group: row.try_get("group_name")?,
            source: row.try_get("source")?,
            tx_no: row.try_get("tx_no")?,
            generation: columns::number(row, "generation")?,
            state: columns::parsed(row, "state")?,
            died_ms: row.try_get("died_ms")?,
            forwarded_ms: row.try_get("forwarded_ms")?,
        })
    });
    let letters: Result<Vec<_>, sqlx::Error> = letters.collect();
    Ok(letters?)
}
