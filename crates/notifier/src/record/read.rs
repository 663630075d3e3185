//! One read for a batch: where each of its notifications stands.

use std::collections::HashMap;
use std::sync::LazyLock;

use database::DatabaseError;
use notification::{Group, Source, TxNo};
use sqlx::{AnyConnection, Row};

use super::columns;
use crate::copy::Key;
use crate::decide::Standing;

/// Sizes of the IN list, smallest first: few texts, so that they stay prepared. A shorter list is
/// filled up with its last number.
const SIZES: [usize; 3] = [1, 8, 32];

static TEXTS: LazyLock<[String; SIZES.len()]> = LazyLock::new(|| {
    SIZES.map(|size| {
        let numbers = vec!["?"; size].join(", ");
        format!(
            "SELECT tx_no, source, state, generation, attempts, parks, next_due_ms, first_seen_ms \
             FROM notification WHERE group_name = ? AND tx_no IN ({numbers})"
        )
    })
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
        for chunk in numbers.chunks(SIZES[SIZES.len() - 1]) {
            chunk_of(db, group, chunk, &mut found).await?;
        }
    }
    Ok(found)
}

async fn chunk_of(
    db: &mut AnyConnection,
    group: &Group,
    numbers: &[TxNo],
    found: &mut HashMap<Key, Standing>,
) -> Result<(), DatabaseError> {
    let fits = SIZES.iter().position(|size| *size >= numbers.len());
    let index = fits.expect("a chunk is no longer than the longest list");
    let Some(last) = numbers.last() else {
        return Ok(());
    };
    let mut query = sqlx::query(TEXTS[index].as_str()).bind(group.as_str());
    for place in 0..SIZES[index] {
        query = query.bind(numbers.get(place).unwrap_or(last).to_string());
    }
    for row in query.fetch_all(&mut *db).await? {
        let key = Key {
            group: group.clone(),
            tx_no: columns::parsed(&row, "tx_no")?,
            source: columns::parsed::<Source>(&row, "source")?,
        };
        let standing = Standing {
            state: columns::parsed(&row, "state")?,
            generation: columns::number(&row, "generation")?,
            attempts: columns::number(&row, "attempts")?,
            parks: columns::number(&row, "parks")?,
            next_due_ms: row.try_get("next_due_ms")?,
            first_seen_ms: row.try_get("first_seen_ms")?,
        };
        found.insert(key, standing);
    }
    Ok(())
}
