//! Where copies wait for being put away without an attempt.
//!
//! It takes a row on record and a word to the broker to put a copy away, which is many times what it takes
//! to receive it. When the backlog of a lane that stands is received, all that would be done before
//! anybody else's message is seen. So such a copy gives its permit back, keeps its lease and waits here;
//! few at a time are put away, and fresh messages pass them. One whose lane turns it away at the door comes
//! here unread: its record is read with those of its neighbours on the shelf, and says then whether it is to
//! be put away at all.
//!
//! Nothing here has its body, which putting away does not need; dying does. The rare one whose record says
//! that it must die comes back as a second delivery, and of such the record is read before they get here.
//!
//! The shelf is bounded. What finds no place there is put away at once, under its permit: receiving then
//! goes no faster than that.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Carrier, Parcel};
use crate::copy::{Key, Reading};
use crate::decide::{self, Decision, ParkReason, Presence, Standing};

/// Copies that wait, some one and a half KiB each.
const PLACES: usize = 10 * 1024;

/// What comes to an empty shelf rests there so long: until then a backlog is received, which goes first.
const GATHERS: Duration = Duration::from_millis(500);

/// What becomes of a copy that is not rung.
#[derive(Debug, Clone, Copy)]
pub(super) enum Away {
    /// Its lane takes nothing: put away for so long (N5), if its record allows, which nobody has read.
    Unread(ParkReason, Duration),
    /// Put away for so long (N5).
    Parked(ParkReason, Duration),
    /// Its endpoint is paused: back after so long (N10).
    Held(Duration),
}

/// A copy with what becomes of it.
#[derive(Debug)]
struct Shelved {
    parcel: Parcel,
    away: Away,
}

/// A subscription's shelf.
#[derive(Debug)]
pub(crate) struct Shelf(mpsc::Sender<Shelved>);

/// Room for one copy.
#[derive(Debug)]
pub(super) struct Place<'a>(mpsc::Permit<'a, Shelved>);

/// Its other end: what is on it.
#[derive(Debug)]
pub(crate) struct OnShelf(mpsc::Receiver<Shelved>);

impl Shelf {
    /// Copies that are put away at a time: they share a read and a flush of the record, which come as often
    /// as a disk can be synced.
    pub(crate) const AT_ONCE: usize = 32;

    pub(crate) fn new() -> (Self, OnShelf) {
        let (shelf, on_shelf) = mpsc::channel(PLACES);
        (Self(shelf), OnShelf(on_shelf))
    }

    /// Room for one copy, if there is any.
    pub(super) fn place(&self) -> Option<Place<'_>> {
        self.0.try_reserve().ok().map(Place)
    }
}

impl Place<'_> {
    /// Takes a copy, which gives up its permit and its body.
    pub(super) fn take(self, mut parcel: Parcel, away: Away) {
        parcel.held = None;
        parcel.delivery.release_permit();
        if let Some(copy) = Arc::get_mut(&mut parcel.copy) {
            copy.content.body = Bytes::new();
        }
        self.0.send(Shelved { parcel, away });
    }
}

impl OnShelf {
    /// Puts away what comes, in its order, until it is told that nothing more will; what is left then goes
    /// back as it came.
    pub(crate) async fn tend(mut self, carrier: &Carrier, done: CancellationToken) {
        let mut batch = Vec::with_capacity(Shelf::AT_ONCE);
        let mut was_empty = true;
        loop {
            let count = tokio::select! {
                () = done.cancelled(), if !self.0.is_closed() => {
                    self.0.close();
                    continue;
                }
                count = self.0.recv_many(&mut batch, Shelf::AT_ONCE) => count,
            };
            if count == 0 {
                break;
            }
            if was_empty {
                done.run_until_cancelled(sleep(GATHERS)).await;
            }
            let batch = batch.drain(..);
            if done.is_cancelled() {
                let back = |Shelved { parcel, .. }| carrier.rest(parcel, Duration::ZERO);
                join_all(batch.map(back)).await;
            } else {
                carrier.clear(batch.collect()).await;
            }
            was_empty = self.0.is_empty();
        }
    }
}

impl Carrier {
    /// Leaves a copy that was just received on the shelf if its lane would turn it away; else gives it back.
    pub(crate) fn turn_away_unread(&self, parcel: Parcel) -> Option<Parcel> {
        let copy = &parcel.copy;
        let is_first = copy.delivery_attempt <= 1;
        if !is_first || copy.reading != Reading::Known || parcel.hold.is_none() {
            return Some(parcel);
        }
        let Some((line, busy)) = self.refused_at_the_door(copy) else {
            return Some(parcel);
        };
        let Some(place) = self.shelf.place() else {
            return Some(parcel);
        };
        let step = line.lane.put_away(busy, &self.sleepers, fastrand::f64());
        place.take(parcel, Away::Unread(busy.into(), step));
        None
    }

    /// Puts away all of these.
    async fn clear(&self, batch: Vec<Shelved>) {
        let unread = batch.iter().filter(|s| matches!(s.away, Away::Unread(..)));
        let keys: Vec<Key> = unread.map(|s| s.parcel.copy.key.clone()).collect();
        let standings = match keys.as_slice() {
            [] => HashMap::new(),
            keys => match self.standings(keys).await {
                Some(standings) => standings,
                // They come back.
                None => return,
            },
        };
        let standings = &standings;
        let each = batch
            .into_iter()
            .map(|Shelved { parcel, away }| async move {
                match away {
                    Away::Unread(reason, step) => {
                        let row = standings.get(&parcel.copy.key).copied();
                        self.put_away_unread(parcel, row, reason, step).await;
                    }
                    Away::Parked(..) | Away::Held(_) => self.put_away(parcel, away).await,
                }
            });
        join_all(each).await;
    }

    /// Puts away a copy whose record has been read meanwhile, unless that says something else.
    async fn put_away_unread(
        &self,
        mut parcel: Parcel,
        row: Option<Standing>,
        reason: ParkReason,
        step: Duration,
    ) {
        parcel.standing = row;
        parcel.read_at = Instant::now();
        let (now_ms, row) = (self.clock.now_ms(), row.as_ref());
        let decision = decide::decide(&parcel.copy, row, Presence::Alone, self.rules, now_ms);
        let decision = match decision {
            Decision::Ring { .. } => decide::park(reason, row),
            other => other,
        };
        match decision {
            Decision::Park(reason) => {
                self.meters.decided(&decision);
                self.put_away(parcel, Away::Parked(reason, step)).await;
            }
            Decision::Die(_) => self.deliver_anew(parcel).await,
            other => self.carry(parcel, other).await,
        }
    }
}
