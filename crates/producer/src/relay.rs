//! Sends anew what is committed and was not accepted in time, and what was accepted and then lost.
//!
//! Check-backs that nobody hears are lost and counted: an initiator that is away for eight minutes
//! loses its half messages. "Committed implies visible" therefore rests here. The relay selects by
//! state, never by a cursor over ids, and each row is claimed by a conditional update, so several
//! processes may run it. It rests while the outcome feed is unread: a notifier that is away is no
//! reason to resend a backlog.

use std::sync::Mutex;
use std::time::Duration;

use database::DatabaseError;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::anew::{self, Sending};
use crate::due::{self, Claim, Claimed};
use crate::initiator::{Initiator, Shared};
use crate::lost;

/// How often due rows are looked for.
const PASS_EVERY: Duration = Duration::from_secs(5);
/// The most rows of one pass.
const PASS_LIMIT: i64 = 256;
/// The time between two sends: at most 50 a second.
const SPACING: Duration = Duration::from_millis(20);

/// What a pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// Sent anew: half message and commit at once, under a fresh message id.
    pub sent: usize,
    /// Sent anew because a subscription's queue has lost them.
    pub lost: usize,
    /// Given up for their age, each with the alarm `never_accepted`.
    pub given_up: usize,
    /// Why it ended before the last due row, if it did.
    pub paused: Option<Pause>,
}

/// Why a pass sends nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// The outcome feed was not read to its end within the last minute.
    FeedUnread,
    /// The broker can't be reached, and no rung is used; or it left a half unanswered, and only that
    /// row has used one.
    BrokerAway,
}

/// One pass over the rows that are due at `now_ms`, at most 256 of them.
///
/// # Errors
/// If the database fails; what was claimed before stays claimed and has its next rung.
pub async fn pass(initiator: &Initiator, now_ms: i64) -> Result<Pass, DatabaseError> {
    pass_over(initiator.shared(), now_ms).await
}

/// Makes passes until `stop`.
pub(crate) async fn run(shared: &Shared, stop: CancellationToken) {
    let mut ticks = interval(PASS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        let passed = tokio::select! {
            passed = pass_over(shared, shared.clock.now_ms()) => passed,
            // What is claimed and not yet sent then has its next rung.
            () = stop.cancelled() => return,
        };
        if let Ok(pass) = &passed {
            shared.meters.passed(pass);
        }
        match passed {
            Ok(pass)
                if pass.sent + pass.lost + pass.given_up > 0
                    || pass.paused == Some(Pause::BrokerAway) =>
            {
                tracing::info!(event = "relay_pass", sent = pass.sent, lost = pass.lost, given_up = pass.given_up, paused = ?pass.paused);
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(event = "relay_failed", %error),
        }
    }
}

async fn pass_over(shared: &Shared, now_ms: i64) -> Result<Pass, DatabaseError> {
    let mut pass = Pass::default();
    let database = &shared.database;
    let due = database.in_time(due::select(database, now_ms, PASS_LIMIT));
    for due in due.await? {
        if !may_go_on(shared, &mut pass) {
            return Ok(pass);
        }
        match due::claim(&shared.config, &due, now_ms) {
            Claim::GiveUp => {
                let given_up = database.in_time(due::give_up(database, &due));
                if given_up.await? == Claimed::Mine {
                    pass.given_up += 1;
                    tracing::warn!(
                        event = "never_accepted",
                        tx_no = due.tx_no,
                        sends = due.sends
                    );
                }
            }
            Claim::Send { next_send_ms } => {
                let sent = anew::committed(shared, &due, next_send_ms).await?;
                pass.sent += count(sent, &mut pass.paused);
            }
        }
    }
    let lost = database.in_time(lost::select(database, now_ms, PASS_LIMIT));
    for lost in lost.await? {
        if !may_go_on(shared, &mut pass) {
            return Ok(pass);
        }
        let sent = anew::lost(shared, &lost, now_ms).await?;
        pass.lost += count(sent, &mut pass.paused);
    }
    Ok(pass)
}

fn may_go_on(shared: &Shared, pass: &mut Pass) -> bool {
    if pass.paused.is_none() && !shared.freshness.holds(shared.clock.now_ms()) {
        pass.paused = Some(Pause::FeedUnread);
    }
    pass.paused.is_none()
}

/// How many were sent, and why the pass ends if it does.
fn count(sent: Sending, paused: &mut Option<Pause>) -> usize {
    match sent {
        Sending::Done => 1,
        Sending::Gone | Sending::Refused => 0,
        Sending::BrokerAway | Sending::Unanswered => {
            *paused = Some(Pause::BrokerAway);
            0
        }
    }
}

/// Spaces sends out over time, whichever pass they belong to.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<Option<Instant>>);

impl Pace {
    /// The next instant at which a send may go out, which is then taken.
    pub(crate) fn slot(&self, now: Instant) -> Instant {
        let mut last = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let slot = last.map_or(now, |last| now.max(last + SPACING));
        *last = Some(slot);
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_has_more_than_fifty_slots() {
        let pace = Pace::default();
        let start = Instant::now();
        let slots: Vec<Instant> = (0..200).map(|_| pace.slot(start)).collect();
        for window in slots.windows(51) {
            assert!(window[50] - window[0] >= Duration::from_secs(1));
        }
    }

    #[test]
    fn an_idle_relay_saves_up_no_slots() {
        let pace = Pace::default();
        let start = Instant::now();
        pace.slot(start);
        let later = start + Duration::from_secs(60);
        assert_eq!(pace.slot(later), later);
        assert_eq!(pace.slot(later), later + SPACING);
    }
}
