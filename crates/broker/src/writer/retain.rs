//! Removing old messages: by age, consumed or not, as Apache RocketMQ does. What a group has not
//! received by then is counted and warned about.
//!
//! A message that a group holds or has put off stays, however old: it would vanish in its sleep.
//! Only a lease that has been over for as long as the retention, with nobody coming for it, no
//! longer keeps its message. A topic may have a million leases and they lie by due time, so they
//! are looked through in steps, between other batches, for one window of old messages after the
//! other; memory holds one window's offsets. A lease that is written between two steps is noted as
//! it is written ([`Removal::spare`]), so none is overlooked.

use std::collections::HashSet;

use redb::ReadableTable;

use super::batch::Batch;
use crate::StoreError;
use crate::clock::UnixMs;
use crate::store::failed;
use crate::store::record::Record;
use crate::store::tables::{lease_key, lease_parts, message_key, message_offset};

/// Old messages that are looked at together.
const WINDOW: usize = 1024;
/// Their bytes; the first is looked at however large it is.
const WINDOW_BYTES: usize = 16 * 1024 * 1024;
/// Rows looked at in one batch, so that nobody waits for the cleaning.
const ROWS: usize = 4096;

/// A walk through all topics, kept from batch to batch.
#[derive(Debug)]
pub(super) struct Removal {
    cutoff_ms: UnixMs,
    /// Topics still to be walked; the last one is being walked.
    topics: Vec<u32>,
    /// Where the walked topic's next window begins.
    next: u64,
    window: Option<Window>,
}

/// Neighbouring messages that are all old.
#[derive(Debug)]
struct Window {
    topic: u32,
    /// Rising, and never empty; there may be gaps.
    offsets: Vec<u64>,
    /// Readings of the topic whose leases are still to be looked at; the last one first.
    readings: Vec<u32>,
    /// The last lease that was looked at in it.
    seen: Option<[u8; 20]>,
    leased: HashSet<u64>,
}

impl Removal {
    /// Notes a lease that is being written.
    pub(super) fn spare(&mut self, topic: u32, offset: u64) {
        if let Some(window) = &mut self.window
            && window.topic == topic
        {
            window.spare(offset);
        }
    }
}

impl Window {
    fn spare(&mut self, offset: u64) {
        if self.offsets.binary_search(&offset).is_ok() {
            self.leased.insert(offset);
        }
    }
}

impl Batch<'_, '_> {
    /// Goes on removing messages that were stored before `cutoff_ms`, or before that of the walk
    /// that is under way; answers whether there is more to do.
    pub(super) fn retain(&mut self, cutoff_ms: UnixMs) -> Result<bool, StoreError> {
        let mut removal = self.state.removal.take().unwrap_or_else(|| Removal {
            cutoff_ms,
            topics: self.state.topics.keys().copied().collect(),
            next: 0,
            window: None,
        });
        let more = self.walk(&mut removal)?;
        if more {
            self.state.removal = Some(removal);
        }
        Ok(more)
    }

    fn walk(&mut self, removal: &mut Removal) -> Result<bool, StoreError> {
        let mut rows = ROWS;
        while let Some(&topic) = removal.topics.last() {
            if rows == 0 {
                return Ok(true);
            }
            let window = match removal.window.take() {
                Some(window) => Some(window),
                None => self.window(topic, removal.next, removal.cutoff_ms)?,
            };
            let Some(mut window) = window else {
                rows -= 1;
                removal.topics.pop();
                removal.next = 0;
                continue;
            };
            if !self.note_leases(&mut window, removal.cutoff_ms, &mut rows)? {
                removal.window = Some(window);
                return Ok(true);
            }
            rows = rows.saturating_sub(window.offsets.len());
            removal.next = window.offsets.last().map_or(u64::MAX, |last| last + 1);
            self.remove(&window)?;
        }
        Ok(false)
    }

    /// The old messages of a topic from `from` on, or some of them.
    fn window(
        &self,
        topic: u32,
        from: u64,
        cutoff_ms: UnixMs,
    ) -> Result<Option<Window>, StoreError> {
        let range = (message_key(topic, from), message_key(topic, u64::MAX));
        let (mut offsets, mut bytes) = (Vec::new(), 0);
        for row in self
            .tables
            .messages
            .range::<&[u8; 12]>(&range.0..&range.1)
            .map_err(failed)?
        {
            let (key, value) = row.map_err(failed)?;
            let value = value.value();
            if offsets.len() == WINDOW
                || (bytes > 0 && bytes + value.len() > WINDOW_BYTES)
                || Record::read(value)?.store_ms >= cutoff_ms
            {
                break;
            }
            bytes += value.len();
            offsets.push(message_offset(key.value()));
        }
        if offsets.is_empty() {
            return Ok(None);
        }
        Ok(Some(Window {
            topic,
            offsets,
            readings: self.readings_of(topic),
            seen: None,
            leased: HashSet::new(),
        }))
    }

    fn readings_of(&self, topic: u32) -> Vec<u32> {
        (0..)
            .zip(&self.state.readings)
            .filter(|(_, reading)| reading.topic == topic)
            .map(|(id, _)| id)
            .collect()
    }

    /// Notes which of the window's messages have a lease, looking at `rows` leases at most; answers
    /// whether all were looked at.
    fn note_leases(
        &self,
        window: &mut Window,
        cutoff_ms: UnixMs,
        rows: &mut usize,
    ) -> Result<bool, StoreError> {
        while let Some(&reading) = window.readings.last() {
            let from = window.seen.unwrap_or(lease_key(reading, cutoff_ms, 0));
            let to = lease_key(reading, u64::MAX, u64::MAX);
            for row in self
                .tables
                .leases
                .range::<&[u8; 20]>(&from..=&to)
                .map_err(failed)?
            {
                if *rows == 0 {
                    return Ok(false);
                }
                *rows -= 1;
                let (key, _) = row.map_err(failed)?;
                window.seen = Some(*key.value());
                window.spare(lease_parts(key.value()).1);
            }
            window.readings.pop();
            window.seen = None;
        }
        Ok(true)
    }

    fn remove(&mut self, window: &Window) -> Result<(), StoreError> {
        self.warn_of_unread(window);
        for offset in &window.offsets {
            if !window.leased.contains(offset) {
                let key = message_key(window.topic, *offset);
                self.tables.messages.remove(&key).map_err(failed)?;
                self.effects.dirty = true;
            }
        }
        Ok(())
    }

    fn warn_of_unread(&self, window: &Window) {
        let topic = window.topic;
        let name = self
            .state
            .topics
            .get(&topic)
            .map_or("", |topic| &*topic.name);
        for reading in self
            .state
            .readings
            .iter()
            .filter(|reading| reading.topic == topic)
        {
            // What has a lease was received, so it is not among these.
            let received = window
                .offsets
                .partition_point(|offset| *offset < reading.cursor);
            let unread = window.offsets.len() - received;
            if unread > 0 {
                let group = self
                    .state
                    .groups
                    .get(&reading.group)
                    .map_or("", |group| &*group.name);
                tracing::warn!(
                    event = "unread_messages_expired",
                    topic = name,
                    group,
                    count = unread,
                    "messages outlived their retention before the group received them"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;
