//! Is everything set up so that nothing can get lost? The core of `ringback doctor`.
//!
//! [`gather`] asks (the broker, the databases, the services, the receivers: all at once, each under a deadline),
//! [`findings`] judges what was answered and is pure. The invariants: nothing is changed or consumed by asking, no
//! business data is posted, and a check that could not be made is a finding that says why, never silence. Only [`mend`]
//! changes something, by asking the notifier, and only where an operator says so.

mod dead;
pub mod evidence;
pub mod gather;
mod mend;
mod setup;
mod surroundings;

use serde::Serialize;

pub use evidence::Evidence;
pub use mend::mend;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It could not be checked.
    Unknown,
    /// It works, and could be better, or will not work for ever.
    Warn,
    /// Messages get lost, or don't get through.
    Fail,
}

impl Level {
    /// The word for a reader.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "?",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was looked at.
    pub subject: String,
    /// How it is.
    pub is: String,
    /// How it should be; absent where it is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub should: Option<String>,
    /// What to do: most often a command or a line to paste.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Finding {
    fn ok(subject: impl Into<String>, is: impl Into<String>) -> Self {
        Self {
            level: Level::Ok,
            subject: subject.into(),
            is: is.into(),
            should: None,
            fix: None,
        }
    }

    fn unknown(subject: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            level: Level::Unknown,
            ..Self::ok(subject, why)
        }
    }

    fn bad(
        level: Level,
        subject: impl Into<String>,
        is: impl Into<String>,
        should: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            level,
            should: Some(should.into()),
            fix: Some(fix.into()),
            ..Self::ok(subject, is)
        }
    }
}

/// Judges all that was answered, in the order in which an operator would look.
pub fn findings(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = setup::findings(evidence);
    findings.extend(surroundings::findings(evidence));
    findings.extend(dead::findings(evidence));
    findings
}

#[cfg(test)]
mod tests;
