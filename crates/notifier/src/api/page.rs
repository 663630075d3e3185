//! What all lists share: the page's size, its cursor, and filters that become SQL.

use std::fmt::Display;

use service::problem::Problem;
use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};

/// The usual page and the largest one.
pub(super) const USUAL: u32 = 100;
pub(super) const MOST: u32 = 500;

/// The page's size that was asked for.
pub(super) fn limit(asked: Option<u32>, usual: u32, most: u32) -> Result<u32, Problem> {
    let limit = asked.unwrap_or(usual);
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    Err(refused("limit", limit, format!("1 to {most}")))
}

/// 422 for a cursor that was never one of this list: it would sort somewhere all the same, and
/// hide what lies before it.
pub(super) fn not_a_cursor(after: &str) -> Problem {
    refused(
        "after",
        format_args!("{after:?}"),
        "`next` of the page before",
    )
}

/// 422 for a parameter's value.
pub(super) fn refused(field: &str, value: impl Display, limit: impl Into<String>) -> Problem {
    Problem::invalid(field, format!("{value} is refused"), limit)
}

/// Cuts a list that was read with one more than the page, and says whether there is more.
pub(super) fn cut<T>(items: &mut Vec<T>, limit: u32) -> bool {
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    more
}

/// Conditions that all hold, with their values. Texts are the program's own, values are bound.
#[derive(Debug, Clone, Default)]
pub(super) struct Where {
    text: String,
    values: Vec<Value>,
}

/// A value to bind.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl Where {
    /// `condition` holds one `?` for each value.
    pub(super) fn and(&mut self, condition: &'static str, values: impl IntoIterator<Item = Value>) {
        let joint = if self.text.is_empty() {
            "WHERE "
        } else {
            " AND "
        };
        self.text.push_str(joint);
        self.text.push_str(condition);
        self.values.extend(values);
    }

    /// The same for a filter that may be absent.
    pub(super) fn and_if<V: Into<Value>>(&mut self, condition: &'static str, value: Option<V>) {
        if let Some(value) = value {
            self.and(condition, [value.into()]);
        }
    }

    /// `<select> WHERE … <rest> LIMIT …`, bound; `rest` holds no `?`.
    pub(super) fn query(
        self,
        select: &str,
        rest: &str,
        limit: u32,
    ) -> Query<'static, Any, AnyArguments> {
        self.bound(select, rest, "LIMIT ?").bind(i64::from(limit))
    }

    /// The one row after so many.
    pub(super) fn nth(self, select: &str, rest: &str, n: u32) -> Query<'static, Any, AnyArguments> {
        self.bound(select, rest, "LIMIT 1 OFFSET ?")
            .bind(i64::from(n))
    }

    fn bound(self, select: &str, rest: &str, end: &str) -> Query<'static, Any, AnyArguments> {
        let text = format!("{select} {} {rest} {end}", self.text);
        let mut query = sqlx::query(AssertSqlSafe(text));
        for value in self.values {
            query = match value {
                Value::Text(text) => query.bind(text),
                Value::Number(number) => query.bind(number),
            };
        }
        query
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_beyond_the_page_is_named() {
        assert_eq!(limit(None, 100, 500).unwrap(), 100);
        assert_eq!(limit(Some(500), 100, 500).unwrap(), 500);
        for bad in [0, 501] {
            let problem = serde_json::to_value(limit(Some(bad), 100, 500).unwrap_err()).unwrap();
            assert_eq!(problem["status"], 422);
            assert_eq!(
                (&problem["field"], &problem["limit"]),
                (&"limit".into(), &"1 to 500".into())
            );
        }
    }

    #[test]
    fn filters_that_are_absent_leave_no_condition() {
        let mut filter = Where::default();
        filter.and_if("a = ?", None::<i64>);
        filter.and_if("b = ?", Some("x"));
        filter.and("(c, d) > (?, ?)", [Value::from(1_i64), Value::from("y")]);
        assert_eq!(filter.text, "WHERE b = ? AND (c, d) > (?, ?)");
        assert_eq!(filter.values.len(), 3);
    }

    #[test]
    fn one_more_than_a_page_means_that_there_is_more() {
        let mut items = vec![1, 2, 3];
        assert!(cut(&mut items, 2));
        assert!(!cut(&mut items, 2));
        assert_eq!(items, [1, 2]);
    }
}
