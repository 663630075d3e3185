//! Message ids in the shape of RocketMQ 5 clients: 34 upper-case hex digits, of which the first
//! two are the version `01`.
//!
//! RocketMQ's clients fill the rest with the MAC address, the process id, seconds since 2021 and a
//! counter. A MAC address says too much and a container's process id is always 1, so the eight
//! bytes that name the sender are random here. Servers treat the id as an opaque string.

use std::sync::atomic::{AtomicU32, Ordering};

/// Seconds from 1970 to 2021-01-01T00:00:00Z, from which ids count.
const EPOCH_S: u64 = 1_609_459_200;

/// Makes ids that no other source makes: each source is given its own random bytes.
#[derive(Debug)]
pub struct MessageIds {
    sender: [u8; 8],
    counter: AtomicU32,
}

impl MessageIds {
    /// A source named by random bytes.
    #[must_use]
    pub fn new(sender: [u8; 8]) -> Self {
        Self {
            sender,
            counter: AtomicU32::new(0),
        }
    }

    /// A fresh id, at a time given in seconds since 1970. Two ids differ unless 2³² were made
    /// within one second.
    #[must_use]
    pub fn next(&self, unix_s: u64) -> String {
        use std::fmt::Write as _;
        // The field holds 32 bits and wraps in 2157, as it does in RocketMQ's own clients.
        let seconds = (unix_s.saturating_sub(EPOCH_S) & u64::from(u32::MAX)) as u32;
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        let mut id = String::with_capacity(34);
        id.push_str("01");
        let bytes = self.sender.into_iter();
        for byte in bytes
            .chain(seconds.to_be_bytes())
            .chain(count.to_be_bytes())
        {
            // Writing to a String cannot fail.
            let _ = write!(id, "{byte:02X}");
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_version_sender_seconds_and_counter() {
        let ids = MessageIds::new([0xAB; 8]);
        assert_eq!(
            ids.next(EPOCH_S + 258),
            "01ABABABABABABABAB0000010200000000"
        );
        assert_eq!(
            ids.next(EPOCH_S + 258),
            "01ABABABABABABABAB0000010200000001"
        );
    }

    #[test]
    fn a_clock_before_2021_still_gives_an_id() {
        assert_eq!(MessageIds::new([0; 8]).next(5).len(), 34);
    }
}
