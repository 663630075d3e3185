//! The inbox's SQL.

use std::collections::BTreeMap;

use database::DatabaseError;
use notification::{InboxState, Source, TxNo};
use sqlx::{Any, AnyConnection, QueryBuilder, Row as _, query};

/// The most numbers in one statement.
const CHUNK: usize = 500;

/// A row, as far as a duplicate is judged by it.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) body_hash: String,
    pub(super) state: InboxState,
}

/// Inserts a number as applied. The first statement of its transaction.
pub(super) async fn insert(
    connection: &mut AnyConnection,
    source: &Source,
    tx_no: &TxNo,
    body_hash: &str,
    now_ms: i64,
) -> Result<(), DatabaseError> {
    query("INSERT INTO inbox (source, tx_no, body_hash, state, created_ms) VALUES (?, ?, ?, ?, ?)")
        .bind(source.as_str())
        .bind(tx_no.to_string())
        .bind(body_hash)
        .bind(InboxState::Applied.as_str())
        .bind(now_ms)
        .execute(connection)
        .await?;
    Ok(())
}

/// Reads a row that beat ours.
pub(super) async fn find(
    connection: &mut AnyConnection,
    source: &Source,
    tx_no: &TxNo,
) -> Result<Option<Row>, DatabaseError> {
    let row = query("SELECT body_hash, state FROM inbox WHERE source = ? AND tx_no = ?")
        .bind(source.as_str())
        .bind(tx_no.to_string())
        .fetch_optional(connection)
        .await?;
    match row {
        Some(row) => Ok(Some(Row {
            body_hash: row.try_get(0)?,
            state: state(row.try_get(1)?)?,
        })),
        None => Ok(None),
    }
}

/// The states of those numbers that have a row.
pub(super) async fn states(
    connection: &mut AnyConnection,
    source: &Source,
    tx_nos: &[TxNo],
) -> Result<BTreeMap<TxNo, InboxState>, DatabaseError> {
    let mut known = BTreeMap::new();
    for chunk in tx_nos.chunks(CHUNK) {
        let mut sql: QueryBuilder<Any> =
            QueryBuilder::new("SELECT tx_no, state FROM inbox WHERE source = ");
        sql.push_bind(source.to_string()).push(" AND tx_no IN (");
        let mut list = sql.separated(", ");
        for tx_no in chunk {
            list.push_bind(tx_no.to_string());
        }
        sql.push(")");
        for row in sql.build().fetch_all(&mut *connection).await? {
            let text: String = row.try_get(0)?;
            let tx_no = text.parse().map_err(unreadable)?;
            known.insert(tx_no, state(row.try_get(1)?)?);
        }
    }
    Ok(known)
}

fn state(word: String) -> Result<InboxState, DatabaseError> {
    word.parse().map_err(unreadable)
}

/// A row that this program did not write.
fn unreadable(invalid: notification::Invalid) -> DatabaseError {
    sqlx::Error::Decode(Box::new(invalid)).into()
}
