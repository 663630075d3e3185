//! One flush: everything that up to 256 results change, in one transaction, by the rules N1 to N5.
//!
//! The first sight of a notification is inserted in the state that its first result gives it
//! (N1 and the rule after it in one statement): if another process was quicker the INSERT is a
//! duplicate, everything is rolled back, the rows are read again and the flush is redone. What has
//! a row already moves by a conditional update ([`super::together`], [`super::moves`]), so that a late failure never
//! overwrites a delivery. The attempt's row is written either way.

use database::DatabaseError;
use notification::{NotificationState, OutcomeKind};
use sqlx::AnyConnection;

use super::entry::{Entry, Event, Moved, Row};
use super::{ids, letters, rows, together};
use crate::seal::Sealer;

/// What all rows of a flush have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp<'a> {
    /// Signs the attempts.
    pub worker: &'a str,
    /// Says how content is kept.
    pub sealer: &'a Sealer,
    /// What the outcomes' ids carry; no clock sets it back.
    pub ids_ms: i64,
    pub now_ms: i64,
}

/// Writes a batch, in which each notification occurs once. The caller commits.
pub(super) async fn write(
    db: &mut AnyConnection,
    batch: &[&Entry],
    stamp: Stamp<'_>,
) -> Result<Vec<Moved>, DatabaseError> {
    let now_ms = stamp.now_ms;
    let (new, known): (Vec<&Entry>, Vec<&Entry>) =
        batch.iter().partition(|entry| entry.row == Row::Absent);
    rows::insert_notifications(db, &new, now_ms).await?;
    let mut known_moved = together::apply(db, &known, now_ms).await?.into_iter();
    let moved: Vec<Moved> = batch
        .iter()
        .map(|entry| match entry.row {
            Row::Absent => Moved::Yes,
            Row::Present => known_moved.next().unwrap_or(Moved::No),
        })
        .collect();
    for (entry, moved) in batch.iter().zip(&moved) {
        if *moved == Moved::Yes
            && let Some(reason) = entry.death()
        {
            letters::insert(db, entry, reason, stamp.sealer, now_ms).await?;
        }
    }
    let delivered: Vec<&Entry> = known.iter().copied().filter(|e| e.delivered()).collect();
    letters::close(db, &delivered, now_ms).await?;
    let resent: Vec<&Entry> = batch
        .iter()
        .copied()
        .filter(|e| e.copy.generation > 0)
        .collect();
    letters::forget_send_requests(db, &resent).await?;
    rows::insert_attempts(db, batch, stamp).await?;
    let outcomes = outcomes(batch, &moved, stamp.ids_ms);
    rows::insert_outcomes(db, &outcomes, now_ms).await?;
    Ok(moved)
}

/// The feed's lines for a batch: `accepted` where a row came into being, and what moved it.
fn outcomes<'a>(batch: &[&'a Entry], moved: &[Moved], ids_ms: i64) -> Vec<rows::Outcome<'a>> {
    let mut outcomes = Vec::with_capacity(batch.len() * 2);
    let mut ids = ids::Series::at(ids_ms);
    for (entry, moved) in batch.iter().copied().zip(moved) {
        outcomes.extend(outcomes_of(entry, *moved).map(|kind| rows::Outcome {
            id: ids.next(),
            entry,
            kind,
        }));
    }
    outcomes
}

/// What the feed says of one entry, in its order.
pub(super) fn outcomes_of(entry: &Entry, moved: Moved) -> impl Iterator<Item = OutcomeKind> {
    let first = (entry.row == Row::Absent).then_some(match entry.event {
        Event::Skipped => OutcomeKind::Skipped,
        _ => OutcomeKind::Accepted,
    });
    let then = match state_after(entry) {
        NotificationState::Delivered => Some(OutcomeKind::Delivered),
        NotificationState::Dead => Some(OutcomeKind::Dead),
        _ => None,
    };
    first
        .into_iter()
        .chain(then.filter(|_| moved == Moved::Yes))
}

/// The state that a result gives its row.
pub(super) fn state_after(entry: &Entry) -> NotificationState {
    match &entry.event {
        _ if entry.delivered() => NotificationState::Delivered,
        _ if entry.death().is_some() => NotificationState::Dead,
        Event::Skipped => NotificationState::Skipped,
        Event::Attempted { .. } | Event::Parked { .. } | Event::Held { .. } | Event::Died(_) => {
            NotificationState::Waiting
        }
    }
}
