//! How many of a subscription's permits are with its copies: what is left is everybody's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A subscription's permits; clones share the count.
#[derive(Debug, Clone)]
pub(crate) struct Permits {
    all: usize,
    held: Arc<AtomicUsize>,
}

/// One of them, as long as its copy is carried.
#[derive(Debug)]
pub(crate) struct Held(Arc<AtomicUsize>);

impl Permits {
    pub(crate) fn new(all: usize) -> Self {
        Self {
            all,
            held: Arc::default(),
        }
    }

    /// Counts one more until it is dropped.
    pub(crate) fn hold(&self) -> Held {
        self.held.fetch_add(1, Ordering::Relaxed);
        Held(self.held.clone())
    }

    pub(crate) fn all(&self) -> usize {
        self.all
    }

    /// How many are free.
    pub(crate) fn free(&self) -> usize {
        self.all.saturating_sub(self.held.load(Ordering::Relaxed))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
