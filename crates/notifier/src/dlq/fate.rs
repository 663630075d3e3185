//! What a message of the dead-letter topic calls for: a pure function of what is on record.
//!
//! The first line of [`fate`] that fits. It follows the table "a copy is received": what is final
//! stays, what was superseded is nobody's concern, and a record that is behind learns from the copy.

use notification::NotificationState;

use crate::copy::{Copy, Reading};
use crate::decide::Standing;

/// What to do about one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It needs no letter.
    Nothing,
    /// It has its letter: the notifier forwarded it, or it was read before.
    HasLetter,
    /// N4, with N1 if it is the first trace.
    Bury,
    /// Its row is dead and has no letter.
    WriteLetter,
    /// The record knows only an older generation, because a backup was restored: it is brought to
    /// this one first.
    CatchUp,
}

/// Decides, given the record's row and whether this very generation has a letter.
pub(crate) fn fate(copy: &Copy, row: Option<&Standing>, has_letter: bool) -> Fate {
    use NotificationState::{Cancelled, Dead, Delivered, Skipped, Waiting};
    if copy
        .for_group
        .as_ref()
        .is_some_and(|group| *group != copy.key.group)
    {
        return Fate::Nothing;
    }
    if has_letter {
        return Fate::HasLetter;
    }
    let Some(row) = row else {
        return Fate::Bury;
    };
    match row.state {
        // A message that can't be read says nothing about the row.
        _ if copy.reading == Reading::Malformed => Fate::WriteLetter,
        Delivered | Skipped | Cancelled => Fate::Nothing,
        _ if copy.generation < row.generation => Fate::Nothing,
        _ if copy.generation > row.generation => Fate::CatchUp,
        Dead => Fate::WriteLetter,
        Waiting => Fate::Bury,
    }
}

#[cfg(test)]
mod tests {
    use notification::Group;

    use super::*;
    use crate::copy::tests::copy;

    fn row(state: NotificationState, generation: u32) -> Standing {
        Standing {
            state,
            generation,
            attempts: 2,
            parks: 0,
            parked_ms: 0,
            next_due_ms: None,
            first_seen_ms: 0,
            seen: true,
        }
    }

    fn of(generation: u32) -> Copy {
        Copy {
            generation,
            ..copy()
        }
    }

    #[test]
    fn every_line_of_the_table() {
        use NotificationState::{Cancelled, Dead, Delivered, Skipped, Waiting};
        for (generation, standing, fitting) in [
            (0, None, Fate::Bury),
            (2, None, Fate::Bury),
            (1, Some(row(Waiting, 1)), Fate::Bury),
            (1, Some(row(Dead, 1)), Fate::WriteLetter),
            (1, Some(row(Delivered, 1)), Fate::Nothing),
            (1, Some(row(Skipped, 1)), Fate::Nothing),
            (1, Some(row(Cancelled, 1)), Fate::Nothing),
            (0, Some(row(Waiting, 1)), Fate::Nothing),
            (0, Some(row(Dead, 1)), Fate::Nothing),
            (0, Some(row(Delivered, 1)), Fate::Nothing),
            (2, Some(row(Waiting, 1)), Fate::CatchUp),
            (2, Some(row(Dead, 1)), Fate::CatchUp),
            (2, Some(row(Delivered, 1)), Fate::Nothing),
        ] {
            let decided = fate(&of(generation), standing.as_ref(), false);
            assert_eq!(decided, fitting, "{generation} {standing:?}");
            // With its letter written there is nothing left to do, whatever the row says.
            let decided = fate(&of(generation), standing.as_ref(), true);
            assert_eq!(decided, Fate::HasLetter, "{generation} {standing:?}");
        }
    }

    #[test]
    fn a_resend_for_another_group_is_not_ours() {
        let other = Copy {
            for_group: Some(Group::new("other").unwrap()),
            ..of(1)
        };
        assert_eq!(fate(&other, None, false), Fate::Nothing);
        let ours = Copy {
            for_group: Some(copy().key.group),
            ..of(1)
        };
        assert_eq!(fate(&ours, None, false), Fate::Bury);
    }

    #[test]
    fn a_malformed_message_moves_no_row() {
        let malformed = Copy {
            reading: Reading::Malformed,
            ..of(0)
        };
        assert_eq!(fate(&malformed, None, false), Fate::Bury);
        for state in NotificationState::ALL {
            let decided = fate(&malformed, Some(&row(*state, 1)), false);
            assert_eq!(decided, Fate::WriteLetter);
        }
    }
}
