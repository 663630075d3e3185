//! `GET /v1/notifications`: by group, initiator, endpoint, state, key and time, newest first.
//!
//! The list goes along the primary key, backwards, group by group, and merges the groups by number.
//! It has no index of its own: each one whose entries come in no order would cost every flush as
//! much again as all that it writes to this table (35 µs a notification, measured on SQLite). So a
//! page looks through at most [`SCAN`] rows of a group, and says how far it came, whether or not it
//! found enough: each request is short, however rare what it looks for.

use axum::extract::State;
use notification::TxNo;
use notification::api::notifier::{NotificationsPage, NotificationsQuery, Record};
use service::extract::{Json, Query};
use sqlx::{AnyConnection, Row};

use super::ApiState;
use super::failure::Failure;
use super::notifications::record;
use super::page::{self, Where};
use crate::record::ids;

/// The most rows of one group that a page looks through.
const SCAN: u32 = 20_000;

const NEXT_GROUP: &str =
    "SELECT MIN(group_name) AS group_name FROM notification WHERE group_name > ?";

const NUMBER: &str = "SELECT tx_no FROM notification";

const RECORDS: &str = "SELECT group_name, tx_no, source, endpoint_id, event_type, business_key, \
     state, generation, attempts, parks, next_due_ms, first_seen_ms, updated_ms FROM notification";

/// A place in the list, whose order is by number, group and source, all falling.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    tx_no: String,
    group: String,
    source: String,
}

impl Place {
    fn of(record: &Record) -> Self {
        Self {
            tx_no: record.tx_no.to_string(),
            group: record.group.to_string(),
            source: record.source.to_string(),
        }
    }

    /// Behind all records of a number: nothing sorts after empty names.
    fn behind(tx_no: String) -> Self {
        let (group, source) = Default::default();
        Self {
            tx_no,
            group,
            source,
        }
    }

    fn cursor(&self) -> String {
        format!("{}/{}/{}", self.tx_no, self.group, self.source)
    }

    fn read(cursor: &str) -> Option<Self> {
        let parts: Vec<&str> = cursor.split('/').collect();
        let [tx_no, group, source] = parts[..] else {
            return None;
        };
        tx_no.parse::<TxNo>().ok()?;
        Some(Self {
            tx_no: tx_no.to_owned(),
            group: group.to_owned(),
            source: source.to_owned(),
        })
    }

    /// Only what comes after this place, of one group.
    fn limit(&self, group: &str, filter: &mut Where) {
        let (tx_no, source) = (self.tx_no.as_str(), self.source.as_str());
        if group > self.group.as_str() {
            filter.and("tx_no < ?", [tx_no.into()]);
        } else {
            filter.and("tx_no <= ?", [tx_no.into()]);
            if group == self.group {
                filter.and("(tx_no < ? OR source < ?)", [tx_no.into(), source.into()]);
            }
        }
    }
}

/// What one group has for a page.
struct Found {
    records: Vec<Record>,
    /// How far was looked, if not to the group's end: everything of this number or a greater one.
    floor: Option<String>,
}

/// A page.
pub(super) async fn page(
    State(state): State<ApiState>,
    Query(asked): Query<NotificationsQuery>,
) -> Result<Json<NotificationsPage>, Failure> {
    let limit = page::limit(asked.limit, page::USUAL, page::MOST)?;
    let place = |cursor: &String| Place::read(cursor).ok_or_else(|| page::not_a_cursor(cursor));
    let after = asked.after.as_ref().map(place).transpose()?;
    let mut db = state.record.database().read().await?;
    let groups = match &asked.group {
        Some(group) => vec![group.to_string()],
        None => groups(&mut db).await?,
    };
    let mut found = Vec::with_capacity(groups.len());
    for group in &groups {
        found.push(of_group(&mut db, group, &asked, after.as_ref(), limit).await?);
    }
    Ok(Json(merge(found, limit)))
}

async fn groups(db: &mut AnyConnection) -> Result<Vec<String>, sqlx::Error> {
    let mut groups: Vec<String> = Vec::new();
    loop {
        let last = groups.last().map_or("", String::as_str);
        let row = sqlx::query(NEXT_GROUP)
            .bind(last)
            .fetch_one(&mut *db)
            .await?;
        match row.try_get("group_name")? {
            Some(next) => groups.push(next),
            None => return Ok(groups),
        }
    }
}

async fn of_group(
    db: &mut AnyConnection,
    group: &str,
    asked: &NotificationsQuery,
    after: Option<&Place>,
    limit: u32,
) -> Result<Found, sqlx::Error> {
    let before = |ms: i64| ids::before(ms).to_string();
    let mut span = Where::default();
    span.and("group_name = ?", [group.into()]);
    span.and_if("tx_no >= ?", asked.since_ms.map(before));
    span.and_if("tx_no < ?", asked.until_ms.map(before));
    if let Some(after) = after {
        after.limit(group, &mut span);
    }
    let order = "ORDER BY tx_no DESC, source DESC";
    // The place at which the look ends: one row, found along the key alone.
    let ending = span
        .clone()
        .nth(NUMBER, order, SCAN)
        .fetch_optional(&mut *db)
        .await?;
    let floor: Option<String> = ending.map(|row| row.try_get("tx_no")).transpose()?;
    let mut filter = span;
    filter.and_if("tx_no >= ?", floor.as_deref());
    filter.and_if(
        "source = ?",
        asked.source.as_ref().map(|source| source.as_str()),
    );
    filter.and_if(
        "endpoint_id = ?",
        asked.endpoint.as_ref().map(|id| id.as_str()),
    );
    filter.and_if("state = ?", asked.state.map(|state| state.as_str()));
    filter.and_if("event_type = ?", asked.event_type.as_deref());
    filter.and_if("business_key = ?", asked.business_key.as_deref());
    let rows = filter
        .query(RECORDS, order, limit + 1)
        .fetch_all(&mut *db)
        .await?;
    let records = rows.iter().map(record).collect::<Result<_, _>>()?;
    Ok(Found { records, floor })
}

/// The groups' records by number. What lies below the highest floor waits for the next page: a
/// group that was not looked through so far may have something before it.
fn merge(found: Vec<Found>, limit: u32) -> NotificationsPage {
    let floor = found.iter().filter_map(|found| found.floor.clone()).max();
    let mut records: Vec<Record> = found.into_iter().flat_map(|found| found.records).collect();
    if let Some(floor) = &floor {
        records.retain(|record| record.tx_no.to_string() >= *floor);
    }
    records.sort_by(|a, b| (b.tx_no, &b.group, &b.source).cmp(&(a.tx_no, &a.group, &a.source)));
    let more = page::cut(&mut records, limit);
    let next = match records.last() {
        Some(last) if more => Some(Place::of(last)),
        _ => floor.map(Place::behind),
    };
    NotificationsPage {
        notifications: records,
        next: next.map(|place| place.cursor()),
    }
}

#[cfg(test)]
mod tests {
    use notification::NotificationState;

    use super::*;

    fn number(n: u8) -> TxNo {
        TxNo::from_parts(u64::from(n), [0; 10])
    }

    fn record(group: &str, n: u8) -> Record {
        Record {
            group: group.parse().unwrap(),
            source: "bank1".parse().unwrap(),
            tx_no: number(n),
            endpoint: "e".parse().unwrap(),
            event_type: "transfer".to_owned(),
            business_key: "k".to_owned(),
            state: NotificationState::Waiting,
            generation: 0,
            attempts: 0,
            parks: 0,
            next_due_ms: None,
            accepted_ms: 1,
            updated_ms: 1,
        }
    }

    fn found(group: &str, numbers: &[u8], floor: Option<u8>) -> Found {
        Found {
            records: numbers.iter().map(|n| record(group, *n)).collect(),
            floor: floor.map(|n| number(n).to_string()),
        }
    }

    fn numbers(page: &NotificationsPage) -> Vec<TxNo> {
        page.notifications
            .iter()
            .map(|record| record.tx_no)
            .collect()
    }

    #[test]
    fn groups_are_merged_by_number_and_a_full_page_ends_at_its_last() {
        let page = merge(
            vec![found("a", &[9, 5], None), found("b", &[9, 7], None)],
            3,
        );
        assert_eq!(numbers(&page), [number(9), number(9), number(7)]);
        assert_eq!(page.next, Some(format!("{}/b/bank1", number(7))));
        let last = merge(vec![found("a", &[9], None)], 3);
        assert_eq!(last.next, None);
    }

    #[test]
    fn nothing_below_the_highest_floor_is_shown_before_its_turn() {
        let page = merge(
            vec![found("a", &[9, 5], None), found("b", &[], Some(7))],
            10,
        );
        assert_eq!(numbers(&page), [number(9)]);
        assert_eq!(page.next, Some(format!("{}//", number(7))));
    }

    #[test]
    fn a_cursor_reads_back_and_anything_else_is_none() {
        for place in [
            Place::of(&record("a", 1)),
            Place::behind(number(3).to_string()),
        ] {
            assert_eq!(Place::read(&place.cursor()), Some(place));
        }
        for bad in ["", "a/b/c", "0198f3c2-7a41-7c10-9b1e-5d3f0a6c2e11", "x/y"] {
            assert_eq!(Place::read(bad), None, "{bad}");
        }
    }
}
