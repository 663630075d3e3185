//! What is printed: a line of JSON a scenario, or a table of all.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::spread::Spread;

/// A scenario's figures. What does not apply is `null`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    pub scenario: &'static str,
    /// `embedded` or `rocketmq`.
    pub broker: &'static str,
    /// `sqlite` or `mariadb`.
    pub database: &'static str,
    pub count: u64,
    pub rate_per_s: Option<f64>,
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    pub max_ms: Option<f64>,
    pub cpu_us_per_message: BTreeMap<&'static str, f64>,
    pub rss_mib: BTreeMap<&'static str, f64>,
    /// What the milliseconds are of, and what else is worth knowing.
    pub note: String,
}

impl Figures {
    pub(crate) fn with_spread(mut self, spread: Option<Spread>) -> Self {
        self.p50_ms = spread.map(|spread| spread.p50_ms);
        self.p99_ms = spread.map(|spread| spread.p99_ms);
        self.max_ms = spread.map(|spread| spread.max_ms);
        self
    }
}

/// The table's head, and a line for each scenario.
pub(crate) fn table(all: &[Figures]) -> String {
    let head = [
        "scenario",
        "count",
        "rate/s",
        "p50 ms",
        "p99 ms",
        "max ms",
        "CPU µs/message",
        "RSS MiB",
        "note",
    ];
    let mut rows: Vec<Vec<String>> = vec![head.map(str::to_owned).to_vec()];
    for figures in all {
        rows.push(vec![
            figures.scenario.to_owned(),
            figures.count.to_string(),
            shown(figures.rate_per_s, 0),
            shown(figures.p50_ms, 1),
            shown(figures.p99_ms, 1),
            shown(figures.max_ms, 1),
            each(&figures.cpu_us_per_message),
            each(&figures.rss_mib),
            figures.note.clone(),
        ]);
    }
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(&widths) {
            text.push_str(&format!("{cell:<width$}  "));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

fn each(values: &BTreeMap<&'static str, f64>) -> String {
    let shown: Vec<String> = values
        .iter()
        .map(|(process, value)| format!("{process} {value:.0}"))
        .collect();
    shown.join(", ")
}
