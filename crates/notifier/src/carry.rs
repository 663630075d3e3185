//! The way of one copy: lane, ring, verdict, record, settle.
//!
//! Each received copy is carried by a task of its own, which owns the delivery with its permit
//! and its lease. Nothing is said to the broker before the record is durable, and a copy that is
//! let go of half-way simply comes back: a POST that was not made uses no rung. What is decided
//! without an attempt is in [`put_away`].

mod gate;
mod gone;
mod permits;
mod put_away;
mod shelf;
mod spans;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use notification::api::endpoint::ClockShown;
use notification::{AttemptError, EndpointId};
use rocketmq::Delivery;
use service::clock::Clock;
use service::shutdown::Shutdown;

use self::gate::Open;
use self::spans::Way;
use crate::alarm;
use crate::backoff::Backoff;
use crate::breaker::Change;
use crate::config::SubscriptionConfig;
use crate::copy::{Copy, Key};
use crate::decide::{self, Decision, Presence, Rules, Standing};
use crate::directory::{Directory, Line};
use crate::endpoint::Target;
use crate::in_hand::Hold;
use crate::ladders::Ladders;
use crate::lane::{Busy, Company, Turn};
use crate::metrics::Meters;
use crate::parking::Sleepers;
use crate::record::Record;
use crate::record::entry::{Attempt, Entry, Event, Moved, Then};
use crate::ring::{Ringer, Rung};
use crate::settle;
use crate::verdict::{self, Judgement};

pub(crate) use permits::{Held, Permits};
pub(crate) use shelf::{OnShelf, Shelf};

/// A record that was read longer ago than this may have changed since.
pub(crate) const FRESH: Duration = Duration::from_secs(1);

/// Beyond this difference between the receiver's clock and ours an alarm is raised.
const MOST_SKEW_S: u64 = 60;

/// A received copy with what is known of it.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub copy: Arc<Copy>,
    /// The record's row, and when it was read.
    pub standing: Option<Standing>,
    pub read_at: Instant,
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
                Decision::NotDue(delay) => return self.rest(parcel, delay).await,
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
                    return self.ring(parcel, number, turn, open).await;
                }
                Reached::Instead(other) => decision = other,
                Reached::Busy(busy) => {
                    return self.turned_away(&line.lane, parcel, busy).await;
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
            let place = line.lane.enter(self.company()).await?;
            let wait = decide::remainder(due_ms, self.clock.now_ms());
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            place.turn().await
        });
        let turn = match turn.await {
            Some(Ok(turn)) => turn,
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
        match self.decide_again(parcel).await {
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

    /// Reads the record anew and decides by it.
    async fn decide_again(&self, parcel: &mut Parcel) -> Decision {
        let key = parcel.copy.key.clone();
        match self.record.read(std::slice::from_ref(&key)).await {
            Ok(standings) => {
                parcel.standing = standings.get(&key).copied();
                parcel.read_at = Instant::now();
                let now_ms = self.clock.now_ms();
                let row = parcel.standing.as_ref();
                decide::decide(&parcel.copy, row, Presence::Alone, self.rules, now_ms)
            }
            // The store is down, which is told: nothing is rung that could not be recorded.
            Err(_) => Decision::NotDue(self.lease),
        }
    }

    /// Makes the attempt, writes it down, settles.
    async fn ring(&self, parcel: Parcel, number: u32, turn: Turn, open: Open) {
        let Open {
            line,
            endpoint,
            target,
        } = open;
        self.meters.decided(&Decision::Ring {
            number,
            not_before_ms: 0,
        });
        let mut way = Way::of(&parcel, &line, number);
        // Boxed, so that a task that waits, for its turn or for the record, is small.
        let rung = Box::pin(self.ringer.ring(&endpoint, &parcel.copy, number)).await;
        self.mind_the_clock(&line, &rung);
        if rung.result == Err(AttemptError::AddressRefused)
            && line.egress_alarm.is_due(rung.finished_ms)
        {
            let why = rung.detail.as_deref().unwrap_or_default();
            alarm::address_refused(line.id(), &why);
        }
        let age = self.age(&parcel, rung.finished_ms);
        let ladder = self.ladders.of(endpoint.ladder.as_ref());
        let dice = fastrand::f64();
        let judgement = verdict::judge(&endpoint.acceptance, &ladder, number, age, &rung, dice);
        line.heard(judgement.heard.health, rung.finished_ms);
        mind_the_breaker(line.id(), turn.report(judgement.heard, rung.took));
        let (verdict, error) = (judgement.verdict, judgement.error);
        line.meters
            .attempted(verdict, rung.status, error, rung.took);
        let (then, status, finished_ms) = (judgement.then, rung.status, rung.finished_ms);
        way.rung(&rung, &judgement);
        let attempt = Self::attempt_row(&target, number, rung, judgement);
        let Some(moved) = self
            .write(&parcel, Event::Attempted { attempt, then })
            .await
        else {
            return;
        };
        way.recorded(&self.clock);
        match then {
            Then::Delivered => {
                if moved == Moved::Yes {
                    line.meters
                        .delivered(number, parcel.age_since_birth(finished_ms));
                }
                self.acknowledge(parcel).await;
            }
            Then::Again { next_due_ms } => {
                let delay = decide::remainder(next_due_ms, self.clock.now_ms());
                let delay = delay.min(self.rules.longest_deferral);
                drop(parcel.hold);
                settle::next_rung(parcel.delivery, &parcel.copy.key, delay, &self.meters).await;
            }
            Then::Dead(reason) => self.bury(parcel, moved, reason).await,
        }
        way.settled(&self.clock);
        if status == Some(gone::GONE) {
            Box::pin(self.mind_gone(&endpoint)).await;
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

    fn attempt_row(target: &Target, number: u32, rung: Rung, judgement: Judgement) -> Attempt {
        Attempt {
            id: rung.id,
            number,
            url: target.text.clone(),
            started_ms: rung.started_ms,
            took_ms: i32::try_from(rung.took.as_millis()).unwrap_or(i32::MAX),
            verdict: judgement.verdict,
            status: rung.status,
            error: judgement.error,
            detail: judgement.detail,
            excerpt: rung.excerpt(),
        }
    }

    /// Receivers refuse what was signed long ago, by their clock.
    fn mind_the_clock(&self, line: &Line, rung: &Rung) {
        let Some(skew_s) = rung.skew else { return };
        line.tells_the_time(ClockShown {
            ahead_s: skew_s,
            read_ms: rung.finished_ms,
        });
        if skew_s.unsigned_abs() > MOST_SKEW_S && line.skew_alarm.is_due(rung.finished_ms) {
            alarm::clock_skew(line.id(), skew_s);
        }
    }

    /// How long the generation has been under way: since its first sight, or since its resend.
    fn age(&self, parcel: &Parcel, now_ms: i64) -> Duration {
        let since_ms = match (parcel.copy.generation, parcel.standing) {
            (0, Some(row)) => row.first_seen_ms,
            (0, None) => now_ms,
            _ => parcel.copy.born_ms,
        };
        millis(now_ms - since_ms)
    }
}

/// An alarm for each time that it opens, not for each probe.
fn mind_the_breaker(endpoint: &EndpointId, change: Option<Change>) {
    match change {
        Some(Change::Opened {
            first: true,
            probe_in,
        }) => alarm::breaker_opened(endpoint, probe_in),
        Some(Change::Closed { after }) => alarm::breaker_closed(endpoint, after),
        Some(Change::Opened { first: false, .. }) | None => {}
    }
}

/// A span that may have come out negative between two clocks.
fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
