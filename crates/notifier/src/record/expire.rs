//! Removing what is older than the retention, a page at a time.
//!
//! A notification goes when it is final, was changed last before the retention began, and has no
//! open letter; its attempts and letters go with it in one transaction. What waits, and what is dead
//! and not yet decided about, stays however old it is.
//!
//! No index is kept for this, since each would cost every attempt a write: numbers are UUIDv7s, so
//! the primary key walks a group's notifications by their age, and `outcome` is in the order of time
//! by itself. A number that claims to be from the future stays until that time has passed.

use std::sync::LazyLock;

use database::{CommitError, DatabaseError};
use notification::{Group, Source, TxNo};
use sqlx::{AnyConnection, Row};

use super::in_list::InList;
use super::{Record, columns, ids};

/// Rows looked at in one page: what one of them removes is one short transaction.
const PAGE: usize = 256;

/// Lines of the feed removed in one page.
const LINES: i64 = 1024;

const NEXT_GROUP: &str =
    "SELECT MIN(group_name) AS group_name FROM notification WHERE group_name > ?";

const OLD: &str = "SELECT tx_no, source, state, updated_ms FROM notification \
     WHERE group_name = ? AND tx_no > ? AND tx_no < ? ORDER BY tx_no LIMIT 256";

static NOTIFICATIONS: LazyLock<InList> = LazyLock::new(|| {
    InList::new(
        "DELETE FROM notification WHERE group_name = ? AND source = ? AND tx_no IN {} \
         AND state IN ('delivered', 'skipped', 'cancelled', 'dead') AND updated_ms < ? \
         AND NOT EXISTS (SELECT 1 FROM dead_letter WHERE dead_letter.state = 'open' \
         AND dead_letter.group_name = notification.group_name \
         AND dead_letter.tx_no = notification.tx_no \
         AND dead_letter.source = notification.source)",
    )
});

static ATTEMPTS: LazyLock<InList> = LazyLock::new(|| without_notification("attempt"));

static LETTERS: LazyLock<InList> = LazyLock::new(|| without_notification("dead_letter"));

/// What belongs to a notification that is there no more.
fn without_notification(table: &str) -> InList {
    InList::new(&format!(
        "DELETE FROM {table} WHERE group_name = ? AND source = ? AND tx_no IN {{}} \
         AND NOT EXISTS (SELECT 1 FROM notification \
         WHERE notification.group_name = {table}.group_name \
         AND notification.tx_no = {table}.tx_no AND notification.source = {table}.source)"
    ))
}

const LAST_OF_PAGE: &str =
    "SELECT outcome_id FROM outcome WHERE outcome_id < ? ORDER BY outcome_id LIMIT 1 OFFSET ?";

const OUTCOMES: &str = "DELETE FROM outcome WHERE outcome_id < ?";

/// Where the walk over the notifications stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Walk {
    group: Group,
    /// The last number that was looked at.
    after: String,
}

/// Rows that were removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Expired {
    pub notifications: u64,
    pub attempts: u64,
    pub letters: u64,
    pub outcomes: u64,
    pub jobs: u64,
    pub audits: u64,
}

impl std::ops::AddAssign for Expired {
    fn add_assign(&mut self, more: Self) {
        self.notifications += more.notifications;
        self.attempts += more.attempts;
        self.letters += more.letters;
        self.outcomes += more.outcomes;
        self.jobs += more.jobs;
        self.audits += more.audits;
    }
}

impl Record {
    /// The beginning of a walk: the first group behind `group`; `None` behind the last.
    pub(crate) async fn walk_behind(&self, group: &str) -> Result<Option<Walk>, DatabaseError> {
        let read = async {
            let mut db = self.database.read().await?;
            let row = sqlx::query(NEXT_GROUP).bind(group);
            let row = row.fetch_one(&mut *db).await?;
            let group = columns::parsed_if_any(&row, "group_name")?;
            Ok::<_, DatabaseError>(group.map(|group| Walk {
                group,
                after: String::new(),
            }))
        };
        self.database.in_time(read).await
    }

    /// Removes what is older of the walk's next page, and moves on; `None` after the last page.
    pub(crate) async fn expire_page(
        &self,
        walk: Walk,
        before_ms: i64,
    ) -> Result<(Expired, Option<Walk>), DatabaseError> {
        let page = self.database.in_time(self.old(&walk, before_ms)).await?;
        let mut by_source: Vec<(Source, Vec<TxNo>)> = Vec::new();
        for (tx_no, source) in page.expired {
            match by_source.iter_mut().find(|(known, _)| *known == source) {
                Some((_, numbers)) => numbers.push(tx_no),
                None => by_source.push((source, vec![tx_no])),
            }
        }
        let mut expired = Expired::default();
        if !by_source.is_empty() {
            let removing = self.remove(&walk.group, &by_source, before_ms);
            expired = self.database.in_time(removing).await?;
        }
        let next = match page.last {
            Some(after) => Some(Walk { after, ..walk }),
            None => self.walk_behind(walk.group.as_str()).await?,
        };
        Ok((expired, next))
    }

    async fn old(&self, walk: &Walk, before_ms: i64) -> Result<Page, DatabaseError> {
        let mut db = self.database.read().await?;
        let rows = sqlx::query(OLD)
            .bind(walk.group.as_str())
            .bind(walk.after.as_str())
            .bind(ids::before(before_ms).to_string())
            .fetch_all(&mut *db)
            .await?;
        let mut page = Page::default();
        for row in &rows {
            let state: String = row.try_get("state")?;
            let updated_ms: i64 = row.try_get("updated_ms")?;
            if state != "waiting" && updated_ms < before_ms {
                let tx_no = columns::parsed(row, "tx_no")?;
                page.expired.push((tx_no, columns::parsed(row, "source")?));
            }
        }
        if let (PAGE, Some(last)) = (rows.len(), rows.last()) {
            page.last = Some(last.try_get("tx_no")?);
        }
        Ok(page)
    }

    /// One transaction. Each statement looks again at what it removes: the rows may have changed.
    async fn remove(
        &self,
        group: &Group,
        by_source: &[(Source, Vec<TxNo>)],
        before_ms: i64,
    ) -> Result<Expired, DatabaseError> {
        let mut tx = self.database.begin().await?;
        let mut expired = Expired::default();
        for (source, numbers) in by_source {
            let of = (group, source, numbers.as_slice());
            expired.notifications += delete(&mut tx, &NOTIFICATIONS, of, Some(before_ms)).await?;
            expired.attempts += delete(&mut tx, &ATTEMPTS, of, None).await?;
            expired.letters += delete(&mut tx, &LETTERS, of, None).await?;
        }
        tx.commit().await.map_err(CommitError::into_error)?;
        Ok(expired)
    }

    /// Removes the oldest lines of the feed that are older; how many, 0 if none are left.
    pub(crate) async fn expire_outcomes(&self, before_ms: i64) -> Result<u64, DatabaseError> {
        let end = ids::before(before_ms).to_string();
        let deleting = async {
            let mut db = self.database.write().await?;
            let last = sqlx::query(LAST_OF_PAGE)
                .bind(end.as_str())
                .bind(LINES)
                .fetch_optional(&mut *db)
                .await?;
            let until = match last {
                Some(row) => row.try_get("outcome_id")?,
                None => end,
            };
            let deleted = sqlx::query(OUTCOMES).bind(until).execute(&mut *db).await?;
            Ok::<_, DatabaseError>(deleted.rows_affected())
        };
        self.database.in_time(deleting).await
    }
}

/// What a page holds.
#[derive(Debug, Default)]
struct Page {
    expired: Vec<(TxNo, Source)>,
    /// The last number, if there may be more.
    last: Option<String>,
}

async fn delete(
    db: &mut AnyConnection,
    statement: &'static InList,
    (group, source, numbers): (&Group, &Source, &[TxNo]),
    before_ms: Option<i64>,
) -> Result<u64, DatabaseError> {
    let mut deleted = 0;
    for (text, list) in statement.lists(numbers) {
        let mut query = sqlx::query(text).bind(group.as_str()).bind(source.as_str());
        for number in list {
            query = query.bind(number);
        }
        if let Some(before_ms) = before_ms {
            query = query.bind(before_ms);
        }
        deleted += query.execute(&mut *db).await?.rows_affected();
    }
    Ok(deleted)
}
