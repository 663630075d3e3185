//! What came, and when.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::spread::{Spans, Spread};

/// Everything that the receiver has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    rungs_us: Vec<u64>,
    /// From being sent to arriving.
    delay: Spans,
    lateness: Spans,
    climbing: HashMap<String, Climb>,
    count: u64,
    hung: u64,
    first_us: Option<u64>,
    last_us: u64,
    /// What `/switch` answers.
    switched: Option<u16>,
}

/// A message on its ladder.
#[derive(Debug, Default)]
struct Climb {
    attempts: usize,
    answered_us: u64,
}

/// What is told of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Told {
    /// Requests, but for those that hang.
    pub count: u64,
    /// Requests that hang.
    pub hung: u64,
    /// From the first to the last of the counted.
    pub span_us: u64,
    /// From being sent to arriving, but for `/rungs`.
    pub delay: Option<Spread>,
    /// How late the rungs were.
    pub lateness: Option<Spread>,
    /// Messages on `/rungs`, and how many of them came as often as there are rungs and once more.
    pub climbed: (u64, u64),
}

impl Seen {
    pub(super) fn new(rungs_ms: Vec<u64>) -> Self {
        Self {
            rungs_us: rungs_ms.into_iter().map(|ms| ms * 1000).collect(),
            ..Self::default()
        }
    }

    pub(super) fn reset(&mut self) {
        *self = Self {
            rungs_us: std::mem::take(&mut self.rungs_us),
            ..Self::default()
        };
    }

    pub(super) fn switch(&mut self, status: u16) {
        self.switched = Some(status);
    }

    pub(super) fn switched(&self) -> u16 {
        self.switched.unwrap_or(200)
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn hung(&mut self) {
        self.hung += 1;
    }

    pub(super) fn came(&mut self, came_us: u64, sent_us: u64) {
        self.counted(came_us);
        self.delay
            .add(came_us.cast_signed() - sent_us.cast_signed());
    }

    pub(super) fn rung(&mut self, id: &str, came_us: u64) {
        self.counted(came_us);
        let climb = self.climbing.entry(id.to_owned()).or_default();
        if let Some(before) = climb.attempts.checked_sub(1)
            && let Some(rung) = self.rungs_us.get(before)
        {
            let due_us = climb.answered_us + rung;
            self.lateness
                .add(came_us.cast_signed() - due_us.cast_signed());
        }
        climb.attempts += 1;
    }

    pub(super) fn answered(&mut self, id: &str, at_us: u64) {
        if let Some(climb) = self.climbing.get_mut(id) {
            climb.answered_us = at_us;
        }
    }

    fn counted(&mut self, came_us: u64) {
        self.count += 1;
        self.first_us.get_or_insert(came_us);
        self.last_us = came_us;
    }

    pub(super) fn told(&self) -> Told {
        let whole = self.rungs_us.len() + 1;
        let climbs = self.climbing.values();
        let all_rungs = climbs.filter(|climb| climb.attempts == whole).count();
        Told {
            count: self.count,
            hung: self.hung,
            span_us: self.last_us - self.first_us.unwrap_or(self.last_us),
            delay: self.delay.spread(),
            lateness: self.lateness.spread(),
            climbed: (self.climbing.len() as u64, all_rungs as u64),
        }
    }
}
