//! What is written down about one copy: the result of an attempt, a park, or a death without one.

use std::sync::Arc;

use bytes::Bytes;
use notification::{AttemptError, DeadReason, EndpointId, TxNo, Verdict};

use crate::copy::{Copy, cut};
use crate::decide::{ParkReason, Standing};

/// The most characters that the column `last_error` takes.
const LAST_ERROR: usize = 200;

/// One result on its way to the record.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub copy: Arc<Copy>,
    pub endpoint: EndpointId,
    /// Attempts on record when the copy was decided about: what an update expects to find.
    pub attempts_before: u32,
    /// Whether there is a row to update.
    pub row: Row,
    pub event: Event,
}

/// What the last read showed of an entry's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    /// There was none: this entry inserts it.
    Absent,
    Present,
}

impl From<Option<&Standing>> for Row {
    fn from(standing: Option<&Standing>) -> Self {
        match standing {
            Some(_) => Self::Present,
            None => Self::Absent,
        }
    }
}

/// What happened.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// An HTTP request was made.
    Attempted { attempt: Attempt, then: Then },
    /// Put away without one.
    Parked {
        reason: ParkReason,
        next_due_ms: i64,
        /// How long it is put away for.
        step_ms: i64,
    },
    /// Its endpoint is paused: put on record as it is, if its generation has left no trace there yet.
    Held { due_ms: i64 },
    /// The subscription's filter leaves it out.
    Skipped,
    /// Died without one.
    Died(DeadReason),
}

/// What an attempt leads to: the N-rules of ARCHITECTURE.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// N3.
    Delivered,
    /// N2.
    Again { next_due_ms: i64 },
    /// N4.
    Dead(DeadReason),
}

/// A row of `attempt`.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    /// Makes the row's id unique, also when the transaction is redone.
    pub id: TxNo,
    /// As it was fixed when the record was read.
    pub number: u32,
    pub url: Arc<str>,
    pub started_ms: i64,
    pub took_ms: i32,
    pub verdict: Verdict,
    pub status: Option<u16>,
    pub error: Option<AttemptError>,
    /// The failure in words, for `last_error`.
    pub detail: Option<String>,
    /// The beginning of the answer's body.
    pub excerpt: Bytes,
}

/// What became of an entry's conditional update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moved {
    /// The row was as expected and has moved.
    Yes,
    /// Somebody else moved it first; the attempt itself is on record all the same.
    No,
}

impl Entry {
    /// Attempts on record afterwards.
    pub(super) fn attempts_after(&self) -> u32 {
        match &self.event {
            Event::Attempted { attempt, .. } => attempt.number,
            Event::Parked { .. } | Event::Held { .. } | Event::Skipped | Event::Died(_) => {
                self.attempts_before
            }
        }
    }

    /// Why it died, if this entry says so.
    pub(super) fn death(&self) -> Option<DeadReason> {
        match &self.event {
            Event::Died(reason)
            | Event::Attempted {
                then: Then::Dead(reason),
                ..
            } => Some(*reason),
            _ => None,
        }
    }

    /// Whether this entry says that the receiver has it.
    pub(super) fn delivered(&self) -> bool {
        matches!(
            &self.event,
            Event::Attempted {
                then: Then::Delivered,
                ..
            }
        )
    }

    /// When it is due again.
    pub(super) fn next_due_ms(&self) -> Option<i64> {
        match &self.event {
            Event::Parked { next_due_ms, .. }
            | Event::Attempted {
                then: Then::Again { next_due_ms },
                ..
            } => Some(*next_due_ms),
            Event::Held { due_ms } => Some(*due_ms),
            _ => None,
        }
    }

    /// How long it is put away for without an attempt.
    pub(super) fn step_ms(&self) -> i64 {
        match &self.event {
            Event::Parked { step_ms, .. } => *step_ms,
            _ => 0,
        }
    }

    /// The attempt, if one was made.
    pub(super) fn attempt(&self) -> Option<&Attempt> {
        match &self.event {
            Event::Attempted { attempt, .. } => Some(attempt),
            _ => None,
        }
    }

    /// The last answer's status.
    pub(super) fn last_status(&self) -> Option<u16> {
        self.attempt().and_then(|attempt| attempt.status)
    }

    /// The last failure in words, short enough for its column.
    pub(super) fn last_error(&self) -> Option<String> {
        match &self.event {
            Event::Attempted { attempt, .. } => {
                let detail = attempt.detail.as_deref();
                detail.map(|detail| cut(detail, LAST_ERROR))
            }
            Event::Parked { reason, .. } => Some(reason.as_str().to_owned()),
            Event::Held { .. } => Some("held: endpoint paused".to_owned()),
            Event::Skipped => None,
            Event::Died(reason) => Some(reason.as_str().to_owned()),
        }
    }
}
