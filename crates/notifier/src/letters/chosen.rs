//! A filter of dead letters as the conditions of a statement.
//!
//! Letters are walked in the order in which they died, and behind that by their key, which is the order
//! of the indexes on their state and, if one endpoint is asked for, on that: a walk of a million of them
//! sorts nothing.

use std::borrow::Cow;

use notification::api::letters::LetterFilter;
use notification::{EndpointId, LetterState, TxNo};
use sqlx::AssertSqlSafe;

use super::id::Place;

/// The order of every walk.
pub(crate) const ORDER: &str = "ORDER BY died_ms, group_name, tx_no, source, generation";

/// A statement with its values in place.
pub(crate) type Bound = sqlx::query::Query<'static, sqlx::Any, sqlx::any::AnyArguments>;

/// Conditions on `dead_letter`, and their values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chosen {
    conditions: Vec<Cow<'static, str>>,
    values: Vec<Value>,
}

#[derive(Debug, Clone)]
enum Value {
    Text(String),
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl Chosen {
    /// The letters of a filter, in one state or in any.
    pub(crate) fn new(state: Option<LetterState>, filter: &LetterFilter) -> Self {
        let mut chosen = Self::default();
        let mut text = |condition, value: Option<&str>| {
            if let Some(value) = value {
                chosen.and(condition, [value.into()]);
            }
        };
        text("state = ?", state.map(LetterState::as_str));
        text(
            "endpoint_id = ?",
            filter.endpoint.as_ref().map(AsRef::as_ref),
        );
        text("group_name = ?", filter.group.as_ref().map(AsRef::as_ref));
        text("source = ?", filter.source.as_ref().map(AsRef::as_ref));
        text("class = ?", filter.class.map(|class| class.as_str()));
        text("reason = ?", filter.reason.map(|reason| reason.as_str()));
        text(
            "event_type = ?",
            filter.event_type.as_ref().map(AsRef::as_ref),
        );
        if let Some(since_ms) = filter.since_ms {
            chosen.and("died_ms >= ?", [since_ms.into()]);
        }
        if let Some(until_ms) = filter.until_ms {
            chosen.and("died_ms < ?", [until_ms.into()]);
        }
        if let Some(key) = &filter.key {
            chosen.with_key(key);
        }
        chosen
    }

    /// By business key as a whole, or by number as by its ending.
    fn with_key(&mut self, key: &str) {
        let ending = key.trim_start_matches('…').to_ascii_lowercase();
        let is_ending = (4..=36).contains(&ending.len())
            && ending.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        if is_ending {
            let tail: String = ending.chars().rev().collect();
            let beyond = format!("{tail}~");
            let values = [key.into(), tail.as_str().into(), beyond.as_str().into()];
            self.and("(business_key = ? OR (tail >= ? AND tail < ?))", values);
        } else {
            self.and("business_key = ?", [key.into()]);
        }
    }

    /// Those that died by then.
    pub(crate) fn died_by(mut self, at_ms: i64) -> Self {
        self.and("died_ms <= ?", [at_ms.into()]);
        self
    }

    /// Those behind a place.
    pub(crate) fn behind(mut self, place: Option<&Place>) -> Self {
        let Some(Place { died_ms, id }) = place else {
            return self;
        };
        let (group, source) = (id.key.group.as_str(), id.key.source.as_str());
        let tx_no = id.key.tx_no.to_string();
        self.and("died_ms >= ?", [(*died_ms).into()]);
        self.and(
            "(died_ms > ? OR group_name > ? OR (group_name = ? AND (tx_no > ? OR (tx_no = ? \
             AND (source > ? OR (source = ? AND generation > ?))))))",
            [
                (*died_ms).into(),
                group.into(),
                group.into(),
                tx_no.as_str().into(),
                tx_no.as_str().into(),
                source.into(),
                source.into(),
                i64::from(id.generation).into(),
            ],
        );
        self
    }

    /// Those of one endpoint.
    pub(super) fn of(mut self, endpoint: &EndpointId) -> Self {
        self.and("endpoint_id = ?", [endpoint.as_str().into()]);
        self
    }

    /// Those of other endpoints.
    pub(super) fn not_of(mut self, endpoints: &[EndpointId]) -> Self {
        if !endpoints.is_empty() {
            let places = vec!["?"; endpoints.len()].join(", ");
            let condition = format!("endpoint_id NOT IN ({places})");
            self.conditions.push(condition.into());
            let values = endpoints.iter().map(|id| id.as_str().into());
            self.values.extend(values);
        }
        self
    }

    /// Those that a job has not listed yet.
    pub(super) fn unlisted(mut self, job: &TxNo) -> Self {
        self.and(
            "NOT EXISTS (SELECT 1 FROM letter_job_letter j WHERE j.job_id = ? \
             AND j.group_name = dead_letter.group_name AND j.tx_no = dead_letter.tx_no \
             AND j.source = dead_letter.source AND j.generation = dead_letter.generation)",
            [job.to_string().as_str().into()],
        );
        self
    }

    fn and<const N: usize>(&mut self, condition: &'static str, values: [Value; N]) {
        self.conditions.push(condition.into());
        self.values.extend(values);
    }

    /// `{}` in the statement becomes the conditions.
    pub(crate) fn query(self, statement: &str) -> Bound {
        let all = match self.conditions.len() {
            0 => "1 = 1".to_owned(),
            _ => self.conditions.join(" AND "),
        };
        let mut query = sqlx::query(AssertSqlSafe(statement.replacen("{}", &all, 1)));
        for value in self.values {
            query = match value {
                Value::Text(text) => query.bind(text),
                Value::Number(number) => query.bind(number),
            };
        }
        query
    }
}
