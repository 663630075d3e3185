//! Dead letters inside a flush: written by N4, closed by a late delivery, marked as forwarded.

use std::collections::HashMap;
use std::sync::LazyLock;

use database::DatabaseError;
use notification::{DeadReason, Group, Source, TxNo};
use sqlx::{AnyConnection, Row};

use super::columns::{self, parsed};
use super::entry::Entry;
use super::in_list::InList;
use crate::copy::{Key, Reading};
use crate::seal::Sealer;

const INSERT: &str = "INSERT INTO dead_letter (group_name, tx_no, source, generation, tail, \
     endpoint_id, state, class, reason, attempts, last_status, last_error, died_ms, \
     forwarded_ms, topic, event_type, business_key, content_type, named_endpoint, notify_url, \
     traceparent, initiator_id, body, format, closed_ms, closed_by, closed_reason) \
     VALUES (?, ?, ?, ?, ?, ?, 'open', ?, ?, ?, ?, ?, ?, \
     NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL)";

static CLOSE: LazyLock<InList> = LazyLock::new(|| {
    InList::new(
        "UPDATE dead_letter SET state = 'closed', closed_ms = ?, \
         closed_by = 'notifier', closed_reason = 'delivered after all' \
         WHERE group_name = ? AND source = ? AND state IN ('open', 'resent') AND tx_no IN {}",
    )
});

const FORGET_SEND_REQUEST: &str = "DELETE FROM send_request \
     WHERE group_name = ? AND tx_no = ? AND source = ? AND generation = ?";

const FORWARDED: &str = "UPDATE dead_letter SET forwarded_ms = ? \
     WHERE group_name = ? AND tx_no = ? AND source = ? AND generation = ? \
     AND forwarded_ms IS NULL";

const BURIAL: &str = "SELECT forwarded_ms, reason FROM dead_letter \
     WHERE group_name = ? AND tx_no = ? AND source = ? AND generation = ?";

const NEWEST_REASON: &str = "SELECT reason FROM dead_letter \
     WHERE group_name = ? AND tx_no = ? AND source = ? ORDER BY generation DESC LIMIT 1";

/// How far a letter's burial has come: its alarm, and its way into the dead-letter topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Burial {
    /// The dead-letter topic holds it.
    Done,
    /// It is to be forwarded; without a letter (and its reason) the topic is all that can hold it.
    Awaited(Option<DeadReason>),
}

/// The most of a body that a letter keeps: more than this is no notification, and the dead-letter
/// topic has the whole.
const LARGEST_BODY: usize = notification::MAX_BODY;

/// A letter's name, which its sealed body is bound to.
pub(crate) fn name(key: &Key, generation: u32) -> String {
    format!("{key}/{generation}")
}

/// N4's letter. It keeps the whole notification, because the broker's topic may lose it to
/// retention.
pub(super) async fn insert(
    db: &mut AnyConnection,
    entry: &Entry,
    reason: DeadReason,
    sealer: &Sealer,
    now_ms: i64,
) -> Result<(), DatabaseError> {
    let copy = &entry.copy;
    let content = &copy.content;
    let body = &content.body[..content.body.len().min(LARGEST_BODY)];
    let name = name(&copy.key, copy.generation);
    let format = match copy.reading {
        Reading::Known | Reading::Unwanted | Reading::Malformed => columns::FORMAT,
        Reading::NewerFormat => 0,
    };
    sqlx::query(INSERT)
        .bind(copy.key.group.as_str())
        .bind(copy.key.tx_no.to_string())
        .bind(copy.key.source.as_str())
        .bind(i64::from(copy.generation))
        .bind(copy.key.tx_no.reversed())
        .bind(entry.endpoint.as_str())
        .bind(reason.class().as_str())
        .bind(reason.as_str())
        .bind(i64::from(entry.attempts_after()))
        .bind(entry.last_status().map(i64::from))
        .bind(entry.last_error())
        .bind(now_ms)
        .bind(content.topic.as_str())
        .bind(content.event_type.as_str())
        .bind(content.business_key.as_str())
        .bind(content.content_type.as_str())
        .bind(content.endpoint.as_ref().map(|id| id.as_str()))
        .bind(content.notify_url.as_deref())
        .bind(content.traceparent.as_deref())
        .bind(content.initiator_id.as_str())
        .bind(sealer.body(body, &name))
        .bind(i64::from(format))
        .execute(&mut *db)
        .await?;
    Ok(())
}

/// N3: what is delivered after all needs nobody's attention any more. Few of these have a letter,
/// so they are asked about in lists.
pub(super) async fn close(
    db: &mut AnyConnection,
    delivered: &[&Entry],
    now_ms: i64,
) -> Result<(), DatabaseError> {
    let mut by_owner: HashMap<(&Group, &Source), Vec<TxNo>> = HashMap::new();
    for key in delivered.iter().map(|entry| &entry.copy.key) {
        let numbers = by_owner.entry((&key.group, &key.source)).or_default();
        numbers.push(key.tx_no);
    }
    for ((group, source), numbers) in by_owner {
        for (text, list) in CLOSE.lists(&numbers) {
            let mut query = sqlx::query(text)
                .bind(now_ms)
                .bind(group.as_str())
                .bind(source.as_str());
            for number in list {
                query = query.bind(number);
            }
            query.execute(&mut *db).await?;
        }
    }
    Ok(())
}

/// N2 to N5: a record of the new generation exists, so its send request has done its work.
pub(super) async fn forget_send_requests(
    db: &mut AnyConnection,
    resent: &[&Entry],
) -> Result<(), DatabaseError> {
    for copy in resent.iter().map(|entry| &entry.copy) {
        sqlx::query(FORGET_SEND_REQUEST)
            .bind(copy.key.group.as_str())
            .bind(copy.key.tx_no.to_string())
            .bind(copy.key.source.as_str())
            .bind(i64::from(copy.generation))
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

/// Whether a notification's newest letter is that of a malformed message.
pub(super) async fn is_malformed(db: &mut AnyConnection, key: &Key) -> Result<bool, DatabaseError> {
    let reason: Option<String> = sqlx::query_scalar(NEWEST_REASON)
        .bind(key.group.as_str())
        .bind(key.tx_no.to_string())
        .bind(key.source.as_str())
        .fetch_optional(&mut *db)
        .await?;
    Ok(reason.is_some_and(|reason| reason == DeadReason::Malformed.as_str()))
}

/// After the broker took the message into its dead-letter topic.
pub(super) async fn forwarded(
    db: &mut AnyConnection,
    key: &Key,
    generation: u32,
    now_ms: i64,
) -> Result<(), DatabaseError> {
    sqlx::query(FORWARDED)
        .bind(now_ms)
        .bind(key.group.as_str())
        .bind(key.tx_no.to_string())
        .bind(key.source.as_str())
        .bind(i64::from(generation))
        .execute(&mut *db)
        .await?;
    Ok(())
}

/// Whether this generation's letter has yet to reach the dead-letter topic.
pub(super) async fn burial(
    db: &mut AnyConnection,
    key: &Key,
    generation: u32,
) -> Result<Burial, DatabaseError> {
    let row = sqlx::query(BURIAL)
        .bind(key.group.as_str())
        .bind(key.tx_no.to_string())
        .bind(key.source.as_str())
        .bind(i64::from(generation))
        .fetch_optional(&mut *db)
        .await?;
    let Some(row) = row else {
        return Ok(Burial::Awaited(None));
    };
    Ok(match row.try_get::<Option<i64>, _>("forwarded_ms")? {
        Some(_) => Burial::Done,
        None => Burial::Awaited(Some(parsed(&row, "reason")?)),
    })
}
