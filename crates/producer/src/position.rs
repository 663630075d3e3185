//! How far the outcome feed was read, and what a page does to that: pure decisions.
//!
//! Outcome ids are UUIDv7 and sort by time. The notifier ends its pages ten seconds in the past, so
//! that a slow writer's outcome is not passed over; the reader goes back by as much now and then, for
//! the writer that was slower still. All updates are idempotent, so reading twice does no harm.

use notification::TxNo;

/// How far back an overlapping reading starts, in milliseconds.
pub(crate) const OVERLAP_MS: u64 = 10_000;

/// Where the reading of a feed stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// The feed's epoch: another one means that the notifier's record was made anew.
    pub(crate) epoch: String,
    /// The last outcome that was applied; empty before the first.
    pub(crate) last_id: String,
}

/// What a page means for the position it was asked from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Another epoch: this page is void, read again from the beginning.
    Restart(Position),
    /// Apply the page and stand here.
    Advance(Position),
}

/// Decides what a page of `epoch` that ends at `next` does.
pub(crate) fn turn(position: &Position, epoch: &str, next: &str) -> Turn {
    if position.epoch != epoch {
        return Turn::Restart(Position {
            epoch: epoch.to_owned(),
            last_id: String::new(),
        });
    }
    // An overlapping reading lies behind the position and doesn't move it back.
    let last_id = position.last_id.as_str().max(next).to_owned();
    Turn::Advance(Position {
        epoch: epoch.to_owned(),
        last_id,
    })
}

/// The id from which to read again what may have been written late before `last_id`.
pub(crate) fn overlapped(last_id: &str) -> String {
    match last_id.parse::<TxNo>() {
        // Any UUIDv7 will do: the type's name is the business's, its form is the feed's too.
        Ok(id) => TxNo::from_parts(id.unix_ms().saturating_sub(OVERLAP_MS), [0; 10]).to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(epoch: &str, last_id: &str) -> Position {
        Position {
            epoch: epoch.to_owned(),
            last_id: last_id.to_owned(),
        }
    }

    #[test]
    fn a_page_moves_the_position_forward() {
        assert_eq!(
            turn(&at("e1", "a"), "e1", "b"),
            Turn::Advance(at("e1", "b"))
        );
    }

    #[test]
    fn an_overlapping_or_empty_page_never_moves_it_back() {
        assert_eq!(
            turn(&at("e1", "b"), "e1", "a"),
            Turn::Advance(at("e1", "b"))
        );
        assert_eq!(turn(&at("e1", "b"), "e1", ""), Turn::Advance(at("e1", "b")));
    }

    #[test]
    fn another_epoch_starts_from_the_beginning() {
        assert_eq!(turn(&at("e1", "b"), "e2", "c"), Turn::Restart(at("e2", "")));
        assert_eq!(turn(&at("", ""), "e1", "c"), Turn::Restart(at("e1", "")));
    }

    #[test]
    fn the_overlap_lies_ten_seconds_before_any_id_of_its_instant() {
        let last = TxNo::from_parts(1_700_000_010_000, [0xff; 10]).to_string();
        let from = overlapped(&last);
        assert!(from < TxNo::from_parts(1_700_000_000_000, [1; 10]).to_string());
        assert!(from > TxNo::from_parts(1_699_999_999_999, [0xff; 10]).to_string());
        assert_eq!(overlapped(""), "");
    }
}
