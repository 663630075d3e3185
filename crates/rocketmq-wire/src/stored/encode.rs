//! Writing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use bytes::{BufMut, BytesMut};

use super::{
    BORN_V6, MAGIC, MAGIC_LONG_TOPIC, MAX_PROPERTIES, OURS, PACKED, SHORTENED, STORED_V6,
    StoredError, StoredMessage,
};

/// What lies between properties, and between a property's name and its value.
const SEPARATORS: [char; 2] = ['\u{1}', '\u{2}'];
/// How long a value is that was shortened, in bytes.
const SHORT_VALUE: usize = 256;

/// The most bytes that [`SHORTENED`] takes, its names cut off if they are more.
const SHORTENED_SIZE: usize = 1024;

/// How many bytes properties take in a stored message.
fn properties_size(properties: &BTreeMap<String, String>) -> usize {
    let pairs = properties.iter();
    pairs.map(|(key, value)| property_size(key, value)).sum()
}

/// How many bytes one property takes in a stored message.
#[must_use]
pub fn property_size(key: &str, value: &str) -> usize {
    key.len() + 1 + value.len() + 1
}

/// Whether a property's name or value may hold this text.
#[must_use]
pub fn may_be_property(text: &str) -> bool {
    !text.contains(SEPARATORS)
}

/// The longest topic under the first magic: Java reads the byte as a signed one.
const SHORT_TOPIC: usize = 127;

impl StoredMessage {
    /// Appends the message to `out`, its body as it is: marked as packed if it was not unpacked.
    ///
    /// # Errors
    /// When topic, properties or body are too long for their length fields, or a property has a
    /// separator (0x01, 0x02) in it; `out` is then unchanged.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), StoredError> {
        let properties = self.property_text(out.len())?;
        let wrong = |field, reason: String| StoredError {
            queue_offset: Some(self.queue_offset),
            at: out.len(),
            field,
            reason,
        };
        let too_long = |field, length: usize| wrong(field, format!("{length} bytes are too many"));
        let long_topic = self.topic.len() > SHORT_TOPIC;
        let topic_length =
            i16::try_from(self.topic.len()).map_err(|_| too_long("topic", self.topic.len()))?;
        let properties_length = i16::try_from(properties.len())
            .map_err(|_| too_long("properties", properties.len()))?;
        let body_length =
            i32::try_from(self.body.len()).map_err(|_| too_long("body", self.body.len()))?;
        let packed = if self.not_unpacked.is_some() {
            PACKED
        } else {
            0
        };
        let flags = packed | v6(self.born_host, BORN_V6) | v6(self.stored_host, STORED_V6);
        let size = 4
            + 4
            + 4
            + 4
            + 4
            + 8
            + 8
            + 4
            + 8
            + 8
            + 4
            + 8
            + 4
            + host_size(self.born_host)
            + host_size(self.stored_host)
            + self.body.len()
            + usize::from(long_topic)
            + 1
            + self.topic.len()
            + 2
            + properties.len();
        let announced = i32::try_from(size).map_err(|_| too_long("message", size))?;
        let mut crc = flate2::Crc::new();
        crc.update(&self.body);
        out.reserve(size);
        out.put_i32(announced);
        out.put_u32(if long_topic { MAGIC_LONG_TOPIC } else { MAGIC });
        // Java's, whose numbers have a sign.
        out.put_u32(crc.sum() & 0x7FFF_FFFF);
        out.put_i32(self.queue_id);
        out.put_i32(self.flag);
        out.put_i64(self.queue_offset);
        out.put_i64(self.physical_offset);
        out.put_i32(self.sys_flag & !OURS | flags);
        out.put_i64(self.born_ms);
        put_host(out, self.born_host);
        out.put_i64(self.stored_ms);
        put_host(out, self.stored_host);
        out.put_i32(self.reconsume_times);
        out.put_i64(self.prepared_transaction_offset);
        out.put_i32(body_length);
        out.put_slice(&self.body);
        if long_topic {
            out.put_i16(topic_length);
        } else {
            out.put_u8(self.topic.len().to_le_bytes()[0]);
        }
        out.put_slice(self.topic.as_bytes());
        out.put_i16(properties_length);
        out.put_slice(properties.as_bytes());
        Ok(())
    }

    /// Makes properties fit that do not, since a queue that holds such a message should be readable
    /// all the same: separators (0x01, 0x02) are replaced by U+FFFD, the longest values are
    /// shortened, and what is too much even so is left out. [`SHORTENED`] then names what was
    /// touched.
    pub fn fit_properties(&mut self) {
        let mut touched = BTreeSet::new();
        let plain = |text: &str| text.replace(SEPARATORS, "\u{FFFD}");
        for (key, value) in std::mem::take(&mut self.properties) {
            let (plain_key, plain_value) = (plain(&key), plain(&value));
            if plain_key != key || plain_value != value {
                touched.insert(plain_key.clone());
            }
            self.properties.insert(plain_key, plain_value);
        }
        while properties_size(&self.properties) > MAX_PROPERTIES - SHORTENED_SIZE {
            let longest = self.properties.iter_mut();
            let Some((key, value)) = longest.max_by_key(|(key, value)| (value.len(), key.len()))
            else {
                break;
            };
            if value.len() > SHORT_VALUE {
                value.truncate(value.floor_char_boundary(SHORT_VALUE));
                touched.insert(key.clone());
            } else {
                let key = key.clone();
                self.properties.remove(&key);
                touched.insert(key);
            }
        }
        if !touched.is_empty() {
            let mut names = Vec::from_iter(touched).join(",");
            let room = SHORTENED_SIZE - property_size(SHORTENED, "");
            names.truncate(names.floor_char_boundary(room));
            self.properties.insert(SHORTENED.to_owned(), names);
        }
    }

    fn property_text(&self, at: usize) -> Result<String, StoredError> {
        let mut text = String::new();
        for (key, value) in &self.properties {
            if [key, value].iter().any(|part| part.contains(SEPARATORS)) {
                return Err(StoredError {
                    queue_offset: Some(self.queue_offset),
                    at,
                    field: "properties",
                    reason: format!("{key:?} or its value has a separator in it"),
                });
            }
            text.extend([key, "\u{1}", value, "\u{2}"]);
        }
        Ok(text)
    }
}

fn v6(host: SocketAddr, flag: i32) -> i32 {
    if host.is_ipv6() { flag } else { 0 }
}

fn host_size(host: SocketAddr) -> usize {
    4 + if host.is_ipv6() { 16 } else { 4 }
}

fn put_host(out: &mut BytesMut, host: SocketAddr) {
    match host.ip() {
        IpAddr::V4(address) => out.put_slice(&address.octets()),
        IpAddr::V6(address) => out.put_slice(&address.octets()),
    }
    out.put_i32(i32::from(host.port()));
}
