//! `group/source/tx_no/generation`: a letter's whole id, and the cursor of the list.

use std::fmt;
use std::str::FromStr;

use notification::api::notifier::Letter;
use service::problem::Problem;

use super::failure::Failure;
use crate::copy::Key;

/// A letter's primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LetterId {
    pub key: Key,
    pub generation: u32,
}

/// The text has not the form of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotAnId;

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.key, self.generation)
    }
}

impl FromStr for LetterId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let parts: Vec<&str> = text.split('/').collect();
        let [group, source, tx_no, generation] = parts[..] else {
            return Err(NotAnId);
        };
        Ok(Self {
            key: Key {
                group: group.parse().map_err(|_| NotAnId)?,
                tx_no: tx_no.parse().map_err(|_| NotAnId)?,
                source: source.parse().map_err(|_| NotAnId)?,
            },
            generation: generation.parse().map_err(|_| NotAnId)?,
        })
    }
}

/// Where the next page begins: behind this letter.
pub(super) fn cursor(letter: &Letter) -> String {
    format!("{}/{}", letter.died_ms, letter.id)
}

/// A cursor's time and id.
pub(super) fn read_cursor(text: &str) -> Result<(i64, LetterId), Failure> {
    let parts = text.split_once('/');
    let read = parts.and_then(|(ms, id)| Some((ms.parse().ok()?, id.parse().ok()?)));
    read.ok_or_else(|| {
        let detail = "this is no cursor of this list";
        Problem::invalid("after", detail, "`next` of the page before").into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_an_ending_is_none() {
        let text = "bank2/bank1/0198f3c2-7a41-7c10-9b1e-5d3f0a6c2e11/1";
        let id: LetterId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        for ending in ["9f52", "a/b/c", "bank2/bank1/9f52/1", ""] {
            assert_eq!(ending.parse::<LetterId>(), Err(NotAnId), "{ending}");
        }
    }

    #[test]
    fn a_cursor_is_a_time_before_an_id() {
        let text = "17/bank2/bank1/0198f3c2-7a41-7c10-9b1e-5d3f0a6c2e11/1";
        assert_eq!(read_cursor(text).unwrap().0, 17);
        assert!(read_cursor("17").is_err());
    }
}
