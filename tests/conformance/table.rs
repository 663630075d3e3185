//! What is printed: a line for each behaviour, a column for each broker, and one line of counts.

use std::fmt;
use std::time::Duration;

use crate::suite::Behaviour;

/// What became of one behaviour on one broker.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    NotRun,
    Ok,
    /// As declared, which is not as Apache RocketMQ does.
    Differs(&'static str),
    Failed(String),
}

impl Seen {
    fn good(&self) -> bool {
        matches!(self, Seen::Ok | Seen::Differs(_))
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Seen::NotRun => write!(f, "-"),
            Seen::Ok => write!(f, "ok"),
            Seen::Differs(why) => write!(f, "differs: {why}"),
            Seen::Failed(why) => write!(f, "FAILED: {why}"),
        }
    }
}

pub(crate) struct Row {
    pub(crate) behaviour: Behaviour,
    pub(crate) embedded: Seen,
    pub(crate) rocketmq: Seen,
}

/// The whole.
pub(crate) struct Table {
    pub(crate) rows: Vec<Row>,
    /// Whether there was an Apache RocketMQ to judge.
    pub(crate) with_rocketmq: bool,
    pub(crate) took: Duration,
}

impl Table {
    /// Whether whatever ran was as it should be.
    pub(crate) fn good(&self) -> bool {
        self.rows.iter().all(|row| {
            !matches!(row.embedded, Seen::Failed(_)) && !matches!(row.rocketmq, Seen::Failed(_))
        })
    }

    pub(crate) fn last_line(&self) -> String {
        let count =
            |column: fn(&Row) -> &Seen| self.rows.iter().filter(|row| column(row).good()).count();
        let mut line = format!(
            "behaviours: {}, embedded {} ok",
            self.rows.len(),
            count(|row| &row.embedded)
        );
        if self.with_rocketmq {
            line.push_str(&format!(", rocketmq {} ok", count(|row| &row.rocketmq)));
        }
        line
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or_default();
        let ids = width(&mut self.rows.iter().map(|row| row.behaviour.id.len())).max(9);
        // Long words go into the last column, where they push nothing aside.
        let short = |seen: &Seen| match seen {
            Seen::Differs(_) => "differs".to_owned(),
            Seen::Failed(_) => "FAILED".to_owned(),
            other => other.to_string(),
        };
        writeln!(
            f,
            "{:ids$}  {:8}  {:8}",
            "behaviour", "embedded", "rocketmq"
        )?;
        for row in &self.rows {
            let words = [("embedded", &row.embedded), ("rocketmq", &row.rocketmq)];
            let why: Vec<String> = words
                .iter()
                .filter(|(_, seen)| matches!(seen, Seen::Differs(_) | Seen::Failed(_)))
                .map(|(broker, seen)| format!("{broker} {seen}"))
                .collect();
            let line = format!(
                "{:ids$}  {:8}  {:8}  {}",
                row.behaviour.id,
                short(&row.embedded),
                short(&row.rocketmq),
                why.join("; ")
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        writeln!(f, "took {:.1} s", self.took.as_secs_f64())
    }
}
