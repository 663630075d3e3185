//! The stored form of a message: a short head that the writer reads, then the message as it is on
//! the wire, which the writer never decodes.
//!
//! ```text
//! u8 format = 1 | u64 store_ms | u32 base | u16 length, tag | u16 length, origin | v2::Message
//! ```
//! Integers are little-endian. `base` is the number of deliveries that the message had before it
//! came into this topic: 0, but for a dead message. `origin` is the topic that a dead message was
//! in, or a half message is meant for, also when its check-backs are used up; empty otherwise. (In
//! the topic of those, `base` is the number of check-backs.) A message without a tag has an empty one.

use prost::Message as _;
use rocketmq_wire::v2;

use crate::StoreError;
use crate::clock::UnixMs;

const FORMAT: u8 = 1;
const FIXED: usize = 1 + 8 + 4;

/// A stored message, borrowed from where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    /// When it was stored.
    pub(crate) store_ms: UnixMs,
    /// Deliveries before this topic.
    pub(crate) base: u32,
    /// The tag, or nothing.
    pub(crate) tag: &'a str,
    /// The topic that a dead message came from or a half is meant for, or nothing.
    pub(crate) origin: &'a str,
    /// The encoded `v2::Message`.
    pub(crate) message: &'a [u8],
}

impl<'a> Record<'a> {
    /// Bytes that [`Record::write`] needs.
    pub(crate) fn size(&self) -> usize {
        FIXED + 2 + self.tag.len() + 2 + self.origin.len() + self.message.len()
    }

    /// Writes the record into `out`, which is [`Record::size`] long.
    pub(crate) fn write(&self, out: &mut [u8]) {
        let mut rest = out;
        put(&mut rest, &[FORMAT]);
        put(&mut rest, &self.store_ms.to_le_bytes());
        put(&mut rest, &self.base.to_le_bytes());
        put_text(&mut rest, self.tag);
        put_text(&mut rest, self.origin);
        put(&mut rest, self.message);
    }

    /// The message, by itself: its body is copied.
    pub(crate) fn decode(&self) -> Result<v2::Message, StoreError> {
        v2::Message::decode(self.message).map_err(|_| StoreError::Corrupt("a message"))
    }

    /// The record as bytes of its own.
    #[cfg(test)]
    pub(crate) fn to_vec(self) -> Vec<u8> {
        let mut bytes = vec![0; self.size()];
        self.write(&mut bytes);
        bytes
    }

    /// Reads what [`Record::write`] wrote.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, StoreError> {
        Self::parse(bytes).ok_or(StoreError::Corrupt("a message"))
    }

    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (head, mut rest) = bytes.split_at_checked(FIXED)?;
        let (format, head) = head.split_first()?;
        if *format != FORMAT {
            return None;
        }
        let (store_ms, base) = head.split_at_checked(8)?;
        Some(Record {
            store_ms: u64::from_le_bytes(store_ms.try_into().ok()?),
            base: u32::from_le_bytes(base.try_into().ok()?),
            tag: take_text(&mut rest)?,
            origin: take_text(&mut rest)?,
            message: rest,
        })
    }
}

fn put(rest: &mut &mut [u8], bytes: &[u8]) {
    let (here, after) = std::mem::take(rest).split_at_mut(bytes.len());
    here.copy_from_slice(bytes);
    *rest = after;
}

fn put_text(rest: &mut &mut [u8], text: &str) {
    let length = u16::try_from(text.len()).expect("tags and topics are limited to 16 KiB at entry");
    put(rest, &length.to_le_bytes());
    put(rest, text.as_bytes());
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let (length, after) = rest.split_at_checked(2)?;
    let length = usize::from(u16::from_le_bytes(length.try_into().ok()?));
    let (text, after) = after.split_at_checked(length)?;
    *rest = after;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let record = Record {
            store_ms: 7,
            base: 4,
            tag: "标签",
            origin: "t",
            message: b"body",
        };
        assert_eq!(Record::read(&record.to_vec()), Ok(record));
    }

    #[test]
    fn a_cut_record_is_corrupt_and_does_not_panic() {
        let whole = Record {
            store_ms: 7,
            base: 0,
            tag: "abc",
            origin: "topic",
            message: b"",
        }
        .to_vec();
        for length in 0..whole.len() {
            assert!(Record::read(&whole[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn a_newer_format_is_refused() {
        let mut bytes = Record {
            store_ms: 7,
            base: 0,
            tag: "",
            origin: "",
            message: b"x",
        }
        .to_vec();
        bytes[0] = 2;
        assert_eq!(Record::read(&bytes), Err(StoreError::Corrupt("a message")));
    }
}
