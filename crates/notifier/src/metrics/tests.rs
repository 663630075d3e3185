//! The names hold together: with the format's rules, with what is documented, with the dashboard.

use std::collections::BTreeSet;

use service::metrics::Kind;

use super::ALL;

const DOCUMENTED: &str = include_str!("../../../../docs/observability.md");
const DASHBOARD: &str = include_str!("../../../../docs/grafana/ringback.json");

/// Every word of a text that looks like one of our metrics.
fn names(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("ringback_"))
        // Others' names.
        .filter(|word| {
            !word.starts_with("ringback_initiator_") && !word.starts_with("ringback_broker_")
        })
        .collect()
}

/// What a query may say for a metric.
fn spellings() -> BTreeSet<String> {
    let mut spellings = BTreeSet::new();
    for metric in ALL {
        spellings.insert(metric.name.to_owned());
        if metric.kind == Kind::Histogram {
            for ending in ["_bucket", "_sum", "_count"] {
                spellings.insert(format!("{}{ending}", metric.name));
            }
        }
    }
    spellings
}

#[test]
fn a_name_says_its_kind_and_is_given_once() {
    let mut seen = BTreeSet::new();
    for metric in ALL {
        let name = metric.name;
        assert!(seen.insert(name), "{name} twice");
        assert!(name.starts_with("ringback_"), "{name}");
        assert_eq!(
            name.ends_with("_total"),
            metric.kind == Kind::Counter,
            "{name}"
        );
        assert!(!metric.labels.contains(&"tx_no"), "{name} is not bounded");
    }
}

#[test]
fn every_metric_is_documented_with_its_labels_and_nothing_else_is() {
    for metric in ALL {
        let row = format!("| `{}` |", metric.name);
        let row = DOCUMENTED.lines().find(|line| line.starts_with(&row));
        let row = row.unwrap_or_else(|| panic!("{} has no row", metric.name));
        for label in metric.labels {
            assert!(row.contains(&format!("`{label}`")), "{row}: {label}");
        }
    }
    let spellings = spellings();
    for name in names(DOCUMENTED) {
        assert!(
            spellings.contains(name),
            "{name} is documented, and not there"
        );
    }
}

#[test]
fn the_dashboard_asks_for_what_there_is() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut queries = Vec::new();
    let mut left = vec![&dashboard];
    while let Some(value) = left.pop() {
        match value {
            serde_json::Value::Object(fields) => {
                for (name, field) in fields {
                    match field.as_str() {
                        Some(text) if matches!(&**name, "expr" | "query") => queries.push(text),
                        _ => left.push(field),
                    }
                }
            }
            serde_json::Value::Array(items) => left.extend(items),
            _ => {}
        }
    }
    let spellings = spellings();
    let asked: BTreeSet<&str> = queries.iter().flat_map(|query| names(query)).collect();
    assert!(asked.len() >= 15, "{asked:?}");
    for name in asked {
        assert!(
            spellings.contains(name),
            "{name} is asked for, and not there"
        );
    }
}
