//! What is done with a copy without ringing: acknowledged, rested, parked, buried.

use std::time::{Duration, Instant};

use notification::DeadReason;

use super::shelf::Away;
use super::{Carrier, Parcel, millis};
use crate::alarm;
use crate::copy::Key;
use crate::decide::{self, Decision, ParkReason};
use crate::lane::{Busy, Lane};
use crate::lateness::Asked;
use crate::parking;
use crate::record::entry::{Event, Moved};
use crate::record::letters::Burial;
use crate::settle;

/// How soon a copy comes back whose record somebody else moved meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Carrier {
    /// Its notification needs nothing more.
    pub(super) async fn acknowledge(&self, parcel: Parcel) {
        drop(parcel.hold);
        settle::acknowledge(parcel.delivery, &parcel.copy.key, &self.meters).await;
    }

    /// Back after a while; the record stays as it is.
    pub(super) async fn rest(&self, parcel: Parcel, delay: Duration) {
        drop(parcel.hold);
        let delay = delay.min(self.rules.longest_deferral);
        settle::rest(parcel.delivery, &parcel.copy.key, delay, &self.meters).await;
    }

    /// An attempt was refused: its copy is kept if the next one is so near that the broker would give it back
    /// too late, else it goes back to the broker until then.
    pub(super) async fn keep_or_give_back(
        &self,
        parcel: Parcel,
        next_due_ms: i64,
    ) -> Option<Parcel> {
        let now_ms = self.clock.now_ms();
        let may_stay = !parcel.delivery.lease_left().is_zero() && !self.shutdown.is_requested();
        // No guess: a broker that is punctual is to have what it can have.
        let late = self.lateness.usual().unwrap_or_default();
        let is_soon = decide::remainder(next_due_ms, now_ms) <= decide::SOON + late;
        if may_stay && is_soon && self.lateness.may_wait(Instant::now()) {
            return Some(parcel);
        }
        let key = &parcel.copy.key;
        let delay = self.ask_early(key, next_due_ms, now_ms);
        drop(parcel.hold);
        settle::next_rung(parcel.delivery, key, delay, &self.meters).await;
        None
    }

    /// Back in time for when it is due; the record stays as it is.
    pub(super) async fn rest_until(&self, parcel: Parcel, due_ms: i64) {
        let delay = self.ask_early(&parcel.copy.key, due_ms, self.clock.now_ms());
        self.rest(parcel, delay).await;
    }

    /// For how long the broker is asked to keep a copy that is due then.
    fn ask_early(&self, key: &Key, due_ms: i64, now_ms: i64) -> Duration {
        let delay = decide::remainder(due_ms, now_ms);
        let longest = self.rules.longest_deferral;
        let early = delay.saturating_sub(self.lateness.head_start());
        if early > longest {
            // It will be asked for again.
            return longest;
        }
        let delay = match self.lateness.may_wait(Instant::now()) {
            true => early,
            false => delay.min(longest),
        };
        let back_ms = now_ms.saturating_add(service::clock::millis(delay));
        let asked = Asked { due_ms, back_ms };
        self.lateness.asked(key, asked, now_ms);
        delay
    }

    /// Back soon, as a delivery more by the broker's counter; the record stays as it is.
    pub(super) async fn deliver_anew(&self, parcel: Parcel) {
        drop(parcel.hold);
        let (key, meters) = (&parcel.copy.key, &self.meters);
        settle::rest_counted(parcel.delivery, key, LOOK_AGAIN, meters).await;
    }

    /// Its endpoint is paused: back after a while, nothing counted.
    pub(super) async fn hold(&self, parcel: Parcel, delay: Duration) {
        self.shelve(parcel, Away::Held(delay)).await;
    }

    /// The subscription's filter leaves it out (N9).
    pub(super) async fn skip(&self, parcel: Parcel) {
        match self.write(&parcel, Event::Skipped).await {
            Some(Moved::Yes) => self.acknowledge(parcel).await,
            Some(Moved::No) => self.rest(parcel, LOOK_AGAIN).await,
            None => {}
        }
    }

    /// Its generation is dead: the dead-letter topic must hold it before it may go.
    pub(super) async fn see_to_letter(&self, parcel: Parcel) {
        let (key, generation) = (parcel.copy.key.clone(), parcel.copy.generation);
        match self.record.burial(&key, generation).await {
            // The hold lasts: a twin must not forward it a second time.
            Ok(Burial::Awaited(reason)) => {
                // Whoever let it die may have been killed before a word of it.
                if let Some(reason) = reason {
                    alarm::dead_letter(&key, generation, &self.destination(&parcel.copy), reason);
                }
                let (record, meters) = (&self.record, &self.meters);
                settle::forward(parcel.delivery, &key, generation, record, meters).await;
            }
            Ok(Burial::Done) => self.acknowledge(parcel).await,
            // The store is down, which is told.
            Err(_) => self.rest(parcel, self.lease).await,
        }
    }

    /// A generation that the record does not know: nothing can be counted, so the message's age
    /// says how long to wait for an operator.
    pub(super) async fn wait_for_the_record(&self, parcel: Parcel) {
        let on_record = parcel.standing.map_or(0, |row| row.generation);
        alarm::record_behind(&parcel.copy.key, parcel.copy.generation, on_record);
        let age = millis(self.clock.now_ms() - parcel.copy.born_ms);
        self.rest(parcel, parking::step_by_age(age)).await;
    }

    /// Its lane takes nothing now: it comes back when the lane could (N5).
    pub(super) async fn turned_away(&self, lane: &Lane, parcel: Parcel, busy: Busy) {
        if !decide::may_be_parked(parcel.standing.as_ref()) {
            self.meters
                .decided(&Decision::Die(DeadReason::ParkedTooLong));
            return self.die(parcel, DeadReason::ParkedTooLong).await;
        }
        let reason = busy.into();
        self.meters.decided(&Decision::Park(reason));
        let step = lane.put_away(busy, &self.sleepers, fastrand::f64());
        self.park_for(parcel, reason, step).await;
    }

    /// Puts it away for what an operator can mend (N5).
    pub(super) async fn park(&self, parcel: Parcel, reason: ParkReason) {
        if reason == ParkReason::NewerFormat {
            alarm::unknown_format(&parcel.copy.key);
        }
        let step = parking::step(parcel.standing.map_or(0, |row| row.parks));
        self.park_for(parcel, reason, step).await;
    }

    async fn park_for(&self, parcel: Parcel, reason: ParkReason, step: Duration) {
        self.shelve(parcel, Away::Parked(reason, step)).await;
    }

    /// Leaves it on the shelf, or puts it away now if that is full.
    async fn shelve(&self, parcel: Parcel, away: Away) {
        match self.shelf.place() {
            Some(place) => place.take(parcel, away),
            None => self.put_away(parcel, away).await,
        }
    }

    /// Writes down what is to be written and gives it back to the broker for as long as it is put away. What is
    /// held is put on record at its first hold, so that it is accepted and can be seen; a resend, so that it is not
    /// sent anew.
    pub(super) async fn put_away(&self, parcel: Parcel, away: Away) {
        let now_ms = self.clock.now_ms();
        let (event, step) = match away {
            Away::Parked(reason, step) | Away::Unread(reason, step) => {
                // It may have come early: to be parked makes nothing due sooner.
                let due_ms = parcel.standing.and_then(|row| row.next_due_ms);
                let step = step.max(decide::remainder(due_ms.unwrap_or(now_ms), now_ms));
                let step_ms = service::clock::millis(step);
                let event = Event::Parked {
                    reason,
                    next_due_ms: now_ms.saturating_add(step_ms),
                    step_ms,
                };
                (Some(event), step)
            }
            Away::Held(delay) => {
                let first = parcel.standing.is_none_or(|row| !row.seen);
                (first.then_some(Event::Held { due_ms: now_ms }), delay)
            }
        };
        if let Some(event) = event
            && self.write(&parcel, event).await.is_none()
        {
            return;
        }
        self.rest(parcel, step).await;
    }

    /// Lets it die without an attempt (N4, class `pipeline`).
    pub(super) async fn die(&self, parcel: Parcel, reason: DeadReason) {
        if let Some(moved) = self.write(&parcel, Event::Died(reason)).await {
            self.bury(parcel, moved, reason).await;
        }
    }

    /// Forwards what has just died, if it was this entry that let it die.
    pub(super) async fn bury(&self, parcel: Parcel, moved: Moved, reason: DeadReason) {
        match moved {
            Moved::Yes => {
                let (key, generation) = (&parcel.copy.key, parcel.copy.generation);
                let endpoint = self.destination(&parcel.copy);
                alarm::dead_letter(key, generation, &endpoint, reason);
                settle::forward(parcel.delivery, key, generation, &self.record, &self.meters).await;
                // Held until now: a twin must not forward it a second time.
                drop(parcel.hold);
            }
            Moved::No => self.rest(parcel, LOOK_AGAIN).await,
        }
    }
}

impl From<Busy> for ParkReason {
    fn from(busy: Busy) -> Self {
        match busy {
            Busy::Full => Self::NoSlot,
            Busy::Open(_) => Self::BreakerOpen,
            Busy::AskedToWait(_) => Self::AskedToWait,
        }
    }
}
