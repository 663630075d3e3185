//! What is counted of one endpoint.

use std::time::Duration;

use notification::{AttemptError, Verdict};

use super::{Spread, Tally};

/// Seconds: from an answer at once to the longest timeout.
const TOOK: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// Seconds: from at once to the end of the longest ladders.
const AGE: &[f64] = &[
    0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 1800.0, 3600.0, 21_600.0, 86_400.0,
    259_200.0,
];

/// Attempts: RocketMQ's own ladder has 17.
const ATTEMPTS: &[f64] = &[1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 13.0, 17.0, 25.0, 50.0];

/// Classes of status, then what is none of them.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "other"];

const RESULTS: usize = CLASSES.len() + AttemptError::ALL.len();

/// One endpoint's; it lives as long as its line.
#[derive(Debug)]
pub(crate) struct LineMeters {
    took: [Spread; Verdict::ALL.len()],
    results: Tally<RESULTS>,
    pub(super) age: Spread,
    pub(super) attempts: Spread,
}

impl Default for LineMeters {
    fn default() -> Self {
        Self {
            took: [const { Spread::new(TOOK) }; Verdict::ALL.len()],
            results: Tally::default(),
            age: Spread::new(AGE),
            attempts: Spread::new(ATTEMPTS),
        }
    }
}

impl LineMeters {
    /// An attempt was made.
    pub(crate) fn attempted(
        &self,
        verdict: Verdict,
        status: Option<u16>,
        error: Option<AttemptError>,
        took: Duration,
    ) {
        self.took[verdict as usize].observe(took.as_secs_f64());
        self.results.count(match (error, status) {
            (Some(error), _) => CLASSES.len() + error as usize,
            (None, Some(status @ 100..600)) => usize::from(status / 100 - 1),
            (None, _) => CLASSES.len() - 1,
        });
    }

    /// An attempt of this number is on record as the one that delivered, so long after the birth.
    pub(crate) fn delivered(&self, number: u32, age: Duration) {
        self.attempts.observe(f64::from(number));
        self.age.observe(age.as_secs_f64());
    }

    pub(super) fn took(&self) -> impl Iterator<Item = (&'static str, &Spread)> {
        let words = Verdict::ALL.iter().map(|verdict| verdict.as_str());
        words.zip(&self.took)
    }

    pub(super) fn results(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let errors = AttemptError::ALL.iter().map(|error| error.as_str());
        CLASSES.into_iter().chain(errors).zip(self.results.counts())
    }
}
