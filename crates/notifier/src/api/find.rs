//! Finding a notification or a letter by the ending of its number, as a person types it.
//!
//! Letters keep their number reversed in the indexed column `tail`, so that an ending is a range;
//! notifications are looked through ([`walk`]). Four characters are the fewest; what fits more than
//! one number is refused with a list.

mod walk;

use axum::http::StatusCode;
use notification::api::notifier::NotificationQuery;
use service::problem::Problem;
use sqlx::{AnyConnection, AssertSqlSafe};

use super::failure::Failure;
use crate::copy::Key;
use crate::record::columns;

/// The fewest characters of an ending.
const SHORTEST: usize = 4;

/// The most matches that are listed.
const LISTED: usize = 10;

/// Where to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Notification,
    DeadLetter,
}

impl Table {
    const fn noun(self) -> &'static str {
        match self {
            Self::Notification => "notification",
            Self::DeadLetter => "dead letter",
        }
    }
}

/// What it is sought for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// The newest that fits will do.
    Look,
    /// It has to be the only one.
    Change,
}

/// The one key that an ending fits, to show what there is of it.
pub(super) async fn one(
    db: &mut AnyConnection,
    table: Table,
    ending: &str,
    narrowed: &NotificationQuery,
) -> Result<Key, Failure> {
    sought(db, table, ending, narrowed, Purpose::Look).await
}

/// The one notification that an ending fits, to do something to it.
pub(super) async fn to_change(
    db: &mut AnyConnection,
    ending: &str,
    narrowed: &NotificationQuery,
) -> Result<Key, Failure> {
    sought(db, Table::Notification, ending, narrowed, Purpose::Change).await
}

async fn sought(
    db: &mut AnyConnection,
    table: Table,
    ending: &str,
    narrowed: &NotificationQuery,
    purpose: Purpose,
) -> Result<Key, Failure> {
    let tail = tail(ending)?;
    let noun = table.noun();
    let mut keys = match table {
        Table::Notification => {
            let ending = ending.to_ascii_lowercase();
            walk::matching(db, &ending, narrowed, purpose).await?
        }
        Table::DeadLetter => matching(db, &tail, narrowed).await?,
    };
    match keys.len() {
        0 => {
            let detail = format!("no {noun} ends in {ending:?}");
            Err(Problem::new(StatusCode::NOT_FOUND, detail).into())
        }
        1 => Ok(keys.remove(0)),
        _ => Err(ambiguous(noun, ending, &keys).into()),
    }
}

/// The ending reversed, if it is one.
fn tail(ending: &str) -> Result<String, Failure> {
    let ending = ending.to_ascii_lowercase();
    let fits = ending.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    if fits && (SHORTEST..=36).contains(&ending.len()) {
        return Ok(ending.chars().rev().collect());
    }
    let limit = "a tx_no or its last 4 or more characters";
    Err(Problem::invalid("ending", format!("{ending:?} is refused"), limit).into())
}

async fn matching(
    db: &mut AnyConnection,
    tail: &str,
    narrowed: &NotificationQuery,
) -> Result<Vec<Key>, Failure> {
    let mut text = "SELECT DISTINCT group_name, tx_no, source FROM dead_letter \
         WHERE tail >= ? AND tail < ?"
        .to_owned();
    if narrowed.group.is_some() {
        text.push_str(" AND group_name = ?");
    }
    if narrowed.source.is_some() {
        text.push_str(" AND source = ?");
    }
    text.push_str(" ORDER BY tx_no, group_name, source LIMIT 11");
    // `~` sorts behind every character of a number.
    let mut query = sqlx::query(AssertSqlSafe(text))
        .bind(tail)
        .bind(format!("{tail}~"));
    if let Some(group) = &narrowed.group {
        query = query.bind(group.as_str());
    }
    if let Some(source) = &narrowed.source {
        query = query.bind(source.as_str());
    }
    let rows = query.fetch_all(&mut *db).await?;
    let keys = rows.iter().map(columns::key);
    Ok(keys.collect::<Result<_, sqlx::Error>>()?)
}

/// 409: the numbers that fit; or, if it is one number in several groups, those.
fn ambiguous(noun: &str, ending: &str, keys: &[Key]) -> Problem {
    let mut numbers: Vec<String> = keys.iter().map(|key| key.tx_no.to_string()).collect();
    numbers.dedup();
    let (matches, how) = match numbers.len() {
        1 => {
            let whole = keys.iter().map(ToString::to_string).collect();
            (whole, "name the group or the source")
        }
        _ => (numbers, "give more of its characters"),
    };
    let listed: Vec<String> = matches.into_iter().take(LISTED).collect();
    let detail = format!("more than one {noun} ends in {ending:?}: {how}");
    Problem::new(StatusCode::CONFLICT, detail).with("matches", listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_is_hex_of_four_or_more_characters() {
        assert_eq!(tail("9F52").unwrap(), "25f9");
        assert_eq!(tail("-9f52").unwrap(), "25f9-");
        for bad in ["", "f52", "9f5g", "%", "9f52'", &"a".repeat(37)] {
            assert!(tail(bad).is_err(), "{bad}");
        }
    }
}
