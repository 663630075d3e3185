//! The layout of a store, made or brought up to this version's when it is opened.
//!
//! What an earlier version left otherwise are half messages. It took the number of the next half
//! from the last one that was there, and wrote no row of [`ENDS`] for them; and a half did not say
//! which topic it is meant for, since its key among the [`HALVES`](super::tables::HALVES) does. Both
//! are mended in the transaction that makes the tables which such a store lacks: without the row the
//! next half would take the place of an open one.

use std::collections::HashMap;

use redb::{Database, ReadableDatabase as _, ReadableTable, Table};

use super::record::Record;
use super::tables::{DELAYED, ENDS, HALF_MESSAGES, HALVES_TOPIC, META, Tables, half_parts};
use super::{failed, parse};
use crate::StoreError;
use crate::catalog::Topic;

/// The layout that this version reads and writes.
const LAYOUT: u64 = 1;

/// Makes the tables that a store lacks, mends what an earlier version left, and refuses one of another layout.
pub(super) fn create(database: &Database) -> Result<(), StoreError> {
    match layout(database)? {
        None => {}
        Some(LAYOUT) if has_all_tables(database)? && !halves_are_due(database)? => return Ok(()),
        // Of an earlier version.
        Some(LAYOUT) => {}
        Some(_) => return Err(StoreError::Corrupt("its layout")),
    }
    let transaction = database.begin_write().map_err(failed)?;
    {
        let mut meta = transaction.open_table(META).map_err(failed)?;
        meta.insert("layout", LAYOUT).map_err(failed)?;
        mend(&mut Tables::open(&transaction)?)?;
    }
    transaction.commit().map_err(failed)
}

/// Whether the table is there that came last.
fn has_all_tables(database: &Database) -> Result<bool, StoreError> {
    let transaction = database.begin_read().map_err(failed)?;
    match transaction.open_table(DELAYED) {
        Ok(_) => Ok(true),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

fn layout(database: &Database) -> Result<Option<u64>, StoreError> {
    let transaction = database.begin_read().map_err(failed)?;
    match transaction.open_table(META) {
        Ok(meta) => Ok(meta
            .get("layout")
            .map_err(failed)?
            .map(|value| value.value())),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Whether halves lie there beyond where they are said to end. All tables are there.
fn halves_are_due(database: &Database) -> Result<bool, StoreError> {
    let transaction = database.begin_read().map_err(failed)?;
    let halves = transaction.open_table(HALF_MESSAGES).map_err(failed)?;
    let ends = transaction.open_table(ENDS).map_err(failed)?;
    Ok(said_end(&ends)? < end(&halves)?)
}

/// Writes where the halves end, and into each which topic it is meant for.
fn mend(tables: &mut Tables) -> Result<(), StoreError> {
    let end = end(&tables.half_messages)?;
    if said_end(&tables.ends)? < end {
        tables.ends.insert(HALVES_TOPIC, end).map_err(failed)?;
    }
    let mut names = HashMap::new();
    for row in tables.topics.iter().map_err(failed)? {
        let (name, topic) = row.map_err(failed)?;
        let topic: Topic = parse(topic.value())?;
        names.insert(topic.id, name.value().to_owned());
    }
    for row in tables.halves.iter().map_err(failed)? {
        let (key, _) = row.map_err(failed)?;
        let Some((topic, _, half)) = half_parts(key.value()) else {
            continue;
        };
        let old = tables.half_messages.get(half).map_err(failed)?;
        let old = old.map(|old| old.value().to_vec());
        if let (Some(name), Some(old)) = (names.get(&topic), old) {
            name_topic(&mut tables.half_messages, half, &old, name)?;
        }
    }
    Ok(())
}

fn name_topic(
    halves: &mut Table<u64, &'static [u8]>,
    half: u64,
    old: &[u8],
    topic: &str,
) -> Result<(), StoreError> {
    let old = Record::read(old)?;
    if !old.origin.is_empty() {
        return Ok(());
    }
    let named = Record {
        origin: topic,
        ..old
    };
    let mut place = halves.insert_reserve(half, named.size()).map_err(failed)?;
    named.write(place.as_mut());
    Ok(())
}

/// Behind the last half that is there: 0 without any.
pub(crate) fn end(halves: &impl ReadableTable<u64, &'static [u8]>) -> Result<u64, StoreError> {
    let last = halves.last().map_err(failed)?;
    Ok(last.map_or(0, |(half, _)| half.value() + 1))
}

fn said_end(ends: &impl ReadableTable<u32, u64>) -> Result<u64, StoreError> {
    let end = ends.get(HALVES_TOPIC).map_err(failed)?;
    Ok(end.map_or(0, |end| end.value()))
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::store::Store;
    use crate::store::browse::{Ends, Look};

    #[test]
    fn halves_end_behind_the_last_whatever_the_row_says() {
        let store = Store::open(InMemoryBackend::new(), 1 << 20, None).unwrap();
        let transaction = store.begin_write().unwrap();
        {
            let mut tables = Tables::open(&transaction).unwrap();
            tables.half_messages.insert(4, [].as_slice()).unwrap();
        }
        transaction.commit().unwrap();
        assert!(halves_are_due(&store).unwrap());
        let ends = Look::at(&store).unwrap().ends(HALVES_TOPIC).unwrap();
        assert_eq!(ends, Ends { first: 4, next: 5 });
    }
}
