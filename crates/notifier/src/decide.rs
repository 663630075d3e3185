//! What a received copy calls for: a pure function from the record's row to a decision.
//!
//! The lines of [`decide`] are those of the table "a copy is received" in ARCHITECTURE.md, in its
//! order: the first that fits. Two rules stand behind them. What is on record as delivered is not
//! rung again, whatever the broker repeats; and a copy that is not in a final state is never
//! acknowledged, because it may be the only one.

use std::time::Duration;

use notification::{DeadReason, NotificationState};

use crate::copy::{Copy, Reading};
use crate::lateness::LONGEST_HEAD_START;
use crate::parking;

/// Where a notification stands, as the record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The state of the row.
    pub state: NotificationState,
    /// The newest generation.
    pub generation: u32,
    /// Attempts on record in that generation.
    pub attempts: u32,
    /// Parks on record in that generation.
    pub parks: u32,
    /// How long those parks have put it away in all.
    pub parked_ms: u64,
    /// When the next attempt is due, if it waits for one.
    pub next_due_ms: Option<i64>,
    /// When the first copy left its trace.
    pub first_seen_ms: i64,
    /// Whether a copy of that generation has left its own.
    pub seen: bool,
}

/// Whether this process already carries a copy of the same notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// This is the only copy here.
    Alone,
    /// Another copy is between its reading and its record.
    Twin,
}

/// Settings that a decision needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// See [`crate::Settings::crashes_workers_after`].
    pub crashes_workers_after: u32,
    /// See [`crate::Settings::longest_deferral`]. A longer rest is deferred again when it is over.
    pub longest_deferral: Duration,
}

/// What to do with a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// A resend for another group: acknowledge, write nothing.
    NotOurs,
    /// Its notification is in a final state: acknowledge.
    Finished,
    /// Its generation is dead: make sure that the dead-letter topic holds it, then acknowledge.
    SeeToLetter,
    /// The record is older than the copy: someone restored a backup.
    RecordBehind,
    /// Let it come back after one lease: its twin will have decided by then.
    AfterTwin,
    /// Let it come back in time for when it is due.
    NotDue { due_ms: i64 },
    /// The subscription's filter leaves it out: write that down, acknowledge.
    Skip,
    /// Its endpoint is paused: let it come back after this long, as it is.
    Hold(Duration),
    /// Put it away without an attempt, until an operator has mended something.
    Park(ParkReason),
    /// It dies without an attempt.
    Die(DeadReason),
    /// Ring, as attempt number `number`, not before `not_before_ms`.
    Ring {
        /// 1 for the first attempt of a generation.
        number: u32,
        /// So near that it waits here.
        not_before_ms: i64,
    },
}

/// Why a copy is put away without an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParkReason {
    /// Its format is newer than this notifier.
    NewerFormat,
    /// Its endpoint's lane is full.
    NoSlot,
    /// There is no endpoint of that id.
    UnknownEndpoint,
    /// Its endpoint is disabled.
    Disabled,
    /// Its endpoint's URL is none that may be rung.
    AddressRefused,
    /// Its endpoint does not answer and is left alone.
    BreakerOpen,
    /// Its endpoint asked to be left alone for a while.
    AskedToWait,
    /// Its subscription leaves the endpoint to the message, and it names none.
    NoEndpoint,
    /// Its own URL lies outside of what the endpoint allows.
    UrlOutside,
}

impl ParkReason {
    /// Every reason, in the order of declaration.
    pub(crate) const ALL: [Self; 9] = [
        Self::NewerFormat,
        Self::NoSlot,
        Self::UnknownEndpoint,
        Self::Disabled,
        Self::AddressRefused,
        Self::BreakerOpen,
        Self::AskedToWait,
        Self::NoEndpoint,
        Self::UrlOutside,
    ];

    /// The word in metrics.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::NewerFormat => "newer_format",
            Self::NoSlot => "no_slot",
            Self::UnknownEndpoint => "unknown_endpoint",
            Self::Disabled => "disabled",
            Self::AddressRefused => "address_refused",
            Self::BreakerOpen => "breaker_open",
            Self::AskedToWait => "asked_to_wait",
            Self::NoEndpoint => "no_endpoint",
            Self::UrlOutside => "url_outside",
        }
    }

    /// The word in the record's `last_error` and in logs.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NewerFormat => "parked: newer format",
            Self::NoSlot => "parked: no slot",
            Self::UnknownEndpoint => "parked: unknown endpoint",
            Self::Disabled => "parked: endpoint disabled",
            Self::AddressRefused => "parked: address refused",
            Self::BreakerOpen => "parked: breaker open",
            Self::AskedToWait => "parked: the receiver asked for a pause",
            Self::NoEndpoint => "parked: no endpoint named",
            Self::UrlOutside => "parked: notify-url outside",
        }
    }
}

/// The broker's grain is too coarse for what is due within this long.
pub(crate) const SOON: Duration = Duration::from_secs(1);

/// What is due within this long has come early as it was asked to, be it by another process, and waits here.
const EARLY: Duration = SOON.saturating_add(LONGEST_HEAD_START);

/// Decides about one copy, given the record's row and the time.
pub(crate) fn decide(
    copy: &Copy,
    row: Option<&Standing>,
    presence: Presence,
    rules: Rules,
    now_ms: i64,
) -> Decision {
    if copy
        .for_group
        .as_ref()
        .is_some_and(|group| *group != copy.key.group)
    {
        return Decision::NotOurs;
    }
    if let Some(row) = row {
        use NotificationState::{Cancelled, Dead, Delivered, Skipped};
        match row.state {
            Delivered | Skipped | Cancelled => return Decision::Finished,
            // Before the letter is looked after: its twin may be forwarding it at this moment.
            _ if presence == Presence::Twin => return Decision::AfterTwin,
            _ if copy.generation < row.generation => return Decision::SeeToLetter,
            Dead if copy.generation == row.generation => return Decision::SeeToLetter,
            _ if copy.generation > row.generation => return Decision::RecordBehind,
            _ => {}
        }
    }
    if presence == Presence::Twin {
        return Decision::AfterTwin;
    }
    let due_ms = row.and_then(|row| row.next_due_ms).unwrap_or(now_ms);
    if remainder(due_ms, now_ms) > EARLY {
        return Decision::NotDue { due_ms };
    }
    let (attempts, parks) = row.map_or((0, 0), |row| (row.attempts, row.parks));
    match copy.reading {
        Reading::Malformed => Decision::Die(DeadReason::Malformed),
        Reading::NewerFormat => park(ParkReason::NewerFormat, row),
        // What has a row was wanted once, and a resend is wanted now.
        Reading::Unwanted if row.is_none() && copy.generation == 0 => Decision::Skip,
        Reading::Known | Reading::Unwanted if crashes_workers(copy, attempts, parks, rules) => {
            Decision::Die(DeadReason::CrashesWorkers)
        }
        Reading::Known | Reading::Unwanted => Decision::Ring {
            number: attempts + 1,
            not_before_ms: due_ms,
        },
    }
}

/// Parks, unless its parks have used up their time.
pub(crate) fn park(reason: ParkReason, row: Option<&Standing>) -> Decision {
    if may_be_parked(row) {
        Decision::Park(reason)
    } else {
        Decision::Die(DeadReason::ParkedTooLong)
    }
}

/// Whether its parks have not used up their time.
pub(crate) fn may_be_parked(row: Option<&Standing>) -> bool {
    let parked_ms = row.map_or(0, |row| row.parked_ms);
    parking::may_go_on(Duration::from_millis(parked_ms))
}

/// How long until `due_ms`.
pub(crate) fn remainder(due_ms: i64, now_ms: i64) -> Duration {
    let ms = u64::try_from(due_ms - now_ms).unwrap_or(0);
    Duration::from_millis(ms)
}

/// No rung is counted by the broker's own counter, but a worker that never comes to write anything down shows there.
fn crashes_workers(copy: &Copy, attempts: u32, parks: u32, rules: Rules) -> bool {
    let accounted_for = attempts.saturating_add(parks);
    let unexplained = copy.delivery_attempt.saturating_sub(accounted_for);
    rules.crashes_workers_after > 0 && unexplained >= rules.crashes_workers_after
}

#[cfg(test)]
mod tests;
