//! `group/source/tx_no/generation`: a letter's whole id, and with the time it died its place in a list.

use std::fmt;
use std::str::FromStr;

use sqlx::any::AnyRow;

use crate::copy::Key;
use crate::record::columns::{self, number};

/// A letter's primary key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LetterId {
    pub key: Key,
    pub generation: u32,
}

/// The text has not the form of an id, or of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it has not the form of an id")]
pub(crate) struct NotAnId;

impl LetterId {
    /// From the columns of any table that has them.
    pub(crate) fn read(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            key: columns::key(row)?,
            generation: number(row, "generation")?,
        })
    }
}

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

/// A place in the list of letters: behind this one. Places are in the order of the list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub died_ms: i64,
    pub id: LetterId,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.died_ms, self.id)
    }
}

impl FromStr for Place {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let (died_ms, id) = text.split_once('/').ok_or(NotAnId)?;
        Ok(Self {
            died_ms: died_ms.parse().map_err(|_| NotAnId)?,
            id: id.parse()?,
        })
    }
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
    fn a_place_is_a_time_before_an_id() {
        let text = "17/bank2/bank1/0198f3c2-7a41-7c10-9b1e-5d3f0a6c2e11/1";
        let place: Place = text.parse().unwrap();
        assert_eq!((place.died_ms, place.to_string().as_str()), (17, text));
        assert_eq!("17".parse::<Place>(), Err(NotAnId));
    }
}
