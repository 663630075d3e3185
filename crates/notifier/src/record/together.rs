//! N2 to N5 for many rows in one statement.
//!
//! What differs from row to row is chosen by the number (`CASE tx_no WHEN …`), and each row is still
//! moved on its own condition. The database then says only how many rows it moved: if that is not
//! all of them, the statement is taken back and the rows go one by one ([`super::moves`]), which
//! tells whose it was. That is the exception: it takes somebody else who moved the same notification
//! in the moment since it was read.
//!
//! Rows are found by their key. `+state` keeps SQLite from going over all that waits instead, by the index that
//! begins with the state: it takes every state for rare.

use std::collections::HashMap;
use std::sync::LazyLock;

use database::DatabaseError;
use notification::{Group, Source};
use sqlx::{AnyConnection, Executor, raw_sql};

use super::entry::{Entry, Event, Moved, Then};
use super::moves;
use crate::copy::Reading;

/// Rows of one statement, the smaller first; one that is not filled repeats its last row.
const ROWS: [usize; 2] = [8, 32];

/// Fewer rows than this go one by one.
const FEWEST: usize = 3;

/// Which rule moves a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Rule {
    Again,
    Delivered,
    Dead,
    Parked,
}

/// The statement of each rule for each number of rows.
static TEXTS: LazyLock<[[String; ROWS.len()]; 4]> = LazyLock::new(|| {
    let rules = [Rule::Again, Rule::Delivered, Rule::Dead, Rule::Parked];
    rules.map(|rule| ROWS.map(|rows| text(rule, rows)))
});

fn text(rule: Rule, rows: usize) -> String {
    let chosen = format!("CASE tx_no{} END", " WHEN ? THEN ?".repeat(rows));
    let parked = format!("parks = parks + 1, parked_ms = parked_ms + {chosen}");
    let (counted, state) = match rule {
        Rule::Again => ("attempts = attempts + 1", "+state = 'waiting'"),
        Rule::Delivered => (
            "attempts = attempts + 1, state = 'delivered'",
            "state IN ('waiting', 'dead')",
        ),
        Rule::Dead => (
            "attempts = attempts + 1, state = 'dead'",
            "+state = 'waiting'",
        ),
        Rule::Parked => (parked.as_str(), "+state = 'waiting'"),
    };
    let status = match rule {
        Rule::Parked => String::new(),
        _ => format!("last_status = {chosen}, "),
    };
    let numbers = vec!["?"; rows].join(", ");
    format!(
        "UPDATE notification SET {counted}, seen = 1, next_due_ms = {chosen}, {status}\
         last_error = {chosen}, updated_ms = ? \
         WHERE group_name = ? AND tx_no IN ({numbers}) AND source = ? AND {state} \
         AND generation = {chosen} AND attempts = {chosen}"
    )
}

/// Which rule an entry's event means. A death without an attempt is rare enough to go alone, and a
/// malformed message moves no row.
fn rule(entry: &Entry) -> Option<Rule> {
    if entry.copy.reading == Reading::Malformed {
        return None;
    }
    match &entry.event {
        Event::Attempted { attempt, then } if attempt.number == entry.attempts_before + 1 => {
            Some(match then {
                Then::Again { .. } => Rule::Again,
                Then::Delivered => Rule::Delivered,
                Then::Dead(_) => Rule::Dead,
            })
        }
        Event::Attempted { .. } | Event::Held { .. } | Event::Skipped | Event::Died(_) => None,
        Event::Parked { .. } => Some(Rule::Parked),
    }
}

/// Applies each entry's rule and says, in the same order, whether its row was as expected. The
/// entries are of notifications that have a row, each of another.
pub(super) async fn apply(
    db: &mut AnyConnection,
    entries: &[&Entry],
    now_ms: i64,
) -> Result<Vec<Moved>, DatabaseError> {
    let mut moved = vec![Moved::No; entries.len()];
    let mut alone = Vec::new();
    let mut together: HashMap<(Rule, &Group, &Source), Vec<usize>> = HashMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let key = &entry.copy.key;
        match rule(entry) {
            Some(rule) => {
                let owner = (rule, &key.group, &key.source);
                together.entry(owner).or_default().push(index);
            }
            None => alone.push(index),
        }
    }
    for ((rule, ..), indices) in together {
        for chunk in indices.chunks(ROWS[ROWS.len() - 1]) {
            let rows: Vec<&Entry> = chunk.iter().map(|index| entries[*index]).collect();
            if rows.len() >= FEWEST && all_moved(db, rule, &rows, now_ms).await? {
                for index in chunk {
                    moved[*index] = Moved::Yes;
                }
            } else {
                alone.extend(chunk);
            }
        }
    }
    for index in alone {
        moved[index] = moves::apply(db, entries[index], now_ms).await?;
    }
    Ok(moved)
}

/// Moves all of these rows, or none and says so.
async fn all_moved(
    db: &mut AnyConnection,
    rule: Rule,
    rows: &[&Entry],
    now_ms: i64,
) -> Result<bool, DatabaseError> {
    let fits = ROWS.iter().position(|most| *most >= rows.len());
    let size = fits.expect("a chunk is no longer than the longest statement");
    let text = TEXTS[rule as usize][size].as_str();
    let last = rows[rows.len() - 1];
    let filled = || {
        let rest = std::iter::repeat_n(&last, ROWS[size] - rows.len());
        rows.iter().chain(rest).copied()
    };
    let number = |row: &Entry| row.copy.key.tx_no.to_string();
    let mut query = sqlx::query(text);
    if rule == Rule::Parked {
        for row in filled() {
            query = query.bind(number(row)).bind(row.step_ms());
        }
    }
    for row in filled() {
        query = query.bind(number(row)).bind(row.next_due_ms());
    }
    if rule != Rule::Parked {
        for row in filled() {
            query = query
                .bind(number(row))
                .bind(row.last_status().map(i64::from));
        }
    }
    for row in filled() {
        query = query.bind(number(row)).bind(row.last_error());
    }
    query = query.bind(now_ms).bind(last.copy.key.group.as_str());
    for row in filled() {
        query = query.bind(number(row));
    }
    query = query.bind(last.copy.key.source.as_str());
    for row in filled() {
        query = query.bind(number(row)).bind(i64::from(row.copy.generation));
    }
    for row in filled() {
        query = query.bind(number(row)).bind(i64::from(row.attempts_before));
    }
    db.execute(raw_sql("SAVEPOINT together")).await?;
    let updated = query.execute(&mut *db).await?.rows_affected();
    if updated == rows.len() as u64 {
        db.execute(raw_sql("RELEASE SAVEPOINT together")).await?;
        return Ok(true);
    }
    db.execute(raw_sql("ROLLBACK TO SAVEPOINT together"))
        .await?;
    db.execute(raw_sql("RELEASE SAVEPOINT together")).await?;
    Ok(false)
}

#[cfg(test)]
mod tests {
    use database::Dialect;
    use database::testing::Databases;
    use sqlx::Row as _;

    use super::*;
    use crate::record::MIGRATIONS;

    #[tokio::test]
    async fn rows_are_found_by_their_key_however_many_wait() {
        let databases = Databases::new();
        let database = database::Database::open(&databases.config("notifier"))
            .await
            .unwrap();
        if database.dialect() != Dialect::Sqlite {
            return;
        }
        database.migrate(&MIGRATIONS).await.unwrap();
        let mut db = database.read().await.unwrap();
        for text in TEXTS.iter().flatten() {
            let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}")));
            let steps = plan.fetch_all(&mut *db).await.unwrap();
            let steps: Vec<String> = steps.iter().map(|row| row.get("detail")).collect();
            let by_key = |step: &String| step.contains("group_name=? AND tx_no=? AND source=?");
            assert!(steps.iter().all(by_key), "{steps:?} of {text}");
        }
    }
}
