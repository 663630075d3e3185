//! Notifications by the ending of their number, without an index for it.
//!
//! An index of endings is in no order that time gives: each new row lands on another page of it, and
//! that page alone doubled what a flush wrote. People look a number up now and then, machines write
//! all day; so a whole number is sought by the primary key, and an ending is looked for along it,
//! the newest first, for a moment.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use notification::TxNo;
use notification::api::notifier::NotificationQuery;
use service::problem::Problem;
use sqlx::{AnyConnection, Row};

use super::{LISTED, Purpose};
use crate::api::failure::Failure;
use crate::copy::Key;
use crate::record::columns;

/// Rows of one look.
const PAGE: i64 = 20_000;

/// How long to look.
const MOMENT: Duration = Duration::from_secs(2);

/// Behind every number.
const END: &str = "g";

const NEXT_GROUP: &str = "SELECT MIN(group_name) AS group_name FROM notification \
     WHERE group_name > ?";

const WHOLE: &str = "SELECT group_name, tx_no, source FROM notification \
     WHERE group_name = ? AND tx_no = ?";

/// The number behind which a page begins.
const PAGE_FROM: &str = "SELECT tx_no FROM notification WHERE group_name = ? AND tx_no < ? \
     ORDER BY tx_no DESC LIMIT 1 OFFSET ?";

const OF_PAGE: &str = "SELECT group_name, tx_no, source FROM notification \
     WHERE group_name = ? AND tx_no >= ? AND tx_no < ? AND tx_no LIKE ? \
     ORDER BY tx_no DESC LIMIT 11";

/// The keys whose number ends so: all of them, or more than are listed, or, if that does to look at one,
/// those of the newest rows when looking takes longer than a moment.
///
/// # Errors
/// Nothing that does is found in that moment: the whole number is asked for.
pub(super) async fn matching(
    db: &mut AnyConnection,
    ending: &str,
    narrowed: &NotificationQuery,
    purpose: Purpose,
) -> Result<Vec<Key>, Failure> {
    let reach = Reach {
        rows: PAGE,
        until: Instant::now() + MOMENT,
    };
    within(reach, db, ending, narrowed, purpose).await
}

async fn within(
    reach: Reach,
    db: &mut AnyConnection,
    ending: &str,
    narrowed: &NotificationQuery,
    purpose: Purpose,
) -> Result<Vec<Key>, Failure> {
    let whole: Option<TxNo> = ending.parse().ok();
    let mut keys = Vec::new();
    for group in groups(db, narrowed).await? {
        let found = match whole {
            Some(tx_no) => {
                let rows = sqlx::query(WHOLE)
                    .bind(group.as_str())
                    .bind(tx_no.to_string());
                let rows = rows.fetch_all(&mut *db).await?;
                let keys = rows.iter().map(columns::key).collect::<Result<_, _>>();
                Looked::All(keys?)
            }
            None => look(db, &group, ending, reach).await?,
        };
        let (found, all) = match found {
            Looked::All(found) => (found, true),
            Looked::Newest(found) => (found, false),
        };
        let asked = |key: &Key| narrowed.source.as_ref().is_none_or(|s| *s == key.source);
        keys.extend(found.into_iter().filter(asked));
        if !all && (keys.is_empty() || purpose == Purpose::Change) {
            let detail = match keys.len() {
                0 => format!("no notification of late ends in {ending:?}"),
                _ => format!("an older notification too may end in {ending:?}"),
            };
            let problem = Problem::new(StatusCode::NOT_FOUND, detail);
            return Err(problem.limit("give the whole tx_no").into());
        }
        if keys.len() > LISTED {
            break;
        }
    }
    keys.sort_by(|a, b| (a.tx_no, &a.group, &a.source).cmp(&(b.tx_no, &b.group, &b.source)));
    Ok(keys)
}

/// How far a look goes.
#[derive(Debug, Clone, Copy)]
struct Reach {
    /// At a time.
    rows: i64,
    until: Instant,
}

/// How far a look went.
enum Looked {
    All(Vec<Key>),
    /// Until the moment was over.
    Newest(Vec<Key>),
}

async fn look(
    db: &mut AnyConnection,
    group: &str,
    ending: &str,
    reach: Reach,
) -> Result<Looked, Failure> {
    let (mut keys, mut before) = (Vec::new(), END.to_owned());
    loop {
        let from = sqlx::query(PAGE_FROM)
            .bind(group)
            .bind(before.as_str())
            .bind(reach.rows - 1)
            .fetch_optional(&mut *db)
            .await?;
        let from: Option<String> = from.map(|row| row.try_get("tx_no")).transpose()?;
        let rows = sqlx::query(OF_PAGE)
            .bind(group)
            .bind(from.as_deref().unwrap_or_default())
            .bind(before.as_str())
            .bind(format!("%{ending}"))
            .fetch_all(&mut *db)
            .await?;
        for row in &rows {
            keys.push(columns::key(row)?);
        }
        match from {
            Some(_) if keys.len() > LISTED => return Ok(Looked::All(keys)),
            Some(_) if Instant::now() >= reach.until => return Ok(Looked::Newest(keys)),
            Some(from) => before = from,
            None => return Ok(Looked::All(keys)),
        }
    }
}

/// Every group on record, or the one that is asked about; each is one seek.
async fn groups(
    db: &mut AnyConnection,
    narrowed: &NotificationQuery,
) -> Result<Vec<String>, Failure> {
    if let Some(group) = &narrowed.group {
        return Ok(vec![group.to_string()]);
    }
    let mut groups = vec![String::new()];
    while let Some(before) = groups.last() {
        let row = sqlx::query(NEXT_GROUP).bind(before.as_str());
        let row = row.fetch_one(&mut *db).await?;
        match row.try_get("group_name")? {
            Some(group) => groups.push(group),
            None => break,
        }
    }
    groups.remove(0);
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use database::Database;
    use database::testing::Databases;

    use super::*;
    use crate::record::MIGRATIONS;

    async fn keys(db: &Database, ending: &str, group: Option<&str>) -> Vec<String> {
        let narrowed = NotificationQuery {
            group: group.map(|group| group.parse().unwrap()),
            ..NotificationQuery::default()
        };
        let mut db = db.read().await.unwrap();
        let keys = matching(&mut db, ending, &narrowed, Purpose::Change).await;
        let Ok(keys) = keys else {
            panic!("a few rows are looked through in a moment");
        };
        keys.iter().map(ToString::to_string).collect()
    }

    fn number(n: u8) -> TxNo {
        TxNo::from_parts(1_700_000_000_000 + u64::from(n), [n; 10])
    }

    async fn record(databases: &Databases, rows: &[(&str, TxNo)]) -> Database {
        let database = Database::open(&databases.config("notifier")).await.unwrap();
        database.migrate(&MIGRATIONS).await.unwrap();
        for (group, tx_no) in rows {
            let mut db = database.write().await.unwrap();
            sqlx::query(
                "INSERT INTO notification (group_name, tx_no, source, tail, endpoint_id, \
                 event_type, business_key, state, generation, attempts, parks, seen, \
                 first_seen_ms, updated_ms) VALUES (?, ?, 's', ?, 'e', 't', 'k', 'delivered', 0, 1, 0, 1, 1, 1)",
            )
            .bind(*group)
            .bind(tx_no.to_string())
            .bind(tx_no.reversed())
            .execute(&mut *db)
            .await
            .unwrap();
        }
        database
    }

    #[tokio::test]
    async fn what_was_not_looked_for_to_the_end_may_be_shown_and_not_changed() {
        let databases = Databases::new();
        let database = record(&databases, &[("a", number(1)), ("a", number(2))]).await;
        let reach = Reach {
            rows: 1,
            until: Instant::now(),
        };
        let sought = async |ending: &str, purpose| {
            let (mut db, any) = (database.read().await.unwrap(), NotificationQuery::default());
            within(reach, &mut db, ending, &any, purpose)
                .await
                .map_err(drop)
        };
        assert_eq!(sought("0202", Purpose::Look).await.unwrap().len(), 1);
        assert!(sought("0202", Purpose::Change).await.is_err());
        let whole = number(1).to_string();
        assert_eq!(sought(&whole, Purpose::Change).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn endings_are_found_in_every_group_and_whole_numbers_too() {
        let databases = Databases::new();
        let [one, two, three] = [1, 2, 3].map(number);
        let rows = [("a", one), ("a", two), ("b", one), ("c", three)];
        let database = record(&databases, &rows).await;
        let both = [format!("a/s/{one}"), format!("b/s/{one}")];
        assert_eq!(keys(&database, &one.to_string(), None).await, both);
        assert_eq!(keys(&database, "0101", None).await, both);
        assert_eq!(keys(&database, "0202", None).await, [format!("a/s/{two}")]);
        assert_eq!(keys(&database, "0101", Some("b")).await, both[1..]);
        assert!(keys(&database, "0404", None).await.is_empty());
    }
}
