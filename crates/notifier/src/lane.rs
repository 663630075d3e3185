//! A lane: what may wait for one endpoint, and how much of it is under way at a time.
//!
//! Both bounds are semaphores, first come first served. A message takes a place when it enters and
//! a turn when it rings; a receiver that hangs fills its own lane and nobody else's. Who finds no
//! place within a moment is parked: the broker and the record keep it, not this process.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long to stand before a full lane: one that moves frees a place well within it.
const PATIENCE: Duration = Duration::from_secs(1);

/// The bounds of one endpoint; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

/// A place in a lane.
#[derive(Debug)]
pub(crate) struct Place {
    turns: Arc<Semaphore>,
    _place: OwnedSemaphorePermit,
}

/// The right to ring now; dropping it lets the next one ring.
#[derive(Debug)]
pub(crate) struct Turn {
    _turn: OwnedSemaphorePermit,
    _place: Place,
}

impl Lane {
    /// `queue` messages wait while `concurrency` are under way.
    pub(crate) fn new(queue: usize, concurrency: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(queue + concurrency)),
            turns: Arc::new(Semaphore::new(concurrency)),
        }
    }

    /// A place, or `None` if the lane stays full.
    pub(crate) async fn enter(&self) -> Option<Place> {
        let place = self.places.clone().acquire_owned();
        let place = tokio::time::timeout(PATIENCE, place).await.ok()?;
        Some(Place {
            turns: self.turns.clone(),
            _place: place.expect("a lane's semaphores are never closed"),
        })
    }
}

impl Place {
    /// Waits for the turn.
    pub(crate) async fn turn(self) -> Turn {
        let turn = self.turns.clone().acquire_owned().await;
        Turn {
            _turn: turn.expect("a lane's semaphores are never closed"),
            _place: self,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_full_lane_turns_away_and_one_that_moves_does_not() {
        let lane = Lane::new(1, 1);
        let ringing = lane.enter().await.unwrap().turn().await;
        let waiting = lane.enter().await.unwrap();
        assert!(lane.enter().await.is_none());
        let mut turn = Box::pin(waiting.turn());
        assert!((&mut turn).now_or_never().is_none(), "one turn only");
        drop(ringing);
        let _turn = turn.await;
        assert!(lane.enter().await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn lanes_do_not_share_their_bounds() {
        let (hanging, healthy) = (Lane::new(1, 1), Lane::new(1, 1));
        let _held = (
            hanging.enter().await.unwrap(),
            hanging.enter().await.unwrap(),
        );
        assert!(hanging.enter().await.is_none());
        let turn = healthy.enter().await.unwrap().turn();
        assert!(turn.now_or_never().is_some());
    }
}
