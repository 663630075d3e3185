//! The catalogue and the sources say the same.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use alarm::catalogue::{ALARMS, Ends, ONLY_LOGGED};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The sources of all crates but this one, without their tests.
fn texts() -> Vec<String> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(crates).expect("the crates") {
        let path = entry.expect("an entry").path();
        if path.join("Cargo.toml").exists() && !path.ends_with("alarm") {
            sources(&path.join("src"), &mut files);
        }
    }
    assert!(files.len() > 100, "the sources are found");
    let read = |file: &PathBuf| {
        let text = std::fs::read_to_string(file).expect("a text");
        text.split("#[cfg(test)]")
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    files.iter().map(read).collect()
}

/// The names in `event = "…"` of each call of one of these macros, in the sources of all crates.
fn events(macros: &[&str]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for text in texts() {
        for start in macros {
            for call in text.split(start).skip(1) {
                let call = call.split(");").next().unwrap_or_default();
                if let Some((_, rest)) = call.split_once("event = \"") {
                    names.insert(rest.split('"').next().unwrap_or_default().to_owned());
                }
            }
        }
    }
    names
}

#[test]
fn every_warning_is_an_alarm_or_said_not_to_be_one() {
    let known = |name: &String| {
        ALARMS.iter().any(|alarm| alarm.name == name) || ONLY_LOGGED.contains(&name.as_str())
    };
    let unknown: Vec<String> = events(&["tracing::warn!(", "tracing::error!("])
        .into_iter()
        .filter(|name| !known(name))
        .collect();
    assert!(unknown.is_empty(), "not in the catalogue: {unknown:?}");
}

#[test]
fn every_alarm_is_raised_somewhere_and_so_is_what_ends_it() {
    let raised = events(&["tracing::warn!(", "tracing::error!("]);
    let said = events(&["tracing::info!(", "tracing::warn!("]);
    for alarm in ALARMS
        .iter()
        .filter(|alarm| alarm.name != "alarms_not_heard")
    {
        assert!(
            raised.contains(alarm.name),
            "{} is never raised",
            alarm.name
        );
        if let Ends::With(end) = alarm.ends {
            assert!(said.contains(end), "{} is never ended: {end}", alarm.name);
        }
    }
}

const LEVELS: [&str; 5] = [
    "tracing::error!(",
    "tracing::warn!(",
    "tracing::info!(",
    "tracing::debug!(",
    "tracing::trace!(",
];

#[test]
fn every_event_begins_with_its_name_in_snake_case() {
    let mut calls = 0;
    for text in texts() {
        for start in LEVELS {
            for call in text.split(start).skip(1) {
                let shown: String = call.chars().take(80).collect();
                let name = call.trim_start().strip_prefix("event = \"");
                let name = name.and_then(|rest| rest.split('"').next());
                let name = name.unwrap_or_else(|| panic!("{start}{shown}"));
                let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                assert!(!name.is_empty() && name.chars().all(snake), "{name}");
                calls += 1;
            }
        }
    }
    assert!(calls > 100, "the calls are found: {calls}");
}

#[test]
fn every_documented_event_exists() {
    let guide = include_str!("../../../docs/observability.md");
    let (_, rest) = guide.split_once("## Log events").expect("the section");
    let section = rest.split("\n## ").next().unwrap_or_default();
    let known = events(&LEVELS);
    let mut documented = 0;
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let names = row.split('|').nth(1).unwrap_or_default();
        for name in names.split('`').skip(1).step_by(2) {
            assert!(known.contains(name), "{name} is documented, and not there");
            documented += 1;
        }
    }
    assert!(documented > 30, "{documented}");
}
