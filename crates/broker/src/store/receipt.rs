//! A receipt handle is the key of a lease in words, and that decides what becomes of old ones.
//!
//! A lease lies under (reading, due, offset). Changing it moves it to another due time, so the old
//! handle names nothing: acking it changes nothing and is answered OK, as Apache RocketMQ does.
//! Whether a handle has expired is read from the handle itself, also as Apache RocketMQ does.

use std::fmt;
use std::str::FromStr;

use crate::clock::UnixMs;

/// Who holds which message until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Receipt {
    /// The group's reading of the topic.
    pub(crate) reading: u32,
    /// The message's offset in the topic.
    pub(crate) offset: u64,
    /// When the lease ends.
    pub(crate) due_ms: UnixMs,
    /// The number of the delivery that this lease belongs to, from 1.
    pub(crate) attempt: u32,
}

impl Receipt {
    /// From this moment on the message may go to someone else.
    pub(crate) fn expired(&self, now_ms: UnixMs) -> bool {
        self.due_ms <= now_ms
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {}",
            self.reading, self.offset, self.due_ms, self.attempt
        )
    }
}

/// The text is not a receipt handle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Parse failed, not a receipt handle: {0:?}")]
pub(crate) struct NotAReceipt(String);

impl FromStr for Receipt {
    type Err = NotAReceipt;

    fn from_str(text: &str) -> Result<Self, NotAReceipt> {
        let wrong = || NotAReceipt(text.chars().take(64).collect());
        let mut fields = text.split(' ');
        let mut next = || fields.next().ok_or_else(wrong);
        let receipt = Receipt {
            reading: next()?.parse().map_err(|_| wrong())?,
            offset: next()?.parse().map_err(|_| wrong())?,
            due_ms: next()?.parse().map_err(|_| wrong())?,
            attempt: next()?.parse().map_err(|_| wrong())?,
        };
        if fields.next().is_some() {
            return Err(wrong());
        }
        Ok(receipt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_reads_back_as_it_was_written() {
        let receipt = Receipt {
            reading: 3,
            offset: 17,
            due_ms: 1_700_000_000_000,
            attempt: 2,
        };
        assert_eq!(receipt.to_string().parse(), Ok(receipt));
    }

    #[test]
    fn garbage_is_no_handle() {
        for text in ["", "abc", "1 2 3", "1 2 3 4 5", "1 2 3 -4", "1  2 3 4"] {
            assert!(text.parse::<Receipt>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_lease_ends_at_its_due_time() {
        let receipt = Receipt {
            reading: 0,
            offset: 0,
            due_ms: 100,
            attempt: 1,
        };
        assert!(!receipt.expired(99));
        assert!(receipt.expired(100));
    }
}
