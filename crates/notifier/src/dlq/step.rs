//! What a pull means for a queue's position: a pure function.

use rocketmq::{Pulled, StoredMessage, Unreadable};

/// Where reading goes from an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// There is nothing more.
    AtEnd,
    /// Messages, none from before the offset; after them it goes on at `next`.
    Page {
        messages: Vec<StoredMessage>,
        next: i64,
    },
    /// What lies there is none that can be read, here or anywhere: it is passed over.
    Unreadable { at: i64, reason: String },
    /// The broker dropped what lay between the offset and `next` before it was read.
    Lost { next: i64 },
    /// The queue ends before the offset: it was made anew, or its broker lost its end. It is read
    /// again from its beginning; what has its letter gets no other.
    Shorter { first: i64 },
}

/// What a moved position has passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gap {
    None,
    /// Messages that the broker dropped before they were read.
    Lost {
        missed: i64,
    },
    /// None, but the queue is not what it was.
    Shorter,
}

/// What lies between where reading was, where it found something, and where it goes on.
pub(super) fn gap(from: i64, found_at: i64, to: i64) -> Gap {
    match found_at - from {
        _ if to < from => Gap::Shorter,
        missed if missed > 0 => Gap::Lost { missed },
        _ => Gap::None,
    }
}

/// What to do after `pulled` was asked for from `offset` on.
pub(super) fn step(offset: i64, pulled: Pulled) -> Step {
    if pulled.max_offset < offset {
        return Step::Shorter {
            first: pulled.min_offset,
        };
    }
    if pulled.min_offset > offset {
        return Step::Lost {
            next: pulled.min_offset,
        };
    }
    if let Some(Unreadable { offset: at, reason }) = pulled.unreadable
        && at >= offset
    {
        return Step::Unreadable { at, reason };
    }
    let mut messages = pulled.messages;
    messages.retain(|message| message.queue_offset >= offset);
    match messages.last() {
        Some(last) => Step::Page {
            next: last.queue_offset.saturating_add(1),
            messages,
        },
        // The broker itself says to go on behind what it no longer has.
        None if pulled.next_offset > offset && pulled.next_offset <= pulled.max_offset => {
            Step::Lost {
                next: pulled.next_offset,
            }
        }
        None => Step::AtEnd,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulled(offsets: &[i64], next_offset: i64, min_offset: i64, max_offset: i64) -> Pulled {
        let message = |queue_offset: &i64| StoredMessage {
            queue_offset: *queue_offset,
            ..StoredMessage::default()
        };
        Pulled {
            messages: offsets.iter().map(message).collect(),
            unreadable: None,
            next_offset,
            min_offset,
            max_offset,
        }
    }

    fn offsets(step: Step) -> (Vec<i64>, i64) {
        match step {
            Step::Page { messages, next } => {
                (messages.iter().map(|m| m.queue_offset).collect(), next)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_page_is_gone_on_from_behind_its_last_message() {
        let step = step(5, pulled(&[5, 6, 7], 8, 0, 20));
        assert_eq!(offsets(step), (vec![5, 6, 7], 8));
    }

    #[test]
    fn what_lies_before_the_offset_is_not_read_again() {
        let step = step(6, pulled(&[4, 5, 6, 7], 8, 0, 20));
        assert_eq!(offsets(step), (vec![6, 7], 8));
    }

    #[test]
    fn what_nobody_can_read_is_passed_over_and_not_taken_for_lost_messages() {
        let unreadable = |offset| Pulled {
            unreadable: Some(Unreadable {
                offset,
                reason: "why".into(),
            }),
            ..pulled(&[], offset + 1, 0, 20)
        };
        let (at, reason) = (5, "why".to_owned());
        assert_eq!(step(5, unreadable(5)), Step::Unreadable { at, reason });
        assert_eq!(gap(5, 5, 6), Gap::None);
    }

    #[test]
    fn at_the_end_there_is_nothing_to_do() {
        assert_eq!(step(8, pulled(&[], 8, 0, 8)), Step::AtEnd);
        assert_eq!(step(0, pulled(&[], 0, 0, 0)), Step::AtEnd);
        assert_eq!(step(8, pulled(&[], 0, 0, 8)), Step::AtEnd);
    }

    #[test]
    fn a_minimum_beyond_the_offset_is_a_loss_whatever_else_came() {
        assert_eq!(step(5, pulled(&[], 9, 9, 20)), Step::Lost { next: 9 });
        assert_eq!(step(5, pulled(&[9, 10], 11, 9, 20)), Step::Lost { next: 9 });
        assert_eq!(step(5, pulled(&[], 9, 9, 9)), Step::Lost { next: 9 });
    }

    #[test]
    fn a_broker_that_sends_us_on_has_lost_what_lay_between() {
        assert_eq!(step(5, pulled(&[], 12, 0, 20)), Step::Lost { next: 12 });
    }

    #[test]
    fn what_was_missed_is_counted() {
        assert_eq!(gap(5, 5, 8), Gap::None);
        assert_eq!(gap(5, 9, 9), Gap::Lost { missed: 4 });
        assert_eq!(gap(5, 7, 10), Gap::Lost { missed: 2 });
        assert_eq!(gap(9, 9, 1), Gap::Shorter);
    }

    #[test]
    fn a_queue_that_became_shorter_is_read_from_its_beginning() {
        assert_eq!(step(9, pulled(&[], 3, 1, 3)), Step::Shorter { first: 1 });
    }
}
