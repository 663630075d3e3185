//! Counters that cost an atomic addition, and histograms that exist once something was observed.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::histogram::Histogram;

/// Counters for the values of an enum, by its index.
#[derive(Debug)]
pub(crate) struct Tally<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Tally<N> {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; N])
    }
}

impl<const N: usize> Tally<N> {
    /// One more at an index below `N`.
    pub(crate) fn count(&self, index: usize) {
        if let Some(counter) = self.0.get(index) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The counts in the order of the indexes.
    pub(crate) fn counts(&self) -> [u64; N] {
        std::array::from_fn(|index| self.0[index].load(Ordering::Relaxed))
    }
}

/// A histogram; until something is observed it takes no memory and is not shown.
#[derive(Debug)]
pub(crate) struct Spread {
    bounds: &'static [f64],
    histogram: OnceLock<Histogram>,
}

impl Spread {
    /// Its buckets end at these bounds, which ascend; the last one, without an end, is added.
    pub(crate) const fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            histogram: OnceLock::new(),
        }
    }

    pub(crate) fn observe(&self, value: f64) {
        let made = || Histogram::new(self.bounds.iter().copied());
        self.histogram.get_or_init(made).observe(value);
    }

    /// What was observed, if anything.
    pub(super) fn histogram(&self) -> Option<&Histogram> {
        self.histogram.get()
    }
}
