//! The names hold together: with the format's rules, with what is documented, with the dashboard.

use std::collections::BTreeSet;

use service::metrics::Kind;

use super::ALL;

const DOCUMENTED: &str = include_str!("../../../../docs/observability.md");
const DASHBOARD: &str = include_str!("../../../../docs/grafana/initiator.json");

/// Every word of a text that looks like one of these metrics.
fn names(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("ringback_initiator_"))
        .collect()
}

#[test]
fn a_name_says_its_kind_is_given_once_and_is_documented_with_its_labels() {
    let mut seen = BTreeSet::new();
    for metric in ALL {
        let name = metric.name;
        assert!(seen.insert(name), "{name} twice");
        let total = name.ends_with("_total");
        assert_eq!(total, metric.kind == Kind::Counter, "{name}");
        let row = format!("| `{name}` |");
        let row = DOCUMENTED.lines().find(|line| line.starts_with(&row));
        let row = row.unwrap_or_else(|| panic!("{name} has no row"));
        for label in metric.labels {
            assert!(row.contains(&format!("`{label}`")), "{row}: {label}");
        }
    }
}

#[test]
fn what_is_documented_or_asked_for_on_the_dashboard_is_there() {
    let is_one = |word: &str| {
        ALL.iter()
            .any(|metric| match word.strip_prefix(metric.name) {
                Some("") => true,
                Some("_bucket" | "_sum" | "_count") => metric.kind == Kind::Histogram,
                _ => false,
            })
    };
    let asked = names(DASHBOARD);
    assert!(asked.len() >= 7, "{asked:?}");
    for name in asked.union(&names(DOCUMENTED)) {
        assert!(is_one(name), "{name} is no metric");
    }
    let parsed: Result<serde_json::Value, _> = serde_json::from_str(DASHBOARD);
    parsed.unwrap();
}
