//! A message as a broker stores it, and as a pull hands it out. Big-endian:
//!
//! ```text
//! i32 size | u32 magic | u32 body CRC | i32 queue id | i32 flag | i64 queue offset | i64 physical
//! offset | i32 system flags | i64 born ms | born host | i64 stored ms | stored host | i32
//! reconsume times | i64 prepared transaction offset | i32 length, body | length, topic | i16
//! length, properties
//! ```
//! A host is 4 or 16 bytes of address and an i32 port; the system flags say which. The topic's
//! length is a byte under the first magic and an i16 under the second. Properties are
//! `key 0x01 value 0x02`, repeated.
//!
//! The decoder reads what strangers sent: it never panics, allocates no more than it was given
//! (but for a packed body, which has a limit of its own), and says where and in which field it
//! stumbled. A body that cannot be unpacked is no reason to lose the message: it comes as it is,
//! with the reason.

mod decode;
mod encode;
mod inflate;
#[cfg(test)]
mod tests;

pub use encode::{may_be_property, property_size};

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;

use crate::properties::RETRY_PREFIX;

/// First magic: the topic's length is a byte.
const MAGIC: u32 = 0xDAA3_20A7;
/// Second magic: the topic's length is an i16.
const MAGIC_LONG_TOPIC: u32 = 0xDAA3_20AB;
/// System flag: the body is packed.
const PACKED: i32 = 1;
/// System flags: how it is packed.
const PACKING: i32 = 0x700;
/// System flag: the born host is an IPv6 address.
const BORN_V6: i32 = 0x10;
/// System flag: the stored host is an IPv6 address.
const STORED_V6: i32 = 0x20;
/// What the codec itself deals with.
const OURS: i32 = PACKED | PACKING | BORN_V6 | STORED_V6;

/// Property: the id that the sender gave.
pub const UNIQUE_KEY: &str = "UNIQ_KEY";
/// Property: the keys, with spaces between them.
pub const KEYS: &str = "KEYS";
/// Property: the tag.
pub const TAGS: &str = "TAGS";
/// Property: the topic that a half message is meant for.
pub const REAL_TOPIC: &str = "REAL_TOPIC";
/// Property: the topic that a dead or retried message came from.
pub const RETRY_TOPIC: &str = "RETRY_TOPIC";

/// Property: the names, with commas between them, of properties that could not be stored as they
/// were ([`StoredMessage::fit_properties`]).
pub const SHORTENED: &str = "__SHORTENED__";
/// Most bytes of all properties: their length is an i16.
pub const MAX_PROPERTIES: usize = 32_767;

/// Property: the producer's group; of what came over gRPC, the topic.
const PRODUCER_GROUP: &str = "PGROUP";

/// One stored message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// The topic that it lies in, e.g. `%DLQ%bank2`; see [`origin`](Self::origin).
    pub topic: String,
    /// The queue's number, from 0.
    pub queue_id: i32,
    /// Its place in the queue.
    pub queue_offset: i64,
    /// Its place in the broker's log; a broker without one says what it likes.
    pub physical_offset: i64,
    /// The application's flag; unused by clients of version 5.
    pub flag: i32,
    /// System flags, without those of packing and of addresses, which are dealt with.
    pub sys_flag: i32,
    /// When its sender made it, in ms since 1970, by the sender's clock.
    pub born_ms: i64,
    /// Who sent it; for what came over gRPC, the proxy.
    pub born_host: SocketAddr,
    /// When it was stored, in ms since 1970, by the broker's clock.
    pub stored_ms: i64,
    /// The broker.
    pub stored_host: SocketAddr,
    /// Deliveries before it came here.
    pub reconsume_times: i32,
    /// Of a committed half message, where the half was; else 0.
    pub prepared_transaction_offset: i64,
    /// The body as its sender wrote it, unless [`not_unpacked`](Self::not_unpacked) says otherwise.
    pub body: Bytes,
    /// The body is still packed, and why.
    pub not_unpacked: Option<String>,
    /// Everything else, the sender's own properties included.
    pub properties: BTreeMap<String, String>,
}

impl Default for StoredMessage {
    fn default() -> Self {
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        Self {
            topic: String::new(),
            queue_id: 0,
            queue_offset: 0,
            physical_offset: 0,
            flag: 0,
            sys_flag: 0,
            born_ms: 0,
            born_host: nowhere,
            stored_ms: 0,
            stored_host: nowhere,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: Bytes::new(),
            not_unpacked: None,
            properties: BTreeMap::new(),
        }
    }
}

impl StoredMessage {
    /// The id that its sender gave it; nothing for what no client sent.
    #[must_use]
    pub fn message_id(&self) -> Option<&str> {
        self.property(UNIQUE_KEY)
    }

    /// Its keys. A key with a space in it comes as several: they are stored so.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let keys = self.property(KEYS).unwrap_or_default();
        keys.split(' ').filter(|key| !key.is_empty())
    }

    /// Its tag.
    #[must_use]
    pub fn tags(&self) -> Option<&str> {
        self.property(TAGS)
    }

    /// The topic that it was sent to, for a half message and a dead one; nothing for others.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        if let Some(topic) = self.property(REAL_TOPIC) {
            return Some(topic);
        }
        let topic = self.property(RETRY_TOPIC)?;
        if topic.starts_with(RETRY_PREFIX) {
            // What died after a retry came from its group's retry topic. A proxy notes the topic
            // that a message was sent to where older clients name their group.
            return self.property(PRODUCER_GROUP).or(Some(topic));
        }
        Some(topic)
    }

    fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(String::as_str)
    }
}

/// Bytes that are no stored message, or a message that cannot be stored so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stored message{}, byte {at}: {field}: {reason}", .queue_offset.map(|at| format!(" at queue offset {at}")).unwrap_or_default())]
pub struct StoredError {
    /// The message's place in its queue, if that much could be read.
    pub queue_offset: Option<i64>,
    /// How many bytes into what was given the field begins.
    pub at: usize,
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}
