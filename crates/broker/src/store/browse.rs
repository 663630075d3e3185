//! Looking at what is stored, by offset, without moving anything.
//!
//! Each look is a read transaction of its own: it sees the last commit, whole, and the writer
//! neither waits for it nor is waited for. Half messages are looked at like a topic's messages:
//! their number, which is never given twice, is their offset.

use redb::{ReadOnlyTable, ReadTransaction, ReadableDatabase as _, ReadableTable as _};
use rocketmq_wire::properties::TRANSACTION_ID;

use super::record::Record;
use super::tables::{
    CURSORS, ENDS, HALF_MESSAGES, HALVES, HALVES_TOPIC, MESSAGES, READINGS, half_key, message_key,
    message_offset,
};
use super::{Store, failed, upgrade};
use crate::StoreError;
use crate::writer::half::HalfState;

/// Rows looked at for one page, wanted or not.
const LOOKS: usize = 1024;
/// Bytes of a page; its first message may be larger.
const PAGE_BYTES: usize = 256 * 1024;

/// A queue's ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    /// The first message that is still kept; `next` if there is none.
    pub(crate) first: u64,
    /// Where the next message goes.
    pub(crate) next: u64,
}

/// A stored message, and a half message's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) offset: u64,
    /// The stored form ([`super::record`]).
    pub(crate) record: Vec<u8>,
    /// Check-backs so far, of a half message.
    pub(crate) checks: u32,
}

/// Messages from an offset on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) ends: Ends,
    pub(crate) messages: Vec<Seen>,
    /// Where to go on.
    pub(crate) next: u64,
}

/// One look at the store.
pub(crate) struct Look(ReadTransaction);

impl Look {
    pub(crate) fn at(store: &Store) -> Result<Self, StoreError> {
        Ok(Self(store.begin_read().map_err(failed)?))
    }

    /// The ends of a topic, or of the half messages ([`HALVES_TOPIC`]).
    pub(crate) fn ends(&self, topic: u32) -> Result<Ends, StoreError> {
        let ends = self.0.open_table(ENDS).map_err(failed)?;
        let next = ends.get(topic).map_err(failed)?;
        let mut next = next.map_or(0, |next| next.value());
        let first = if topic == HALVES_TOPIC {
            let halves = self.0.open_table(HALF_MESSAGES).map_err(failed)?;
            next = next.max(upgrade::end(&halves)?);
            let first = halves.first().map_err(failed)?;
            first.map(|(half, _)| half.value())
        } else {
            let messages = self.0.open_table(MESSAGES).map_err(failed)?;
            let all = (message_key(topic, 0), message_key(topic, u64::MAX));
            let mut rows = messages
                .range::<&[u8; 12]>(&all.0..=&all.1)
                .map_err(failed)?;
            let first = rows.next().transpose().map_err(failed)?;
            first.map(|(key, _)| message_offset(key.value()))
        };
        Ok(Ends {
            first: first.unwrap_or(next),
            next,
        })
    }

    /// At most `max` messages of a topic from `from` on.
    pub(crate) fn messages(&self, topic: u32, from: u64, max: usize) -> Result<Page, StoreError> {
        let ends = self.ends(topic)?;
        let table = self.0.open_table(MESSAGES).map_err(failed)?;
        let range = (message_key(topic, from), message_key(topic, u64::MAX));
        let rows = table
            .range::<&[u8; 12]>(&range.0..=&range.1)
            .map_err(failed)?;
        let mut filling = Filling::new(ends, max);
        for row in rows {
            let (key, value) = row.map_err(failed)?;
            let offset = message_offset(key.value());
            if !filling.takes(offset, value.value().len()) {
                break;
            }
            filling.add(offset, value.value(), 0);
        }
        Ok(filling.page())
    }

    /// At most `max` half messages whose transaction is open, from `from` on. `topic_id` knows the
    /// numbers of topics.
    pub(crate) fn halves(
        &self,
        from: u64,
        max: usize,
        topic_id: impl Fn(&str) -> Option<u32>,
    ) -> Result<Page, StoreError> {
        let ends = self.ends(HALVES_TOPIC)?;
        let table = self.0.open_table(HALF_MESSAGES).map_err(failed)?;
        let states = self.0.open_table(HALVES).map_err(failed)?;
        let mut filling = Filling::new(ends, max);
        for row in table.range(from..).map_err(failed)? {
            let (half, value) = row.map_err(failed)?;
            let (half, value) = (half.value(), value.value());
            if !filling.takes(half, value.len()) {
                break;
            }
            let state = half_state(&states, half, &Record::read(value)?, &topic_id)?;
            match state {
                // Its copy lies in the topic of those that ran out of checks.
                Some(state) if state.at_limit => {}
                state => filling.add(half, value, state.map_or(0, |state| state.checks)),
            }
        }
        Ok(filling.page())
    }

    /// The first message of a topic that a group has never received, if it received any.
    pub(crate) fn cursor(&self, group: u32, topic: u32) -> Result<Option<u64>, StoreError> {
        let readings = self.0.open_table(READINGS).map_err(failed)?;
        let Some(reading) = readings.get((group, topic)).map_err(failed)? else {
            return Ok(None);
        };
        let cursors = self.0.open_table(CURSORS).map_err(failed)?;
        let cursor = cursors.get(reading.value()).map_err(failed)?;
        Ok(cursor.map(|cursor| cursor.value()))
    }
}

/// A half's state lies under its topic and transaction; both are told by the half itself.
fn half_state(
    states: &ReadOnlyTable<&'static [u8], &'static [u8]>,
    half: u64,
    record: &Record,
    topic_id: impl Fn(&str) -> Option<u32>,
) -> Result<Option<HalfState>, StoreError> {
    let message = record.decode()?;
    let transaction_id = message.user_properties.get(TRANSACTION_ID);
    let (Some(topic), Some(transaction_id)) = (topic_id(record.origin), transaction_id) else {
        return Ok(None);
    };
    let key = half_key(topic, transaction_id, half);
    let state = states.get(key.as_slice()).map_err(failed)?;
    state
        .map(|state| HalfState::read(state.value()))
        .transpose()
}

/// A page that is being filled.
struct Filling {
    page: Page,
    max: usize,
    looks: usize,
    bytes: usize,
}

impl Filling {
    fn new(ends: Ends, max: usize) -> Self {
        Self {
            page: Page {
                ends,
                messages: Vec::new(),
                next: ends.next,
            },
            max,
            looks: 0,
            bytes: 0,
        }
    }

    /// Whether there is room for a message; if not, the next page begins with it.
    fn takes(&mut self, offset: u64, bytes: usize) -> bool {
        let full = self.page.messages.len() >= self.max
            || self.looks >= LOOKS
            || (self.bytes > 0 && self.bytes + bytes > PAGE_BYTES);
        if full {
            self.page.next = offset;
            return false;
        }
        self.looks += 1;
        true
    }

    fn add(&mut self, offset: u64, record: &[u8], checks: u32) {
        self.bytes += record.len();
        self.page.messages.push(Seen {
            offset,
            record: record.to_vec(),
            checks,
        });
    }

    fn page(self) -> Page {
        self.page
    }
}
