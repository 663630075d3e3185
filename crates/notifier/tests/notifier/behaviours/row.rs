//! A row of the table: what a receiver does, under which rule, and what that has to mean.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::receiver::{Step, Transport};

/// The ladder of every row: short, so that its first rung is seen to its end.
pub(super) const LADDER: &str = "2s,10m";

/// Enough for a receiver that answers, on a machine that has other work.
const PATIENT: Duration = Duration::from_secs(30);

/// Enough for a status to come, and soon over.
const IMPATIENT: Duration = Duration::from_secs(3);

pub(super) struct Row {
    pub(super) does: &'static str,
    pub(super) rule: Rule,
    pub(super) at: At,
    pub(super) patience: Duration,
    pub(super) means: Means,
    /// Further keys of its `[[endpoint]]`.
    pub(super) more: Value,
}

/// Where it is rung.
pub(super) enum At {
    /// At a receiver that plays this.
    Script(Transport, Vec<Step>),
    /// At a port where nobody listens.
    Nobody,
    /// At this URL; `{port}` is that of a receiver that answers 200.
    Url(&'static str),
}

/// What the endpoint takes for delivered, or rejected.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    Status,
    Body,
    Field(&'static str, &'static str),
    Reject(&'static [u16]),
}

impl Rule {
    pub(super) fn keys(self) -> Value {
        match self {
            Self::Status => json!({}),
            Self::Body => json!({ "accept": { "body": "success" } }),
            Self::Field(field, equals) => json!({ "accept": { "field": field, "equals": equals } }),
            Self::Reject(statuses) => json!({ "reject": statuses }),
        }
    }

    pub(super) fn words(self) -> String {
        match self {
            Self::Status => "2xx".into(),
            Self::Body => "body `success`".into(),
            Self::Field(field, equals) => format!("`{field}` = `{equals}`"),
            Self::Reject(statuses) => format!("2xx, reject {statuses:?}"),
        }
    }
}

/// What the attempt's row and the broker have to show.
#[derive(Clone, Copy)]
pub(super) struct Means {
    pub(super) verdict: &'static str,
    pub(super) status: Option<u16>,
    pub(super) error: Option<&'static str>,
    /// How long until the next attempt, at least and at most.
    pub(super) next: Option<(Duration, Duration)>,
}

const RUNG: Option<(Duration, Duration)> = Some((Duration::from_secs(2), Duration::from_secs(2)));

pub(super) const fn delivered(status: u16) -> Means {
    Means {
        verdict: "delivered",
        status: Some(status),
        error: None,
        next: None,
    }
}

pub(super) const fn refused(status: u16) -> Means {
    Means {
        verdict: "refused",
        status: Some(status),
        error: None,
        next: RUNG,
    }
}

pub(super) const fn rejected(status: u16) -> Means {
    Means {
        verdict: "rejected",
        status: Some(status),
        error: None,
        next: None,
    }
}

/// No answer, or none that the rule takes.
pub(super) const fn failed(error: &'static str, status: Option<u16>) -> Means {
    Means {
        verdict: "refused",
        status,
        error: Some(error),
        next: RUNG,
    }
}

impl Means {
    /// The receiver lengthens the rung.
    pub(super) fn after(self, seconds: u64) -> Self {
        self.between(seconds, seconds)
    }

    /// The same, as exactly as a date says it.
    pub(super) fn between(self, least_s: u64, most_s: u64) -> Self {
        Self {
            next: Some((Duration::from_secs(least_s), Duration::from_secs(most_s))),
            ..self
        }
    }
}

impl Row {
    /// Under the ordinary rule.
    pub(super) fn new(does: &'static str, script: Vec<Step>, means: Means) -> Self {
        Self {
            does,
            rule: Rule::Status,
            at: At::Script(Transport::Plain, script),
            patience: PATIENT,
            means,
            more: json!({}),
        }
    }

    /// Reads the request, answers with these bytes and ends the connection.
    pub(super) fn answers(does: &'static str, answer: impl Into<Bytes>, means: Means) -> Self {
        Self::new(does, answer_with(answer), means)
    }

    pub(super) fn elsewhere(does: &'static str, at: At, means: Means) -> Self {
        Self {
            at,
            ..Self::new(does, Vec::new(), means)
        }
    }

    pub(super) fn under(self, rule: Rule) -> Self {
        Self { rule, ..self }
    }

    pub(super) fn over(mut self, transport: Transport) -> Self {
        if let At::Script(below, _) = &mut self.at {
            *below = transport;
        }
        self
    }

    pub(super) fn with(self, more: Value) -> Self {
        Self { more, ..self }
    }

    /// It runs into the deadline, so there is no use in a long one.
    pub(super) fn impatient(self) -> Self {
        Self {
            patience: IMPATIENT,
            ..self
        }
    }
}

pub(super) fn send(bytes: impl Into<Bytes>) -> Step {
    Step::Send(bytes.into())
}

pub(super) fn answer_with(answer: impl Into<Bytes>) -> Vec<Step> {
    vec![Step::Read, send(answer)]
}

/// A whole answer.
pub(super) fn whole(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Bytes {
    let body = body.as_ref();
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat().into()
}
