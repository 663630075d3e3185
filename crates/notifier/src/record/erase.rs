//! Erasing what others wrote about one number: the receiver's answers, the letters' bodies, the
//! business key. States, times, counts and verdicts stay, so that what became of it can be told.
//!
//! Only what is over: the message of one that is under way lies at the broker, and its next result
//! would bring the content back. A letter without its body is of format 0, which no resend takes.

use database::{DatabaseError, Tx};
use notification::api::erasure::ErasedRecord;
use notification::{NotificationState, TxNo};

use super::columns;
use crate::copy::Key;

/// The next group on record: there are few, and the number is a seek in each.
const NEXT_GROUP: &str = "SELECT MIN(group_name) FROM notification WHERE group_name > ?";

const OF_NUMBER: &str = "SELECT group_name, tx_no, source, state FROM notification \
     WHERE group_name = ? AND tx_no = ? ORDER BY source";

const NOTIFICATION: &str = "UPDATE notification SET business_key = '', last_error = NULL \
     WHERE group_name = ? AND tx_no = ? AND source = ? AND state <> 'waiting'";

const ATTEMPTS: &str = "UPDATE attempt SET response_excerpt = NULL, url = '' \
     WHERE group_name = ? AND tx_no = ? AND source = ?";

const LETTERS: &str = "UPDATE dead_letter SET body = ?, format = 0, business_key = '', \
     notify_url = NULL, traceparent = NULL, last_error = NULL, closed_reason = NULL \
     WHERE group_name = ? AND tx_no = ? AND source = ?";

/// What erasing a number came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Erasure {
    /// One for each record of the number; none if there is none.
    Done(Vec<ErasedRecord>),
    /// This one is under way: nothing was erased.
    UnderWay(Key),
}

/// Erases the content of every record of a number. The caller commits, or rolls back what is under
/// way.
pub(crate) async fn erase(tx: &mut Tx, tx_no: TxNo) -> Result<Erasure, DatabaseError> {
    let (mut rows, mut group) = (Vec::new(), String::new());
    loop {
        let next = sqlx::query_scalar(NEXT_GROUP).bind(group);
        let next: Option<String> = next.fetch_one(&mut **tx).await?;
        let Some(next) = next else { break };
        let of_group = sqlx::query(OF_NUMBER)
            .bind(next.as_str())
            .bind(tx_no.to_string());
        rows.extend(of_group.fetch_all(&mut **tx).await?);
        group = next;
    }
    let mut erased = Vec::with_capacity(rows.len());
    for row in &rows {
        let key = Key {
            group: columns::parsed(row, "group_name")?,
            tx_no,
            source: columns::parsed(row, "source")?,
        };
        let state: NotificationState = columns::parsed(row, "state")?;
        let done = execute(tx, sqlx::query(NOTIFICATION), &key).await?;
        if state == NotificationState::Waiting || done == 0 {
            return Ok(Erasure::UnderWay(key));
        }
        let letters = sqlx::query(LETTERS).bind(Vec::<u8>::new());
        erased.push(ErasedRecord {
            attempts: execute(tx, sqlx::query(ATTEMPTS), &key).await?,
            letters: execute(tx, letters, &key).await?,
            group: key.group,
            source: key.source,
            state,
        });
    }
    Ok(Erasure::Done(erased))
}

type Query = sqlx::query::Query<'static, sqlx::Any, sqlx::any::AnyArguments>;

async fn execute(tx: &mut Tx, query: Query, key: &Key) -> Result<u64, DatabaseError> {
    let query = query
        .bind(key.group.to_string())
        .bind(key.tx_no.to_string())
        .bind(key.source.to_string());
    Ok(query.execute(&mut **tx).await?.rows_affected())
}
