//! The tables. Keys that are walked in order are big-endian bytes, so that the order of bytes is
//! the order of numbers.

use redb::{Table, TableDefinition, WriteTransaction};

use crate::StoreError;
use crate::clock::UnixMs;
use crate::store::failed;

/// What half messages have for a topic's number: topics count from 1.
pub(crate) const HALVES_TOPIC: u32 = 0;

type Bytes = &'static [u8];

/// Holds the number of the layout.
pub(super) const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
/// Topic name to its JSON ([`crate::catalog`]).
pub(crate) const TOPICS: TableDefinition<&str, Bytes> = TableDefinition::new("topics");
/// Group name to its JSON.
pub(crate) const GROUPS: TableDefinition<&str, Bytes> = TableDefinition::new("groups");
/// Topic to the offset after its last message; it survives the message's removal. The halves' row
/// is under [`HALVES_TOPIC`].
pub(crate) const ENDS: TableDefinition<u32, u64> = TableDefinition::new("ends");
/// (group, topic) to the id of the group's reading of the topic.
pub(crate) const READINGS: TableDefinition<(u32, u32), u32> = TableDefinition::new("readings");
/// Reading to the offset of the first message that it never received.
pub(crate) const CURSORS: TableDefinition<u32, u64> = TableDefinition::new("cursors");
/// (topic, offset) to the stored message.
pub(crate) const MESSAGES: TableDefinition<&[u8; 12], Bytes> = TableDefinition::new("messages");
/// (reading, due, offset) to the number of the next delivery.
pub(crate) const LEASES: TableDefinition<&[u8; 20], u32> = TableDefinition::new("leases");
/// (topic, transaction id, half) to the half's state ([`crate::writer::half`]).
pub(crate) const HALVES: TableDefinition<Bytes, Bytes> = TableDefinition::new("halves");
/// Half to the stored message.
pub(crate) const HALF_MESSAGES: TableDefinition<u64, Bytes> = TableDefinition::new("half_messages");
/// (due, half) to the half's key in [`HALVES`].
pub(crate) const HALF_DUE: TableDefinition<&[u8; 16], Bytes> = TableDefinition::new("half_due");
/// (due, message id, number) to the topic (four bytes) and the stored message.
pub(crate) const DELAYED: TableDefinition<Bytes, Bytes> = TableDefinition::new("delayed");
/// The row of [`ENDS`] that says how many delayed messages there have been; no topic has this number.
pub(crate) const DELAYED_END: u32 = u32::MAX;

/// Every table of one write transaction.
pub(crate) struct Tables<'t> {
    pub(crate) topics: Table<'t, &'static str, Bytes>,
    pub(crate) groups: Table<'t, &'static str, Bytes>,
    pub(crate) ends: Table<'t, u32, u64>,
    pub(crate) readings: Table<'t, (u32, u32), u32>,
    pub(crate) cursors: Table<'t, u32, u64>,
    pub(crate) messages: Table<'t, &'static [u8; 12], Bytes>,
    pub(crate) leases: Table<'t, &'static [u8; 20], u32>,
    pub(crate) halves: Table<'t, Bytes, Bytes>,
    pub(crate) half_messages: Table<'t, u64, Bytes>,
    pub(crate) half_due: Table<'t, &'static [u8; 16], Bytes>,
    pub(crate) delayed: Table<'t, Bytes, Bytes>,
}

impl<'t> Tables<'t> {
    /// Opens them all.
    pub(crate) fn open(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            topics: transaction.open_table(TOPICS).map_err(failed)?,
            groups: transaction.open_table(GROUPS).map_err(failed)?,
            ends: transaction.open_table(ENDS).map_err(failed)?,
            readings: transaction.open_table(READINGS).map_err(failed)?,
            cursors: transaction.open_table(CURSORS).map_err(failed)?,
            messages: transaction.open_table(MESSAGES).map_err(failed)?,
            leases: transaction.open_table(LEASES).map_err(failed)?,
            halves: transaction.open_table(HALVES).map_err(failed)?,
            half_messages: transaction.open_table(HALF_MESSAGES).map_err(failed)?,
            half_due: transaction.open_table(HALF_DUE).map_err(failed)?,
            delayed: transaction.open_table(DELAYED).map_err(failed)?,
        })
    }
}

/// The key of a message.
pub(crate) fn message_key(topic: u32, offset: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&topic.to_be_bytes());
    key[4..].copy_from_slice(&offset.to_be_bytes());
    key
}

/// The offset in a message's key.
pub(crate) fn message_offset(key: &[u8; 12]) -> u64 {
    tail(key)
}

/// The key of a lease.
pub(crate) fn lease_key(reading: u32, due_ms: UnixMs, offset: u64) -> [u8; 20] {
    let mut key = [0; 20];
    key[..4].copy_from_slice(&reading.to_be_bytes());
    key[4..12].copy_from_slice(&due_ms.to_be_bytes());
    key[12..].copy_from_slice(&offset.to_be_bytes());
    key
}

/// The due time and the offset in a lease's key.
pub(crate) fn lease_parts(key: &[u8; 20]) -> (UnixMs, u64) {
    (tail(&key[..12]), tail(key))
}

/// The key of a due half message.
pub(crate) fn due_key(due_ms: UnixMs, half: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&due_ms.to_be_bytes());
    key[8..].copy_from_slice(&half.to_be_bytes());
    key
}

/// The due time and the half in the key of a due half message.
pub(crate) fn due_parts(key: &[u8; 16]) -> (UnixMs, u64) {
    (tail(&key[..8]), tail(key))
}

/// The key of a half message; the transaction id's length keeps ids apart that begin alike.
pub(crate) fn half_key(topic: u32, transaction_id: &str, half: u64) -> Vec<u8> {
    let mut key = half_prefix(topic, transaction_id);
    key.extend_from_slice(&half.to_be_bytes());
    key
}

/// What the keys of one transaction's half messages begin with.
pub(crate) fn half_prefix(topic: u32, transaction_id: &str) -> Vec<u8> {
    let id = transaction_id.as_bytes();
    let mut key = Vec::with_capacity(4 + 4 + id.len() + 8);
    key.extend_from_slice(&topic.to_be_bytes());
    key.extend_from_slice(&u32::try_from(id.len()).unwrap_or(u32::MAX).to_be_bytes());
    key.extend_from_slice(id);
    key
}

/// The key of a delayed message; the id's length keeps ids apart that begin alike.
pub(crate) fn delayed_key(due_ms: UnixMs, message_id: &str, number: u64) -> Vec<u8> {
    let mut key = delayed_prefix(due_ms, message_id);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// What the keys of delayed messages with one time and id begin with.
pub(crate) fn delayed_prefix(due_ms: UnixMs, message_id: &str) -> Vec<u8> {
    let id = message_id.as_bytes();
    let mut key = Vec::with_capacity(8 + 4 + id.len() + 8);
    key.extend_from_slice(&due_ms.to_be_bytes());
    key.extend_from_slice(&u32::try_from(id.len()).unwrap_or(u32::MAX).to_be_bytes());
    key.extend_from_slice(id);
    key
}

/// The time in the key of a delayed message.
pub(crate) fn delayed_due(key: &[u8]) -> Option<UnixMs> {
    key.first_chunk::<8>().copied().map(UnixMs::from_be_bytes)
}

/// Topic, transaction id and half in the key of a half message.
pub(crate) fn half_parts(key: &[u8]) -> Option<(u32, &str, u64)> {
    let (topic, rest) = key.split_first_chunk::<4>()?;
    let (_, rest) = rest.split_first_chunk::<4>()?;
    let (id, half) = rest.split_last_chunk::<8>()?;
    Some((
        u32::from_be_bytes(*topic),
        std::str::from_utf8(id).ok()?,
        u64::from_be_bytes(*half),
    ))
}

fn tail(key: &[u8]) -> u64 {
    let (_, last) = key
        .split_last_chunk::<8>()
        .expect("keys end in eight bytes of number");
    u64::from_be_bytes(*last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_of_a_reading_lie_in_the_order_of_their_due_times() {
        let mut keys = [
            lease_key(1, 300, 1),
            lease_key(1, 256, 9),
            lease_key(2, 1, 1),
            lease_key(1, 256, 2),
        ];
        keys.sort_unstable();
        let order: Vec<_> = keys.iter().map(lease_parts).collect();
        assert_eq!(order, [(256, 2), (256, 9), (300, 1), (1, 1)]);
    }

    #[test]
    fn transaction_ids_that_begin_alike_do_not_mix() {
        assert!(!half_key(1, "ab", 7).starts_with(&half_prefix(1, "a")));
        assert_eq!(half_parts(&half_key(1, "ab", 7)), Some((1, "ab", 7)));
    }
}
