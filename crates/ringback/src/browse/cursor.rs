//! Where a page ended: the next offset of each queue, as text that is passed back with `--after`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// One queue of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The topic.
    pub topic: String,
    /// The broker.
    pub broker: String,
    /// The queue's number.
    pub queue_id: u32,
}

/// The next offset to read, by queue; a queue that is absent is read from its beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    next: BTreeMap<Place, i64>,
}

impl Cursor {
    /// Where to go on in a queue.
    pub fn next(&self, place: &Place) -> Option<i64> {
        self.next.get(place).copied()
    }

    /// Goes on there next time.
    pub fn set(&mut self, place: Place, next: i64) {
        self.next.insert(place, next);
    }
}

impl fmt::Display for Cursor {
    /// `%DLQ%bank2/broker-a/0/17`, several joined by commas. Names have none of these characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (place, next)) in self.next.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(
                f,
                "{comma}{}/{}/{}/{next}",
                place.topic, place.broker, place.queue_id
            )?;
        }
        Ok(())
    }
}

impl FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut cursor = Self::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (place, next) = place(part).ok_or_else(|| {
                format!("{part:?} is no cursor: pass on what the page before ended with, such as %DLQ%bank2/broker-a/0/17")
            })?;
            cursor.set(place, next);
        }
        Ok(cursor)
    }
}

fn place(text: &str) -> Option<(Place, i64)> {
    let mut parts = text.split('/');
    let (topic, broker) = (parts.next()?, parts.next()?);
    let (queue_id, next) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let whole = parts.next().is_none() && !topic.is_empty() && !broker.is_empty() && next >= 0;
    whole.then(|| {
        let place = Place {
            topic: topic.to_owned(),
            broker: broker.to_owned(),
            queue_id,
        };
        (place, next)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_went_out() {
        let text = "%DLQ%a/broker-a/0/17,%DLQ%a/broker-b/3/0";
        let cursor: Cursor = text.parse().unwrap();
        assert_eq!(cursor.to_string(), text);
        let place = Place {
            topic: "%DLQ%a".into(),
            broker: "broker-b".into(),
            queue_id: 3,
        };
        assert_eq!(cursor.next(&place), Some(0));
    }

    #[test]
    fn what_is_no_cursor_is_refused_and_repeated() {
        for bad in ["x", "a/b/c/d", "a/b/0/-1", "a/b/0/1/2", "/b/0/1"] {
            let error = bad.parse::<Cursor>().unwrap_err();
            assert!(error.contains(bad), "{error}");
        }
    }
}
