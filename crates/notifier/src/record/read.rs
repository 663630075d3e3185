//! One read for a batch: where each of its notifications stands.

use std::collections::HashMap;
use std::sync::LazyLock;

use database::DatabaseError;
use notification::{Group, TxNo};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::columns;
use super::in_list::InList;
use crate::copy::Key;
use crate::decide::Standing;

static STANDINGS: LazyLock<InList> = LazyLock::new(|| {
    InList::new(
        "SELECT tx_no, source, state, generation, attempts, parks, parked_ms, \
         next_due_ms, first_seen_ms, seen \
         FROM notification WHERE group_name = ? AND tx_no IN {}",
    )
});

/// The rows of these keys; a key without a row is absent.
pub(super) async fn standings(
    db: &mut AnyConnection,
    keys: &[Key],
) -> Result<HashMap<Key, Standing>, DatabaseError> {
    let mut by_group: HashMap<&Group, Vec<TxNo>> = HashMap::new();
    for key in keys {
        by_group.entry(&key.group).or_default().push(key.tx_no);
    }
    let mut found = HashMap::with_capacity(keys.len());
    for (group, numbers) in by_group {
        for (text, list) in STANDINGS.lists(&numbers) {
            let mut query = sqlx::query(text).bind(group.as_str());
            for number in list {
                query = query.bind(number);
            }
            for row in query.fetch_all(&mut *db).await? {
                let (key, standing) = standing(group, &row)?;
                found.insert(key, standing);
            }
        }
    }
    Ok(found)
}

fn standing(group: &Group, row: &AnyRow) -> Result<(Key, Standing), sqlx::Error> {
    let key = Key {
        group: group.clone(),
        tx_no: columns::parsed(row, "tx_no")?,
        source: columns::parsed(row, "source")?,
    };
    let standing = Standing {
        state: columns::parsed(row, "state")?,
        generation: columns::number(row, "generation")?,
        attempts: columns::number(row, "attempts")?,
        parks: columns::number(row, "parks")?,
        parked_ms: columns::number(row, "parked_ms")?,
        next_due_ms: row.try_get("next_due_ms")?,
        first_seen_ms: row.try_get("first_seen_ms")?,
        seen: columns::number::<i64>(row, "seen")? != 0,
    };
    Ok((key, standing))
}
