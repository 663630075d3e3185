//! What is counted of the writer's commits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;

/// Where the buckets of times end, in seconds.
const SECONDS: [f64; 11] = [
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0,
];

/// Where the buckets of requests in one commit end.
const REQUESTS: [f64; 8] = [0.0, 1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 2048.0];

/// Counts of commits, from the broker's start on.
#[derive(Debug)]
pub struct Commits {
    seconds: Histogram,
    requests: Histogram,
    failures: AtomicU64,
}

impl Default for Commits {
    fn default() -> Self {
        Self {
            seconds: Histogram::new(SECONDS),
            requests: Histogram::new(REQUESTS),
            failures: AtomicU64::new(0),
        }
    }
}

impl Commits {
    pub(crate) fn made(&self, requests: usize, took: Duration) {
        self.seconds.observe(took.as_secs_f64());
        let requests = u32::try_from(requests).unwrap_or(u32::MAX);
        self.requests.observe(f64::from(requests));
    }

    pub(crate) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// How long they took, from the first request taken up to its being on disk.
    pub fn seconds(&self) -> &Histogram {
        &self.seconds
    }

    /// How many requests each carried out; none where only time had come for something.
    pub fn requests(&self) -> &Histogram {
        &self.requests
    }

    /// How many failed, each with all its requests.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }
}
