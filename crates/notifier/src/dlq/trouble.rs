//! What keeps a queue from moving on, and what is to be done about it: no clock, no database.

use database::Kind;

/// Messages of one pull, and of one transaction.
const PAGE: u32 = 32;

/// This often in a row another may have been quicker at the same offset; then nobody is.
const ELSEWHERE: u32 = 3;

/// This often in a row a single message may be too slow for a store that answers, with growing pauses.
const TOO_SLOW: u32 = 5;

/// The failures of a queue since it last moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trouble {
    /// Messages of the next page.
    pub page: u32,
    /// How the last page was refused; `Some(None)`: it was too slow.
    refused: Option<Option<Kind>>,
    /// How often in a row a single message was too slow.
    too_slow: u32,
    /// Where somebody else was quicker, and how often in a row.
    elsewhere: Option<(i64, u32)>,
}

/// How to go on after a page that the record refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The same after a pause.
    Pause,
    /// A smaller page, at once.
    Halve,
    /// It is this one message: what can be kept of it.
    Bare,
}

impl Default for Trouble {
    fn default() -> Self {
        Self {
            page: PAGE,
            refused: None,
            too_slow: 0,
            elsewhere: None,
        }
    }
}

impl Trouble {
    /// The queue has moved.
    pub(super) fn over(&mut self) {
        *self = Self {
            page: self.page.saturating_mul(2).min(PAGE),
            ..Self::default()
        };
    }

    /// A page of `messages` was refused while the store answers. `None`: it took too long; a single
    /// message keeps its body then for a good while, for it may be the store that is slow.
    pub(super) fn refused(&mut self, kind: Option<Kind>, messages: usize) -> Next {
        let again = self.refused.replace(kind) == Some(kind);
        let is_slow = kind.is_none() && messages == 1;
        self.too_slow = if is_slow { self.too_slow + 1 } else { 0 };
        match messages {
            _ if !again || kind == Some(Kind::Retry) => Next::Pause,
            0 => Next::Pause,
            1 if is_slow && self.too_slow < TOO_SLOW => Next::Pause,
            1 => Next::Bare,
            more => {
                self.page = u32::try_from(more / 2).unwrap_or(PAGE).min(PAGE);
                Next::Halve
            }
        }
    }

    /// Somebody else was quicker at `offset`: the times in a row, once that are too many.
    pub(super) fn elsewhere(&mut self, offset: i64) -> Option<u32> {
        let times = match self.elsewhere {
            Some((at, times)) if at == offset => times.saturating_add(1),
            _ => 1,
        };
        self.elsewhere = Some((offset, times));
        (times >= ELSEWHERE).then_some(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_twice_is_halved_down_to_one_that_is_laid_bare() {
        let mut trouble = Trouble::default();
        let other = Some(Kind::Other);
        assert_eq!(trouble.refused(other, 32), Next::Pause);
        for left in [16, 8, 4, 2, 1] {
            let messages = trouble.page as usize;
            assert_eq!(trouble.refused(other, messages), Next::Halve);
            assert_eq!(trouble.page, left);
        }
        assert_eq!(trouble.refused(other, 1), Next::Bare);
        trouble.over();
        assert_eq!(trouble.page, 2);
        assert_eq!(trouble.refused(other, 1), Next::Pause);
    }

    #[test]
    fn a_busy_store_costs_no_body_and_a_slow_one_costs_it_late() {
        let mut trouble = Trouble::default();
        for _ in 0..20 {
            assert_eq!(trouble.refused(Some(Kind::Retry), 1), Next::Pause);
        }
        for _ in 1..TOO_SLOW {
            assert_eq!(trouble.refused(None, 1), Next::Pause);
        }
        // In a row only.
        assert_eq!(trouble.refused(Some(Kind::Retry), 1), Next::Pause);
        for _ in 1..TOO_SLOW {
            assert_eq!(trouble.refused(None, 1), Next::Pause);
        }
        assert_eq!(trouble.refused(None, 1), Next::Bare);
        trouble.over();
        assert_eq!(trouble.refused(None, 1), Next::Pause);
        assert_eq!(trouble.refused(None, 8), Next::Halve);
    }

    #[test]
    fn others_that_are_quicker_at_one_offset_for_ever_are_told() {
        let mut trouble = Trouble::default();
        assert_eq!(trouble.elsewhere(4), None);
        assert_eq!(trouble.elsewhere(4), None);
        assert_eq!(trouble.elsewhere(5), None);
        assert_eq!(trouble.elsewhere(5), None);
        assert_eq!(trouble.elsewhere(5), Some(3));
    }
}
