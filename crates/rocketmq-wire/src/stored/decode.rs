//! Reading.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;

use super::inflate::unpack;
use super::{BORN_V6, MAGIC, MAGIC_LONG_TOPIC, OURS, STORED_V6, StoredError, StoredMessage};

impl StoredMessage {
    /// Reads the messages of one pull, which lie one after the other. Their bodies share `stored`'s
    /// memory unless they were packed.
    ///
    /// # Errors
    /// [`StoredError`] names the field, its place and the message. Nothing before it is given then.
    pub fn decode_all(stored: &Bytes) -> Result<Vec<Self>, StoredError> {
        match Self::decode_sound(stored) {
            (messages, None) => Ok(messages),
            (_, Some(error)) => Err(error),
        }
    }

    /// As [`decode_all`](Self::decode_all), but gives what lies before the first broken message
    /// too.
    #[must_use]
    pub fn decode_sound(stored: &Bytes) -> (Vec<Self>, Option<StoredError>) {
        let mut messages = Vec::new();
        let mut at = 0;
        while at < stored.len() {
            match decode(stored, at) {
                Ok((message, next)) => {
                    messages.push(message);
                    at = next;
                }
                Err(error) => return (messages, Some(error)),
            }
        }
        (messages, None)
    }
}

/// Reads the message that begins at `at`; with it, where the next one does.
fn decode(stored: &Bytes, at: usize) -> Result<(StoredMessage, usize), StoredError> {
    let mut reader = Reader {
        stored,
        at,
        end: stored.len(),
        queue_offset: None,
    };
    let start = reader.at;
    let size = reader.length("size")?;
    if size < 4 || size > stored.len() - start {
        let left = stored.len() - start;
        return Err(StoredError {
            at: start,
            ..reader.wrong(
                "size",
                format!("{size} bytes are announced, {left} are there"),
            )
        });
    }
    reader.end = start + size;
    let magic = u32::from_be_bytes(reader.array("magic")?);
    let long_topic = match magic {
        MAGIC => false,
        MAGIC_LONG_TOPIC => true,
        other => return Err(reader.before("magic", 4, format!("{other:#010x} is unknown"))),
    };
    reader.array::<4>("body CRC")?;
    let queue_id = reader.i32("queue id")?;
    let flag = reader.i32("flag")?;
    let queue_offset = reader.i64("queue offset")?;
    reader.queue_offset = Some(queue_offset);
    let physical_offset = reader.i64("physical offset")?;
    let sys_flag = reader.i32("system flags")?;
    let born_ms = reader.i64("born time")?;
    let born_host = reader.host("born host", sys_flag & BORN_V6 != 0)?;
    let stored_ms = reader.i64("stored time")?;
    let stored_host = reader.host("stored host", sys_flag & STORED_V6 != 0)?;
    let reconsume_times = reader.i32("reconsume times")?;
    let prepared_transaction_offset = reader.i64("prepared transaction offset")?;
    let length = reader.length("body length")?;
    let (body, not_unpacked) = unpack(reader.take("body", length)?, sys_flag);
    let length = if long_topic {
        reader.short("topic length")?
    } else {
        usize::from(reader.array::<1>("topic length")?[0])
    };
    let topic = text(&reader.take("topic", length)?);
    let length = reader.short("properties length")?;
    let properties = properties(&text(&reader.take("properties", length)?));
    let message = StoredMessage {
        topic,
        queue_id,
        queue_offset,
        physical_offset,
        flag,
        sys_flag: sys_flag & !OURS,
        born_ms,
        born_host,
        stored_ms,
        stored_host,
        reconsume_times,
        prepared_transaction_offset,
        body,
        not_unpacked,
        properties,
    };
    // What a later version may append is passed over.
    Ok((message, reader.end))
}

/// Text as Java reads it: what is no UTF-8 is replaced.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn properties(text: &str) -> BTreeMap<String, String> {
    let pairs = text
        .split('\u{2}')
        .filter_map(|pair| pair.split_once('\u{1}'));
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

struct Reader<'s> {
    stored: &'s Bytes,
    at: usize,
    /// Where the message ends.
    end: usize,
    queue_offset: Option<i64>,
}

impl Reader<'_> {
    fn wrong(&self, field: &'static str, reason: impl Into<String>) -> StoredError {
        StoredError {
            queue_offset: self.queue_offset,
            at: self.at,
            field,
            reason: reason.into(),
        }
    }

    /// As `wrong`, of a field that has been read.
    fn before(&self, field: &'static str, length: usize, reason: impl Into<String>) -> StoredError {
        StoredError {
            at: self.at - length,
            ..self.wrong(field, reason)
        }
    }

    fn take(&mut self, field: &'static str, length: usize) -> Result<Bytes, StoredError> {
        let left = self.end - self.at;
        if length > left {
            let reason = format!("{length} bytes are needed, {left} are left of the message");
            return Err(self.wrong(field, reason));
        }
        let taken = self.stored.slice(self.at..self.at + length);
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], StoredError> {
        let left = self.end - self.at;
        let rest = &self.stored[self.at..self.end];
        match rest.first_chunk() {
            Some(bytes) => {
                self.at += N;
                Ok(*bytes)
            }
            None => Err(self.wrong(
                field,
                format!("{N} bytes are needed, {left} are left of the message"),
            )),
        }
    }

    fn i32(&mut self, field: &'static str) -> Result<i32, StoredError> {
        Ok(i32::from_be_bytes(self.array(field)?))
    }

    fn i64(&mut self, field: &'static str) -> Result<i64, StoredError> {
        Ok(i64::from_be_bytes(self.array(field)?))
    }

    fn length(&mut self, field: &'static str) -> Result<usize, StoredError> {
        let length = self.i32(field)?;
        usize::try_from(length).map_err(|_| self.before(field, 4, format!("{length} is negative")))
    }

    fn short(&mut self, field: &'static str) -> Result<usize, StoredError> {
        let length = i16::from_be_bytes(self.array(field)?);
        usize::try_from(length).map_err(|_| self.before(field, 2, format!("{length} is negative")))
    }

    fn host(&mut self, field: &'static str, v6: bool) -> Result<SocketAddr, StoredError> {
        let address: IpAddr = if v6 {
            Ipv6Addr::from(self.array::<16>(field)?).into()
        } else {
            Ipv4Addr::from(self.array::<4>(field)?).into()
        };
        let port = self.i32(field)?;
        let port =
            u16::try_from(port).map_err(|_| self.before(field, 4, format!("{port} is no port")))?;
        Ok(SocketAddr::new(address, port))
    }
}
