//! What is told: one JSON document, the same for webhook and command.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalogue::Severity;

/// Whether an alarm goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// At least one subject is affected.
    Firing,
    /// None is any more.
    Resolved,
}

/// Whose alarms they are.
#[derive(Debug, Clone)]
pub struct Process {
    /// `notifier`, `bank1`, …
    pub service: String,
    /// `host:pid`.
    pub worker: String,
}

/// One alarm at one moment. `key` is the same for every notice of an alarm, so that a paging service
/// can fold them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The alarm's name: a stable word of the catalogue.
    pub name: String,
    /// What it means and what to do.
    pub meaning: String,
    /// How soon somebody must look.
    pub severity: Severity,
    /// Whether it goes on.
    pub state: State,
    /// What changed since the last notice, and what goes on if this one is a reminder. At most
    /// [`Notice::MOST_SUBJECTS`].
    pub subjects: Vec<Subject>,
    /// Subjects that are affected now, those not listed included.
    pub firing: usize,
    /// Subjects left out of the list.
    pub left_out: usize,
    /// UTC milliseconds.
    pub at_ms: i64,
}

impl Notice {
    /// The longest list of subjects.
    pub const MOST_SUBJECTS: usize = 20;
}

/// One of those whom it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Such as `endpoint=bank2`; empty if the alarm is about the process as a whole.
    pub about: String,
    /// Whether it goes on.
    pub state: State,
    /// How often it was heard.
    pub count: u64,
    /// First heard, UTC milliseconds.
    pub first_ms: i64,
    /// Last heard, or when it ended; UTC milliseconds.
    pub last_ms: i64,
    /// The newest event's fields. No secret and no body is ever among them.
    pub fields: BTreeMap<String, String>,
}
