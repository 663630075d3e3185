//! COVERAGE.md says of each observed fact which behaviour shows it, or why none does. It must name
//! every behaviour, and none that there is not.

use std::collections::BTreeSet;

use anyhow::ensure;

use crate::suite::{Behaviour, Outcome};

const TEXT: &str = include_str!("COVERAGE.md");

/// Compares the text with the list.
pub(crate) fn check(all: &[Behaviour]) -> Outcome {
    let ids: BTreeSet<&str> = all.iter().map(|behaviour| behaviour.id).collect();
    ensure!(ids.len() == all.len(), "two behaviours share an id");
    let named = named(TEXT);
    let unknown: Vec<_> = named.difference(&ids).collect();
    ensure!(
        unknown.is_empty(),
        "names what is no behaviour: {unknown:?}"
    );
    let unnamed: Vec<_> = ids.difference(&named).collect();
    ensure!(unnamed.is_empty(), "does not name {unnamed:?}");
    Ok(())
}

/// The ids in a table's last column: words in backticks with a dot in the middle.
fn named(text: &str) -> BTreeSet<&str> {
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let last = rows.filter_map(|line| line.trim_end_matches(['|', ' ']).rsplit(" | ").next());
    last.flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .filter(|word| word.contains('.') && !word.contains([' ', '/']))
        .collect()
}
