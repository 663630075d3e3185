//! Many measured spans, and what is said of them.

use serde::{Deserialize, Serialize};

/// Spans in microseconds; negative ones are early.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spans(Vec<i64>);

/// Their percentiles, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub min_ms: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

impl Spans {
    pub(crate) fn add(&mut self, span_us: i64) {
        self.0.push(span_us);
    }

    /// `None` if there is none.
    pub(crate) fn spread(&self) -> Option<Spread> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = |per_mille: usize| {
            let index = (sorted.len() * per_mille).div_ceil(1000);
            #[allow(
                clippy::cast_precision_loss,
                reason = "microseconds of minutes at most"
            )]
            sorted
                .get(index.saturating_sub(1))
                .map(|us| *us as f64 / 1000.0)
        };
        Some(Spread {
            min_ms: at(0)?,
            p50_ms: at(500)?,
            p99_ms: at(990)?,
            max_ms: at(1000)?,
        })
    }
}
