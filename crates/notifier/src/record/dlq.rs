//! The dead-letter topics' side of the record: how far each queue was read, and the letters of what
//! the broker moved by itself.
//!
//! A page of messages is one transaction. Its first statement moves the queue's position from where
//! the page began: of several replicas the others find it moved, and write nothing. What follows
//! are the same rules that a flush goes by (N1, N4), on rows that are read in the transaction; if one
//! changed meanwhile, all is rolled back and the page is read again. A transaction whose end nobody
//! knows needs no care: the position says whether it committed.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use database::{DatabaseError, Kind, Tx};
use notification::{DeadReason, EndpointId, Group, TxNo};
use sqlx::{AnyConnection, Row as _};
use tokio::time::timeout;

use super::entry::{Entry, Event, Moved};
use super::failure::Failure;
use super::in_list::InList;
use super::write::Stamp;
use super::{Record, columns, letters, read, write};
use crate::copy::{Copy, Key, Reading};
use crate::decide::Standing;
use crate::dlq::fate::{Fate, fate};

const OFFSET: &str = "SELECT next_offset FROM dlq_position \
     WHERE group_name = ? AND broker = ? AND queue_id = ?";

const BEGIN: &str = "INSERT INTO dlq_position \
     (group_name, broker, queue_id, next_offset, updated_ms) VALUES (?, ?, ?, ?, ?)";

const ADVANCE: &str = "UPDATE dlq_position \
     SET next_offset = ?, missed = missed + ?, updated_ms = ? \
     WHERE group_name = ? AND broker = ? AND queue_id = ? AND next_offset = ?";

const MISSED: &str = "SELECT group_name, broker, queue_id, missed FROM dlq_position \
     WHERE missed > 0 ORDER BY group_name, broker, queue_id";

/// Brings a row that a backup took back to the generation that the topic holds.
const CATCH_UP: &str = "UPDATE notification SET state = 'waiting', generation = ?, attempts = 0, \
     parks = 0, parked_ms = 0, next_due_ms = NULL, updated_ms = ? \
     WHERE group_name = ? AND tx_no = ? AND source = ? \
     AND generation = ? AND attempts = ? AND state IN ('waiting', 'dead')";

/// What was sent again is not open, though the backup says so.
const SENT_SINCE: &str = "UPDATE dead_letter SET state = 'resent' \
     WHERE group_name = ? AND tx_no = ? AND source = ? AND generation < ? AND state = 'open'";

static LETTERS: LazyLock<InList> = LazyLock::new(|| {
    InList::new(
        "SELECT tx_no, source, generation, reason, forwarded_ms FROM dead_letter \
         WHERE group_name = ? AND tx_no IN {}",
    )
});

/// Names a queue of a group's dead-letter topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    pub group: Group,
    pub broker: String,
    pub queue_id: u32,
}

/// One message of the topic, read.
#[derive(Debug, Clone)]
pub(crate) struct Dead {
    pub copy: Arc<Copy>,
    /// Of a malformed one: the same under a key that is nobody else's.
    pub aside: Option<Arc<Copy>>,
    pub endpoint: EndpointId,
    /// When the broker moved it there.
    pub stored_ms: i64,
}

/// What lay between two offsets of a queue. Each notification occurs once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page<'a> {
    pub position: &'a Position,
    pub from: i64,
    pub to: i64,
    /// How many of those in between the broker dropped before they were read.
    pub missed: i64,
    pub dead: &'a [Dead],
}

/// What became of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Advanced {
    /// It is durable, with these letters.
    Yes(Vec<Buried>),
    /// The position, or a row, is not as it was: look again.
    Elsewhere,
}

/// A letter that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Buried {
    pub key: Key,
    pub generation: u32,
    pub endpoint: EndpointId,
    pub reason: DeadReason,
    /// The older generation that the record was at.
    pub caught_up_from: Option<u32>,
}

/// A letter as far as it matters here.
struct Letter {
    reason: DeadReason,
    is_forwarded: bool,
}

type Letters = HashMap<(Key, u32), Letter>;

impl Record {
    /// Where a queue is to be read on; one that was never read begins at `first`.
    pub(crate) async fn dlq_offset_or_begin(
        &self,
        position: &Position,
        first: i64,
    ) -> Result<i64, Failure> {
        let database = self.database();
        let find = async { offset(&mut *database.read().await?, position).await };
        if let Some(offset) = database.in_time(find).await? {
            return Ok(offset);
        }
        let begin = async {
            let begun = sqlx::query(BEGIN)
                .bind(position.group.as_str())
                .bind(position.broker.as_str())
                .bind(i64::from(position.queue_id))
                .bind(first)
                .bind(self.now_ms())
                .execute(&mut *database.write().await?)
                .await;
            Ok(begun.map(drop)?)
        };
        match database.in_time(begin).await {
            Ok(()) => Ok(first),
            // Another replica was quicker, and may be further already.
            Err(error) if DatabaseError::kind(&error) == Kind::Duplicate => {
                let find = async { offset(&mut *database.read().await?, position).await };
                Ok(database.in_time(find).await?.unwrap_or(first))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What the broker dropped before it was read, by queue, until somebody sets it to 0.
    pub(crate) async fn dlq_missed(&self) -> Result<Vec<(Position, i64)>, DatabaseError> {
        let database = self.database();
        let missed = async {
            let mut db = database.read().await?;
            let rows = sqlx::query(MISSED).fetch_all(&mut *db).await?;
            let missed = rows.iter().map(|row| {
                let position = Position {
                    group: columns::parsed(row, "group_name")?,
                    broker: row.try_get("broker")?,
                    queue_id: columns::number(row, "queue_id")?,
                };
                Ok((position, row.try_get("missed")?))
            });
            let missed: Result<Vec<_>, sqlx::Error> = missed.collect();
            Ok(missed?)
        };
        database.in_time(missed).await
    }

    /// Moves a queue's position over a page, with all that the page calls for.
    pub(crate) async fn dlq_advance(&self, page: &Page<'_>) -> Result<Advanced, Failure> {
        let deadline = self.write_deadline;
        let advanced = timeout(deadline, self.transaction(page)).await;
        advanced.unwrap_or(Err(Failure::Deadline(deadline)))
    }

    async fn transaction(&self, page: &Page<'_>) -> Result<Advanced, Failure> {
        let mut tx = self.database().begin().await?;
        match self.apply(&mut tx, page).await {
            Ok(Advanced::Yes(buried)) => {
                tx.commit().await?;
                Ok(Advanced::Yes(buried))
            }
            Ok(Advanced::Elsewhere) => {
                tx.rollback().await?;
                Ok(Advanced::Elsewhere)
            }
            Err(error) => {
                // Unconfirmed is as good: the position is looked up again.
                let _unconfirmed = tx.rollback().await;
                if error.kind() == Kind::Duplicate {
                    return Ok(Advanced::Elsewhere);
                }
                Err(error.into())
            }
        }
    }

    async fn apply(&self, tx: &mut Tx, page: &Page<'_>) -> Result<Advanced, DatabaseError> {
        // Taken late: a page of the feed ends some seconds before now.
        let now_ms = self.now_ms();
        if !advance(tx, page, now_ms).await? {
            return Ok(Advanced::Elsewhere);
        }
        let keys: Vec<Key> = page
            .dead
            .iter()
            .flat_map(|dead| std::iter::once(&dead.copy).chain(&dead.aside))
            .map(|copy| copy.key.clone())
            .collect();
        let rows = read::standings(tx, &keys).await?;
        let letters = known_letters(tx, &page.position.group, &keys).await?;
        let (mut entries, mut lone, mut arrived, mut buried) = (vec![], vec![], vec![], vec![]);
        for dead in page.dead {
            let copy = rightful(dead, &letters);
            let row = rows.get(&copy.key);
            let letter = letters.get(&(copy.key.clone(), copy.generation));
            let fate = fate(copy, row, letter.is_some());
            let is_new = match fate {
                Fate::Nothing => continue,
                Fate::HasLetter => false,
                Fate::Bury | Fate::CatchUp | Fate::WriteLetter => true,
            };
            if is_new || letter.is_some_and(|letter| !letter.is_forwarded) {
                arrived.push((copy, dead.stored_ms));
            }
            if !is_new {
                continue;
            }
            let mut entry = entry(dead, copy, row);
            let mut caught_up_from = None;
            if let (Fate::CatchUp, Some(behind)) = (fate, row) {
                if !catch_up(tx, copy, behind, now_ms).await? {
                    return Ok(Advanced::Elsewhere);
                }
                entry.attempts_before = 0;
                caught_up_from = Some(behind.generation);
            }
            buried.push(Buried {
                key: copy.key.clone(),
                generation: copy.generation,
                endpoint: dead.endpoint.clone(),
                reason: reason(copy),
                caught_up_from,
            });
            match fate {
                Fate::WriteLetter => lone.push(entry),
                _ => entries.push(entry),
            }
        }
        let batch: Vec<&Entry> = entries.iter().collect();
        let stamp = Stamp {
            worker: "",
            sealer: self.sealer(),
            ids_ms: self.ids.next_ms(now_ms),
            now_ms,
        };
        let moved = write::write(tx, &batch, stamp).await?;
        if moved.contains(&Moved::No) {
            return Ok(Advanced::Elsewhere);
        }
        for entry in &lone {
            letters::insert(tx, entry, reason(&entry.copy), self.sealer(), now_ms).await?;
        }
        for (copy, stored_ms) in arrived {
            letters::forwarded(tx, &copy.key, copy.generation, stored_ms).await?;
        }
        Ok(Advanced::Yes(buried))
    }
}

/// Under which key a message is dealt with. A malformed one keeps the number that it claims only if
/// its letter is there: the notifier met it before the broker moved it.
fn rightful<'a>(dead: &'a Dead, letters: &Letters) -> &'a Arc<Copy> {
    let Some(aside) = &dead.aside else {
        return &dead.copy;
    };
    let claimed = (dead.copy.key.clone(), dead.copy.generation);
    match letters.get(&claimed) {
        Some(letter) if letter.reason == DeadReason::Malformed => &dead.copy,
        _ => aside,
    }
}

fn reason(copy: &Copy) -> DeadReason {
    match copy.reading {
        Reading::Malformed => DeadReason::Malformed,
        Reading::Known | Reading::Unwanted | Reading::NewerFormat => DeadReason::BrokerMoved,
    }
}

fn entry(dead: &Dead, copy: &Arc<Copy>, row: Option<&Standing>) -> Entry {
    Entry {
        copy: copy.clone(),
        endpoint: dead.endpoint.clone(),
        attempts_before: row.map_or(0, |row| row.attempts),
        row: row.into(),
        event: Event::Died(reason(copy)),
    }
}

async fn offset(db: &mut AnyConnection, position: &Position) -> Result<Option<i64>, DatabaseError> {
    let offset = sqlx::query_scalar(OFFSET)
        .bind(position.group.as_str())
        .bind(position.broker.as_str())
        .bind(i64::from(position.queue_id))
        .fetch_optional(db)
        .await?;
    Ok(offset)
}

async fn advance(
    db: &mut AnyConnection,
    page: &Page<'_>,
    now_ms: i64,
) -> Result<bool, DatabaseError> {
    let moved = sqlx::query(ADVANCE)
        .bind(page.to)
        .bind(page.missed)
        .bind(now_ms)
        .bind(page.position.group.as_str())
        .bind(page.position.broker.as_str())
        .bind(i64::from(page.position.queue_id))
        .bind(page.from)
        .execute(db)
        .await?;
    Ok(moved.rows_affected() == 1)
}

async fn catch_up(
    db: &mut AnyConnection,
    copy: &Copy,
    behind: &Standing,
    now_ms: i64,
) -> Result<bool, DatabaseError> {
    let key = &copy.key;
    let moved = sqlx::query(CATCH_UP)
        .bind(i64::from(copy.generation))
        .bind(now_ms)
        .bind(key.group.as_str())
        .bind(key.tx_no.to_string())
        .bind(key.source.as_str())
        .bind(i64::from(behind.generation))
        .bind(i64::from(behind.attempts))
        .execute(&mut *db)
        .await?;
    sqlx::query(SENT_SINCE)
        .bind(key.group.as_str())
        .bind(key.tx_no.to_string())
        .bind(key.source.as_str())
        .bind(i64::from(copy.generation))
        .execute(&mut *db)
        .await?;
    Ok(moved.rows_affected() == 1)
}

async fn known_letters(
    db: &mut AnyConnection,
    group: &Group,
    keys: &[Key],
) -> Result<Letters, DatabaseError> {
    let numbers: Vec<TxNo> = keys.iter().map(|key| key.tx_no).collect();
    let mut letters = HashMap::new();
    for (text, list) in LETTERS.lists(&numbers) {
        let mut query = sqlx::query(text).bind(group.as_str());
        for number in list {
            query = query.bind(number);
        }
        for row in query.fetch_all(&mut *db).await? {
            let key = Key {
                group: group.clone(),
                tx_no: columns::parsed(&row, "tx_no")?,
                source: columns::parsed(&row, "source")?,
            };
            let letter = Letter {
                reason: columns::parsed(&row, "reason")?,
                is_forwarded: row.try_get::<Option<i64>, _>("forwarded_ms")?.is_some(),
            };
            letters.insert((key, columns::number(&row, "generation")?), letter);
        }
    }
    Ok(letters)
}
