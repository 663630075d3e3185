//! `docs/rules.md` names tests that are there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The names of all tests of the workspace.
fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    sources(&root.join("crates"), &mut files);
    sources(&root.join("tests"), &mut files);
    let mut names = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        let mut is_test = false;
        for line in text.lines().map(str::trim_start) {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            let line = line.strip_prefix("async ").unwrap_or(line);
            if let Some(name) = line.strip_prefix("fn ").filter(|_| is_test) {
                names.insert(name.split(['(', '<']).next().unwrap().to_owned());
                is_test = false;
            }
        }
    }
    names
}

#[test]
fn every_rule_names_tests_and_each_of_them_exists() {
    let table = include_str!("../../../../docs/rules.md");
    let tests = tests();
    assert!(tests.len() > 1_000, "the tests are found: {}", tests.len());
    let mut rules = 0;
    for row in table.lines().filter(|line| line.starts_with("| N")) {
        let mut columns = row.split('|').map(str::trim).skip(1);
        let number = columns.next().unwrap();
        let named = columns.nth(1).unwrap();
        let named: Vec<&str> = named.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "{number} names no test");
        for name in named {
            assert!(tests.contains(name), "{number}: {name} is no test");
        }
        rules += 1;
        assert_eq!(number, format!("N{rules}"), "numbered without a gap");
    }
    assert!(rules > 40, "{rules}");
}
