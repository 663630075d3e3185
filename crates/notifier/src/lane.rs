//! A lane: what may wait for one endpoint, how much of it is under way at a time, how often, and
//! whether at all.
//!
//! A copy takes a place when it enters and a turn when it rings. What waits holds one of its
//! subscription's permits, which others need too, so a lane turns away at once: when its breaker is
//! open or its receiver asked for a pause; when its places are taken; when the wait would be longer
//! than [`PATIENCE`] at the speed at which the lane moves; and, among other endpoints' messages, when
//! it has its share of the permits that are left, half of which are not for lanes that stand. Who is
//! turned away is parked for as long as [`Lane::put_away`] says: the broker and the record keep it.

mod bound;
mod pace;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::breaker::{Breaker, Change, Health, Pass, Shut};
use crate::config::BreakerRule;
use crate::parking::{self, Asleep, Sleepers};
use crate::rate::{RateLimit, Schedule};
use bound::{Bound, Taken};
use pace::Pace;

/// The longest wait for a place, and the longest for a turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// A lane that stands is taken to stand for so long, until its breaker knows better.
const STANDS_FOR: Duration = Duration::from_secs(20);

/// A lane takes no more than the permits that are left divided by this.
const SHARE: usize = 4;

/// Of all permits, what lanes that stand leave to those that move, divided.
const FOR_WHAT_MOVES: usize = 2;

/// Of all permits, what even the first copies of lanes leave free, divided.
const NEVER_USED_UP: usize = 16;

/// The bounds of one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneLimits {
    /// Messages that wait.
    pub queue: usize,
    /// Attempts under way at a time.
    pub concurrency: usize,
    /// The most attempts in a span.
    pub rate: Option<RateLimit>,
    /// `None`: it is never left alone.
    pub breaker: Option<BreakerRule>,
}

/// Whose messages stand beside it in the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Company {
    /// Nobody else's: waiting at the door keeps nobody from anything.
    Alone,
    /// Other endpoints': so many of all the subscription's permits are left.
    Shared { free: usize, all: usize },
}

/// Why a copy is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Busy {
    /// There is no room, or it would be long in coming.
    Full,
    /// The breaker is open.
    Open(Shut),
    /// The receiver asked to be left alone for so long.
    AskedToWait(Duration),
}

/// What an attempt says about its lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    pub health: Health,
    /// How long the receiver wants no attempt at all.
    pub pause: Option<Duration>,
}

/// A lane as it is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneView {
    /// In the lane, for a turn.
    pub waiting: usize,
    /// Attempts.
    pub under_way: usize,
    /// Parked for want of room, by this process.
    pub asleep: u64,
    /// Since when and until when the breaker keeps everything out; half open counts as open.
    pub open: Option<Shut>,
    /// How long the receiver is to be left alone.
    pub paused_for: Option<Duration>,
}

/// The bounds of one endpoint; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    places: Arc<Bound>,
    turns: Arc<Bound>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    pace: Pace,
    schedule: Schedule,
    breaker: Breaker,
    asleep: Asleep,
    /// The probe for which a copy has been told to come back.
    booked: Option<Instant>,
    /// Between the door and a turn.
    waiting: usize,
    /// Before the door, because they are not due yet.
    early: usize,
}

/// Where a copy waits.
#[derive(Debug, Clone, Copy)]
enum At {
    /// Until it is due.
    Door,
    /// For its turn.
    Queue,
}

/// Counts its holder there.
#[derive(Debug)]
struct Counted(Arc<Mutex<State>>, At);

/// A place in a lane.
#[derive(Debug)]
pub(crate) struct Place {
    lane: Lane,
    place: Taken,
    waiting: Counted,
}

/// The right to ring now. Dropped without a report, the attempt counts as not made.
#[derive(Debug)]
pub(crate) struct Turn {
    lane: Lane,
    pass: Option<Pass>,
    _turn: Taken,
    _place: Taken,
}

impl Lane {
    pub(crate) fn new(limits: LaneLimits) -> Self {
        let now = Instant::now();
        Self {
            places: Bound::new(limits.queue + limits.concurrency),
            turns: Bound::new(limits.concurrency),
            state: Arc::new(Mutex::new(State {
                pace: Pace::new(now),
                schedule: Schedule::new(limits.rate, now),
                breaker: Breaker::new(limits.breaker, now),
                asleep: Asleep::new(now),
                booked: None,
                waiting: 0,
                early: 0,
            })),
        }
    }

    /// Goes by other limits from now on; what is under way stays.
    pub(crate) fn resize(&self, limits: LaneLimits) {
        self.places.resize(limits.queue + limits.concurrency);
        self.turns.resize(limits.concurrency);
        let (mut state, now) = (self.state(), Instant::now());
        state.schedule.limit(limits.rate, now);
        state.breaker.rule(limits.breaker, now);
    }

    /// Waits before the door until it is due, unless it is better to come again. Who is not due takes no
    /// place from who is, but counts towards the lane's share of the permits.
    pub(crate) async fn until_due(&self, wait: Duration, company: Company) -> Result<(), Busy> {
        let _early = self.count(company, At::Door)?;
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// A place, unless it is better to come again.
    pub(crate) async fn enter(&self, company: Company) -> Result<Place, Busy> {
        let waiting = self.count(company, At::Queue)?;
        let place = match company {
            Company::Alone => timeout(PATIENCE, self.places.take()).await.ok(),
            Company::Shared { .. } => self.places.try_take(),
        };
        Ok(Place {
            lane: self.clone(),
            place: place.ok_or(Busy::Full)?,
            waiting,
        })
    }

    /// Why it would turn a copy away at this moment, if it would.
    pub(crate) fn refuses(&self, company: Company) -> Option<Busy> {
        self.busy(&mut self.state(), company, At::Queue)
    }

    fn count(&self, company: Company, at: At) -> Result<Counted, Busy> {
        let mut state = self.state();
        if let Some(busy) = self.busy(&mut state, company, at) {
            return Err(busy);
        }
        *state.count(at) += 1;
        drop(state);
        Ok(Counted(self.state.clone(), at))
    }

    fn busy(&self, state: &mut State, company: Company, at: At) -> Option<Busy> {
        let now = Instant::now();
        let turns = self.turns.all();
        if let Some(shut) = state.breaker.shut(now) {
            return Some(Busy::Open(shut));
        }
        let asked = state.schedule.paused_for(now);
        if let Some(left) = asked.filter(|left| *left > PATIENCE) {
            return Some(Busy::AskedToWait(left));
        }
        let crowded = match company {
            Company::Alone => false,
            Company::Shared { free, all } => {
                let for_others = match state.pace.stands(now) {
                    true => all / FOR_WHAT_MOVES,
                    false => 0,
                };
                // Who is due is kept out by no one that is not.
                let early = match at {
                    At::Door => state.early,
                    At::Queue => 0,
                };
                match self.places.taken() + early {
                    0 => free < all / NEVER_USED_UP,
                    taken => taken.saturating_mul(SHARE) >= free.saturating_sub(for_others),
                }
            }
        };
        let patience = state.moves(turns, now) * PATIENCE.as_secs_f64();
        let ahead = f64::from(u32::try_from(state.waiting).unwrap_or(u32::MAX));
        (crowded || ahead > patience).then_some(Busy::Full)
    }

    /// How long a copy that was turned away is to be parked; counts it as asleep for so long. `dice` is
    /// from 0 to 1, `sleepers` what sleeps for all closed lanes.
    pub(crate) fn put_away(&self, busy: Busy, sleepers: &Sleepers, dice: f64) -> Duration {
        let now = Instant::now();
        let turns = self.turns.all();
        let mut state = self.state();
        let ahead = state.asleep.count(now) + state.waiting as u64;
        let step = match busy {
            Busy::Full => {
                let behind = parking::until_it_moves(ahead, state.moves(turns, now), dice);
                if state.pace.stands(now) {
                    // How fast it will move once it moves is not known: it may be back at once.
                    let others = sleepers.count(now);
                    let soon = parking::until_it_opens(Duration::ZERO, STANDS_FOR, others, dice);
                    let step = behind.min(soon);
                    sleepers.add(now, step);
                    step
                } else {
                    behind
                }
            }
            Busy::AskedToWait(left) => {
                left + parking::until_it_moves(ahead, state.moves(turns, now), dice)
            }
            Busy::Open(Shut { probe_at, since }) => {
                let probe_in = probe_at.saturating_duration_since(now);
                let closed_for = now.saturating_duration_since(since);
                // Somebody has to come for the probe; one is enough.
                let books = state.booked.is_none_or(|booked| booked < now);
                let (closed_for, others) = match books {
                    true => (Duration::ZERO, 0),
                    false => (closed_for, sleepers.count(now)),
                };
                let step = parking::until_it_opens(probe_in, closed_for, others, dice);
                if books {
                    state.booked = Some(now + step);
                }
                sleepers.add(now, step);
                step
            }
        };
        state.asleep.add(now, step);
        step
    }

    /// Whether whoever is in no hurry should leave it alone: it is half full, something is parked for
    /// it, or its breaker lets nothing through. One that is open and wants a probe is not busy: nobody
    /// else may ever come to make it.
    pub(crate) fn is_busy(&self) -> bool {
        let view = self.view();
        let shut = view.open.is_some_and(|shut| Instant::now() < shut.probe_at);
        let queue = self.places.all().saturating_sub(self.turns.all());
        shut || view.asleep > 0 || view.waiting > queue / 2
    }

    /// Whether its breaker is open, or half open.
    pub(crate) fn is_open(&self) -> bool {
        !self.state().breaker.is_closed()
    }

    pub(crate) fn view(&self) -> LaneView {
        let now = Instant::now();
        let mut state = self.state();
        LaneView {
            waiting: state.waiting,
            under_way: state.pace.under_way(),
            asleep: state.asleep.count(now),
            open: state.breaker.unwell(now),
            paused_for: state.schedule.paused_for(now),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn count(&mut self, at: At) -> &mut usize {
        match at {
            At::Door => &mut self.early,
            At::Queue => &mut self.waiting,
        }
    }

    /// Attempts a second.
    fn moves(&self, turns: usize, now: Instant) -> f64 {
        let pace = self.pace.moves(turns, now);
        self.schedule
            .per_second()
            .map_or(pace, |limit| limit.min(pace))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state.count(self.1) -= 1;
    }
}

impl Place {
    /// Waits for the turn, and for the endpoint's rate.
    pub(crate) async fn turn(self) -> Result<Turn, Busy> {
        let Self {
            lane,
            place,
            waiting,
        } = self;
        let taken = timeout(PATIENCE, lane.turns.take()).await;
        let taken = taken.map_err(|_| Busy::Full)?;
        let reserved = lane.state().reserve(Instant::now());
        tokio::time::sleep(reserved?).await;
        drop(waiting);
        let now = Instant::now();
        let mut state = lane.state();
        // An answer may have asked for it while this one waited for its place in the rate.
        if let Some(left) = state.schedule.paused_for(now) {
            return Err(Busy::AskedToWait(left));
        }
        let pass = state.breaker.admit(now).map_err(Busy::Open)?;
        state.pace.begin(now);
        drop(state);
        Ok(Turn {
            lane,
            pass: Some(pass),
            _turn: taken,
            _place: place,
        })
    }
}

impl State {
    fn reserve(&mut self, now: Instant) -> Result<Duration, Busy> {
        let paused = self.schedule.paused_for(now);
        let reserved = self.schedule.reserve(now, PATIENCE);
        reserved.map_err(|_| paused.map_or(Busy::Full, Busy::AskedToWait))
    }
}

impl Turn {
    /// Takes in how the attempt went, which took so long.
    pub(crate) fn report(mut self, heard: Heard, took: Duration) -> Option<Change> {
        let pass = self.pass.take()?;
        let now = Instant::now();
        let mut state = self.lane.state();
        let answered = heard.health != Health::Silent;
        state.pace.end(took, answered, now);
        if let Some(pause) = heard.pause {
            state.schedule.pause(now, pause);
        }
        state.breaker.report(pass, heard.health, now)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            let now = Instant::now();
            let mut state = self.lane.state();
            state.pace.cancel();
            state.breaker.give_back(pass, now);
        }
    }
}

#[cfg(test)]
mod tests;
