//! A number of permits, first come first served, that may change while some of them are taken.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// See the module.
#[derive(Debug)]
pub(super) struct Bound {
    permits: Arc<Semaphore>,
    size: Mutex<Size>,
}

#[derive(Debug, Clone, Copy)]
struct Size {
    wanted: usize,
    /// Taken beyond what is wanted since it was made smaller: these vanish when they come back.
    surplus: usize,
}

/// One of them; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Taken {
    permit: Option<OwnedSemaphorePermit>,
    bound: Arc<Bound>,
}

impl Bound {
    pub(super) fn new(size: usize) -> Arc<Self> {
        Arc::new(Self {
            permits: Arc::new(Semaphore::new(size)),
            size: Mutex::new(Size {
                wanted: size,
                surplus: 0,
            }),
        })
    }

    /// Waits for one.
    pub(super) async fn take(self: &Arc<Self>) -> Taken {
        let permit = self.permits.clone().acquire_owned().await;
        Taken {
            permit: Some(permit.expect("a bound's semaphore is never closed")),
            bound: self.clone(),
        }
    }

    /// One, if it is free.
    pub(super) fn try_take(self: &Arc<Self>) -> Option<Taken> {
        let permit = self.permits.clone().try_acquire_owned().ok()?;
        Some(Taken {
            permit: Some(permit),
            bound: self.clone(),
        })
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        let size = *self.size();
        (size.wanted + size.surplus).saturating_sub(self.permits.available_permits())
    }

    /// How many there are.
    pub(super) fn all(&self) -> usize {
        self.size().wanted
    }

    pub(super) fn resize(&self, wanted: usize) {
        let mut size = self.size();
        if wanted > size.wanted {
            let more = wanted - size.wanted;
            let kept = more.min(size.surplus);
            size.surplus -= kept;
            self.permits.add_permits(more - kept);
        } else {
            let fewer = size.wanted - wanted;
            size.surplus += fewer - self.permits.forget_permits(fewer);
        }
        size.wanted = wanted;
    }

    fn size(&self) -> MutexGuard<'_, Size> {
        self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut size = self.bound.size();
        if size.surplus > 0
            && let Some(permit) = self.permit.take()
        {
            size.surplus -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(bound: &Arc<Bound>, many: usize) -> Vec<Taken> {
        (0..many).map_while(|_| bound.try_take()).collect()
    }

    #[test]
    fn made_larger_it_gives_more_at_once() {
        let bound = Bound::new(2);
        let taken = take(&bound, 9);
        assert_eq!(taken.len(), 2);
        bound.resize(5);
        let more = take(&bound, 9);
        assert_eq!((more.len(), bound.taken()), (3, 5));
        drop((taken, more));
        assert_eq!(take(&bound, 9).len(), 5);
        assert_eq!(bound.taken(), 0);
    }

    #[test]
    fn made_smaller_it_waits_for_what_is_taken_to_come_back() {
        let bound = Bound::new(5);
        let mut taken = take(&bound, 4);
        bound.resize(2);
        assert!(bound.try_take().is_none());
        taken.truncate(2);
        assert!(bound.try_take().is_none(), "two are still taken");
        assert_eq!(bound.taken(), 2);
        taken.truncate(1);
        assert_eq!(take(&bound, 9).len(), 1);
        drop(taken);
        assert_eq!(take(&bound, 9).len(), 2);
    }

    #[test]
    fn made_smaller_and_larger_again_none_is_lost() {
        let bound = Bound::new(4);
        let taken = take(&bound, 4);
        bound.resize(1);
        bound.resize(3);
        drop(taken);
        assert_eq!(take(&bound, 9).len(), 3);
    }
}
