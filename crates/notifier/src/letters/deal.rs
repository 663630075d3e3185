//! What is done about one letter: sent anew (N6) or given up (N7). The caller's transaction holds it.

use database::DatabaseError;
use sqlx::AnyConnection;

use super::id::LetterId;
use crate::copy::cut;

const REVIVE: &str = "UPDATE notification SET state = 'waiting', generation = ?, attempts = 0, \
     parks = 0, parked_ms = 0, seen = 0, next_due_ms = ?, updated_ms = ? \
     WHERE group_name = ? AND tx_no = ? AND source = ? AND generation = ? AND state = 'dead' \
     AND EXISTS (SELECT 1 FROM dead_letter l WHERE l.group_name = ? AND l.tx_no = ? \
     AND l.source = ? AND l.generation = ? AND l.state = 'open')";

/// A request that is there already (a backup was restored) will do.
const REQUEST: &str = "INSERT INTO send_request \
     (group_name, tx_no, source, generation, next_send_ms, sends, created_ms) \
     SELECT n.group_name, n.tx_no, n.source, n.generation, ?, 0, ? FROM notification n \
     WHERE n.group_name = ? AND n.tx_no = ? AND n.source = ? AND n.generation = ? \
     AND NOT EXISTS (SELECT 1 FROM send_request r WHERE r.group_name = n.group_name \
     AND r.tx_no = n.tx_no AND r.source = n.source AND r.generation = n.generation)";

const CLOSE: &str = "UPDATE dead_letter SET state = ?, closed_ms = ?, closed_by = ?, \
     closed_reason = ? \
     WHERE group_name = ? AND tx_no = ? AND source = ? AND generation = ? AND state = 'open'";

/// The longest reason that is kept.
pub(crate) const LONGEST_REASON: usize = 200;

/// On whose word, why, when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Word<'a> {
    pub by: &'a str,
    pub reason: Option<&'a str>,
    pub now_ms: i64,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dealt {
    Yes,
    /// The letter is not open any more, or its notification not dead.
    NotOpen,
    /// The two contradict each other at this moment: roll back and look again.
    Changing,
}

/// N6: the notification lives again, one generation on, and its message is to be sent.
pub(crate) async fn resend(
    tx: &mut AnyConnection,
    letter: &LetterId,
    word: Word<'_>,
) -> Result<Dealt, DatabaseError> {
    let (key, tx_no) = (&letter.key, letter.key.tx_no.to_string());
    let (old, new) = (
        i64::from(letter.generation),
        i64::from(letter.generation) + 1,
    );
    let revived = sqlx::query(REVIVE)
        .bind(new)
        .bind(word.now_ms)
        .bind(word.now_ms)
        .bind(key.group.as_str())
        .bind(&tx_no)
        .bind(key.source.as_str())
        .bind(old)
        .bind(key.group.as_str())
        .bind(&tx_no)
        .bind(key.source.as_str())
        .bind(old)
        .execute(&mut *tx)
        .await?;
    if revived.rows_affected() == 0 {
        return Ok(Dealt::NotOpen);
    }
    if !close(tx, letter, "resent", word).await? {
        return Ok(Dealt::Changing);
    }
    sqlx::query(REQUEST)
        .bind(word.now_ms)
        .bind(word.now_ms)
        .bind(key.group.as_str())
        .bind(&tx_no)
        .bind(key.source.as_str())
        .bind(new)
        .execute(&mut *tx)
        .await?;
    Ok(Dealt::Yes)
}

/// N7.
pub(crate) async fn discard(
    tx: &mut AnyConnection,
    letter: &LetterId,
    word: Word<'_>,
) -> Result<Dealt, DatabaseError> {
    Ok(match close(tx, letter, "discarded", word).await? {
        true => Dealt::Yes,
        false => Dealt::NotOpen,
    })
}

/// Whether the letter was open, and now is not.
async fn close(
    tx: &mut AnyConnection,
    letter: &LetterId,
    state: &str,
    word: Word<'_>,
) -> Result<bool, DatabaseError> {
    let changed = sqlx::query(CLOSE)
        .bind(state)
        .bind(word.now_ms)
        .bind(cut(word.by, 64))
        .bind(word.reason.map(|reason| cut(reason, LONGEST_REASON)))
        .bind(letter.key.group.as_str())
        .bind(letter.key.tx_no.to_string())
        .bind(letter.key.source.as_str())
        .bind(i64::from(letter.generation))
        .execute(&mut *tx)
        .await?;
    Ok(changed.rows_affected() == 1)
}
