//! The way of one copy: lane, ring, verdict, record, settle.
//!
//! Each received copy is carried by a task of its own, which owns the delivery with its permit
//! and its lease. Nothing is said to the broker before the record is durable, and a copy that is
//! let go of half-way simply comes back: a POST that was not made uses no rung. What is decided
//! without an attempt is in [`put_away`].

mod attempt;
mod gate;
mod gone;
mod permits;
mod put_away;
mod shelf;
mod spans;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rocketmq::Delivery;
use service::clock::Clock;
use service::shutdown::Shutdown;

use self::gate::Open;
use crate::backoff::Backoff;
use crate::config::SubscriptionConfig;
use crate::copy::{Copy, Key};
use crate::decide::{self, Decision, Presence, Rules, Standing};
use crate::directory::{Directory, Line};
use crate::in_hand::Hold;
use crate::ladders::Ladders;
use crate::lane::{Busy, Company, Turn};
use crate::lateness::Lateness;
use crate::metrics::Meters;
use crate::parking::Sleepers;
use crate::record::Record;
use crate::record::entry::{Entry, Event, Moved};
use crate::ring::Ringer;

pub(crate) use permits::{Held, Permits};
pub(crate) use shelf::{OnShelf, Shelf};

/// A record that was read longer ago than this may have changed since.
pub(crate) const FRESH: Duration = Duration::from_secs(1);

/// A received copy with what is known of it.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub copy: Arc<Copy>,
    /// The record's row, and when it was read.
    pub standing: Option<Standing>,
    pub read_at: Instant,
    /// Or when it was taken up again for another attempt.
    pub received_ms: i64,
    pub delivery: Delivery,
    /// `None` if a twin holds the key.
    pub hold: Option<Hold>,
    /// Its permit's count; `None` once it is on the shelf.
    pub held: Option<Held>,
}

/// What all copies of a subscription share.
#[derive(Debug)]
pub(crate) struct Carrier {
    pub directory: Directory,
    pub subscription: SubscriptionConfig,
    pub ladders: Ladders,
    pub ringer: Ringer,
    pub record: Record,
    pub rules: Rules,
    pub lateness: Lateness,
    pub permits: Permits,
    pub shelf: Shelf,
    pub meters: Arc<Meters>,
    pub others: Others,
    /// Shared by all subscriptions of the process.
    pub sleepers: Sleepers,
    pub lease: Duration,
    pub clock: Clock,
    pub shutdown: Shutdown,
}

/// Whether the subscription's messages go to several endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    /// To one: its lane may use all the permits.
    None,
    /// Each to its own.
    Some,
}

/// Where waiting in the lane has led.
enum Reached {
    /// To the front: ring now, as this attempt, the endpoint as it is now.
    Turn { turn: Turn, number: u32, open: Open },
    /// To something else.
    Instead(Decision),
    /// Nowhere: the lane takes nothing now.
    Busy(Busy),
    /// Back to the broker until it is due: too much waits for that.
    TooEarly,
    /// The lease is lost: the copy comes back by itself.
    LeaseLost,
    /// The process is stopping: the copy goes back unrung.
    Stopping,
}

impl Parcel {
    /// How old the notification is: since its first copy was born or seen, or since its resend.
    fn age_since_birth(&self, now_ms: i64) -> Duration {
        let seen_ms = match self.standing {
            Some(row) if self.copy.generation == 0 => row.first_seen_ms,
            _ => i64::MAX,
        };
        millis(now_ms - self.copy.born_ms.min(seen_ms))
    }
}

impl Carrier {
    /// Waits until there is a ladder to climb: the endpoint's own, or the group's policy.
    pub(crate) async fn ladder_known(&self) {
        let one = self.subscription.endpoint.one();
        let line = one.and_then(|id| self.directory.line(id));
        if line.is_none_or(|line| line.endpoint().ladder.is_none()) {
            self.ladders.known().await;
        }
    }

    /// Carries a copy to wherever its decision leads.
    pub(crate) async fn carry(&self, mut parcel: Parcel, mut decision: Decision) {
        loop {
            if !matches!(decision, Decision::Ring { .. }) {
                self.meters.decided(&decision);
            }
            let (number, due_ms) = match decision {
                Decision::Ring {
                    number,
                    not_before_ms,
                } => (number, not_before_ms),
                Decision::NotOurs | Decision::Finished => return self.acknowledge(parcel).await,
                Decision::SeeToLetter => return self.see_to_letter(parcel).await,
                Decision::RecordBehind => return self.wait_for_the_record(parcel).await,
                Decision::AfterTwin => return self.rest(parcel, self.lease).await,
                Decision::NotDue { due_ms } => return self.rest_until(parcel, due_ms).await,
                Decision::Hold(delay) => return self.hold(parcel, delay).await,
                Decision::Skip => return self.skip(parcel).await,
                Decision::Park(reason) => return self.park(parcel, reason).await,
                Decision::Die(reason) => return self.die(parcel, reason).await,
            };
            let line = match self.gate(&parcel) {
                Ok(open) => open.line,
                Err(other) => {
                    decision = other;
                    continue;
                }
            };
            match self.reach_turn(&line, &mut parcel, number, due_ms).await {
                Reached::Turn { turn, number, open } => {
                    match self.ring(parcel, number, turn, open).await {
                        Some(soon) => (parcel, decision) = soon,
                        None => return,
                    }
                }
                Reached::Instead(other) => decision = other,
                Reached::Busy(busy) => {
                    return self.turned_away(&line.lane, parcel, busy).await;
                }
                Reached::TooEarly => {
                    let left = decide::remainder(due_ms, self.clock.now_ms());
                    return self.rest(parcel, left).await;
                }
                Reached::LeaseLost => return,
                // Back to the broker as it came, for whoever runs next.
                Reached::Stopping => return self.rest(parcel, Duration::ZERO).await,
            }
        }
    }

    /// Waits in the lane, and on leaving it makes sure that ringing is still right.
    async fn reach_turn(
        &self,
        line: &Line,
        parcel: &mut Parcel,
        number: u32,
        due_ms: i64,
    ) -> Reached {
        let stopping = self.shutdown.soft();
        let turn = stopping.run_until_cancelled(async {
            let wait = decide::remainder(due_ms, self.clock.now_ms());
            if !wait.is_zero() {
                // The attempt before began and took what was cut off to milliseconds.
                let wait = wait + Duration::from_millis(2);
                match line.lane.until_due(wait, self.company()).await {
                    Err(Busy::Full) => return Ok(None),
                    waited => waited?,
                }
            }
            let place = line.lane.enter(self.company()).await?;
            place.turn().await.map(Some)
        });
        let turn = match turn.await {
            Some(Ok(Some(turn))) => turn,
            Some(Ok(None)) => return Reached::TooEarly,
            Some(Err(busy)) => return Reached::Busy(busy),
            None => return Reached::Stopping,
        };
        if parcel.delivery.lease_left().is_zero() {
            return Reached::LeaseLost;
        }
        let open = match self.gate(parcel) {
            Ok(open) => open,
            Err(decision) => return Reached::Instead(decision),
        };
        if parcel.read_at.elapsed() < FRESH {
            return Reached::Turn { turn, number, open };
        }
        let lease_on_ms = self.clock.now_ms() + service::clock::millis(self.lease);
        match self.decide_again(parcel, lease_on_ms).await {
            Decision::Ring {
                number,
                not_before_ms,
            } if not_before_ms <= self.clock.now_ms() => Reached::Turn { turn, number, open },
            decision => Reached::Instead(decision),
        }
    }

    /// Who stands beside the lane in this group.
    fn company(&self) -> Company {
        match self.others {
            Others::None => Company::Alone,
            Others::Some => Company::Shared {
                free: self.permits.free(),
                all: self.permits.all(),
            },
        }
    }

    /// Reads the record anew and decides by it. With the store down, which is told, it goes back until
    /// `otherwise_ms`: nothing is rung that could not be recorded.
    async fn decide_again(&self, parcel: &mut Parcel, otherwise_ms: i64) -> Decision {
        let key = parcel.copy.key.clone();
        match self.record.read(std::slice::from_ref(&key)).await {
            Ok(standings) => {
                parcel.standing = standings.get(&key).copied();
                parcel.read_at = Instant::now();
                let now_ms = self.clock.now_ms();
                let row = parcel.standing.as_ref();
                decide::decide(&parcel.copy, row, Presence::Alone, self.rules, now_ms)
            }
            Err(_) => Decision::NotDue {
                due_ms: otherwise_ms,
            },
        }
    }

    /// A batch's rows, however long the store takes to answer; `None` once the process stops.
    pub(crate) async fn standings(&self, keys: &[Key]) -> Option<HashMap<Key, Standing>> {
        let mut backoff = Backoff::new();
        loop {
            if let Ok(standings) = self.record.read(keys).await {
                return Some(standings);
            }
            let soft = self.shutdown.soft();
            soft.run_until_cancelled(backoff.wait()).await?;
        }
    }

    /// Writes a result down; `None` if the process ends first.
    async fn write(&self, parcel: &Parcel, event: Event) -> Option<Moved> {
        let entry = Entry {
            copy: parcel.copy.clone(),
            endpoint: self.destination(&parcel.copy),
            attempts_before: parcel.standing.map_or(0, |row| row.attempts),
            row: parcel.standing.as_ref().into(),
            event,
        };
        self.record.write(entry).await.ok()
    }
}

/// A span that may have come out negative between two clocks.
fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
