//! One fact for one receiver.

use bytes::Bytes;
use ring::digest;

use crate::{BusinessKey, ContentType, EndpointId, EventType, Invalid, Source, Topic, TxNo};

/// The largest body in bytes. The smallest is one: the broker refuses an empty message.
pub const MAX_BODY: usize = 262_144;

/// The longest `notify_url` in characters.
const MAX_URL: usize = 1024;

/// What happened inside the initiator, for one receiver, byte for byte as it will be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Who says it.
    pub source: Source,
    /// Its number there.
    pub tx_no: TxNo,
    /// The topic it goes out on.
    pub topic: Topic,
    /// What happened.
    pub event_type: EventType,
    /// What a person searches for.
    pub business_key: BusinessKey,
    /// The media type of `body`.
    pub content_type: ContentType,
    /// The endpoint that it goes to, for subscriptions that leave that to the message.
    pub endpoint: Option<EndpointId>,
    /// Another path or host, inside the endpoint's pattern, for this notification alone.
    pub notify_url: Option<String>,
    /// The W3C trace context to go on with.
    pub traceparent: Option<String>,
    /// 1 to [`MAX_BODY`] bytes.
    pub body: Bytes,
}

impl Notification {
    /// Checks what the types do not: the body's size and the two optional texts.
    pub fn check(&self) -> Result<(), Invalid> {
        let size = self.body.len();
        if !(1..=MAX_BODY).contains(&size) {
            let limit = format!("1 to {MAX_BODY} bytes");
            return Err(Invalid::new("body", format!("{size} bytes"), limit));
        }
        if let Some(url) = &self.notify_url {
            check_url(url)?;
        }
        if let Some(traceparent) = &self.traceparent {
            check_traceparent(traceparent)?;
        }
        Ok(())
    }

    /// A fingerprint of what was asked for: two requests under one `tx_no` are the same request
    /// if and only if this is equal. Hex SHA-256 over topic, event type, business key, content
    /// type, notify URL (empty if none) and body, and the endpoint if it names one, each preceded by
    /// its length as eight bytes, big-endian.
    pub fn request_hash(&self) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        let parts = [
            self.topic.as_str().as_bytes(),
            self.event_type.as_str().as_bytes(),
            self.business_key.as_str().as_bytes(),
            self.content_type.as_str().as_bytes(),
            self.notify_url.as_deref().unwrap_or_default().as_bytes(),
            &self.body,
        ];
        let endpoint = self.endpoint.as_ref().map(|id| id.as_str().as_bytes());
        for part in parts.into_iter().chain(endpoint) {
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            context.update(&length.to_be_bytes());
            context.update(part);
        }
        hex(context.finish().as_ref())
    }
}

/// Lower-case hex.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Hex SHA-256 of a body, by which a receiver tells a duplicate from another request.
pub fn body_hash(body: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, body).as_ref())
}

fn check_url(url: &str) -> Result<(), Invalid> {
    let scheme = url.starts_with("http://") || url.starts_with("https://");
    let plain = url.bytes().all(|b| b.is_ascii_graphic());
    if scheme && plain && url.len() <= MAX_URL {
        Ok(())
    } else {
        let limit = format!("http:// or https://, at most {MAX_URL} characters, no blanks");
        Err(Invalid::new("notify_url", url, limit))
    }
}

/// `00-<32 hex>-<16 hex>-<2 hex>`: <https://www.w3.org/TR/trace-context/>.
fn check_traceparent(text: &str) -> Result<(), Invalid> {
    let plain = text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    if plain && lengths.len() >= 4 && lengths[..4] == [2, 32, 16, 2] && text.len() <= 64 {
        Ok(())
    } else {
        let limit = "a W3C trace context, version-trace-parent-flags in hex";
        Err(Invalid::new("traceparent", text, limit))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn transfer() -> Notification {
        Notification {
            source: Source::new("bank1").unwrap(),
            tx_no: "0198f3c2-7a41-7c10-9b1e-5d3f0a6c2e11".parse().unwrap(),
            topic: Topic::new("topic_txmsg").unwrap(),
            event_type: EventType::new("transfer").unwrap(),
            business_key: BusinessKey::new("transfer 10.00").unwrap(),
            content_type: ContentType::new("application/json").unwrap(),
            endpoint: None,
            notify_url: None,
            traceparent: None,
            body: Bytes::from_static(b"{}"),
        }
    }

    #[test]
    fn the_body_has_a_smallest_and_a_largest_size() {
        let with = |size| Notification {
            body: vec![b'x'; size].into(),
            ..transfer()
        };
        assert!(with(1).check().is_ok());
        assert!(with(MAX_BODY).check().is_ok());
        for size in [0, MAX_BODY + 1] {
            let error = with(size).check().unwrap_err();
            assert_eq!(error.limit, "1 to 262144 bytes");
        }
    }

    #[test]
    fn the_hash_tells_apart_what_a_plain_join_would_not() {
        let one = Notification {
            event_type: EventType::new("ab").unwrap(),
            business_key: BusinessKey::new("c").unwrap(),
            ..transfer()
        };
        let other = Notification {
            event_type: EventType::new("a").unwrap(),
            business_key: BusinessKey::new("bc").unwrap(),
            ..transfer()
        };
        assert_ne!(one.request_hash(), other.request_hash());
        assert_eq!(one.request_hash(), one.clone().request_hash());
        assert_eq!(one.request_hash().len(), 64);
    }

    #[test]
    fn another_endpoint_is_another_request() {
        let to = |id: &str| Notification {
            endpoint: Some(EndpointId::new(id).unwrap()),
            ..transfer()
        };
        assert_ne!(to("m1").request_hash(), to("m2").request_hash());
        assert_ne!(to("m1").request_hash(), transfer().request_hash());
    }

    #[test]
    fn the_hash_ignores_number_source_and_trace() {
        let traced = Notification {
            tx_no: TxNo::from_parts(1, [1; 10]),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
            ..transfer()
        };
        assert!(traced.check().is_ok());
        assert_eq!(traced.request_hash(), transfer().request_hash());
    }

    #[test]
    fn a_url_or_trace_that_could_break_a_header_is_refused() {
        for bad in ["ftp://x", "http://a b", "http://a\r\nx: y", "bank2"] {
            let notification = Notification {
                notify_url: Some(bad.into()),
                ..transfer()
            };
            assert_eq!(notification.check().unwrap_err().field, "notify_url");
        }
        for bad in ["", "00-1-2-3", "x"] {
            let notification = Notification {
                traceparent: Some(bad.into()),
                ..transfer()
            };
            assert_eq!(notification.check().unwrap_err().field, "traceparent");
        }
    }
}
