//! What is done with a copy without ringing: acknowledged, rested, parked, buried, given back.

use std::time::Duration;

use notification::DeadReason;
use rocketmq::Delivery;

use super::{Carrier, Parcel, millis};
use crate::alarm;
use crate::copy::Copy;
use crate::decide::{Decision, ParkReason};
use crate::in_hand::Hold;
use crate::parking;
use crate::record::entry::{Event, Moved};
use crate::settle;

/// How soon a copy comes back whose record somebody else moved meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Carrier {
    /// Carries out a decision that makes no attempt.
    pub(super) async fn put_away(&self, parcel: Parcel, decision: Decision) {
        let step = |parks| parking::step(parks).unwrap_or(LOOK_AGAIN);
        let parks = parcel.standing.map_or(0, |row| row.parks);
        let event = match decision {
            Decision::Park(reason) => {
                if reason == ParkReason::NewerFormat {
                    alarm::unknown_format(&parcel.copy.key);
                }
                let step_ms = i64::try_from(step(parks).as_millis()).unwrap_or(i64::MAX);
                let next_due_ms = self.clock.now_ms().saturating_add(step_ms);
                Event::Parked {
                    reason,
                    next_due_ms,
                }
            }
            Decision::Die(reason) => Event::Died(reason),
            other => return self.settle_unwritten(parcel, other).await,
        };
        let Some(moved) = self.write(&parcel, event).await else {
            return;
        };
        let Parcel {
            copy,
            delivery,
            hold,
            ..
        } = parcel;
        if let Decision::Die(reason) = decision {
            self.bury(&copy, delivery, hold, moved, reason).await;
        } else {
            drop(hold);
            settle::rest(delivery, &copy.key, step(parks)).await;
        }
    }

    /// Carries out a decision that leaves the record as it is.
    async fn settle_unwritten(&self, parcel: Parcel, decision: Decision) {
        let Parcel {
            copy,
            delivery,
            hold,
            standing,
            ..
        } = parcel;
        let key = &copy.key;
        let delay = match decision {
            Decision::NotOurs | Decision::Finished => {
                drop(hold);
                return settle::acknowledge(delivery, key).await;
            }
            Decision::SeeToLetter => {
                match self.record.awaits_forwarding(key, copy.generation).await {
                    Ok(true) => {
                        return settle::forward(delivery, key, copy.generation, &self.record).await;
                    }
                    Ok(false) => return settle::acknowledge(delivery, key).await,
                    Err(_) => self.lease,
                }
            }
            Decision::RecordBehind => {
                let on_record = standing.map_or(0, |row| row.generation);
                alarm::record_behind(key, copy.generation, on_record);
                parking::step_by_age(millis(self.clock.now_ms() - copy.born_ms))
            }
            Decision::NotDue(delay) => delay,
            _ => self.lease,
        };
        drop(hold);
        settle::rest(delivery, key, delay).await;
    }

    /// Forwards what has just died, if it was this entry that let it die.
    pub(super) async fn bury(
        &self,
        copy: &Copy,
        delivery: Delivery,
        hold: Option<Hold>,
        moved: Moved,
        reason: DeadReason,
    ) {
        match moved {
            Moved::Yes => {
                alarm::dead_letter(&copy.key, copy.generation, &self.endpoint.id, reason);
                // The hold lasts: a twin must not forward it a second time.
                settle::forward(delivery, &copy.key, copy.generation, &self.record).await;
                drop(hold);
            }
            Moved::No => {
                drop(hold);
                settle::rest(delivery, &copy.key, LOOK_AGAIN).await;
            }
        }
    }

    /// Back to the broker as it came, for whoever runs next.
    pub(super) async fn give_back(&self, parcel: Parcel) {
        drop(parcel.hold);
        settle::rest(parcel.delivery, &parcel.copy.key, Duration::ZERO).await;
    }
}
