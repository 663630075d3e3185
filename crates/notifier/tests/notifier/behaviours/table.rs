//! The table as text, and its copy in the documentation.

use std::path::Path;

use super::row::{LADDER, Row};
use super::stage::Seen;

const HEAD: &str = "# What a receiver may do, and what it means

Observed by `crates/notifier/tests/notifier/behaviours`: each row was played by a receiver on a socket, rung by a real
notifier with a message from a real broker. The test compares this file with what it sees; `RINGBACK_BLESS=1` writes it
anew.

- **rule**: what the endpoint takes for delivered (`accept`), and what it takes for never (`reject`, 410 and 422 if it
  does not say).
- **verdict**, **status**, **error** and **kept** are those of the attempt's row: `ringback status <tx_no>` shows them.
- **broker** is what became of the message there: *acked*, it is gone; *deferred*, it comes back for the next attempt; *DLQ*,
  it lies in the dead-letter topic and there is a letter.
- **next**: how long after the attempt's end the next one is due. *rung* is what the ladder says, 2 s here; each row that
  is due soon was seen to be rung again, not earlier than that, and its second refusal to take the second rung (10 m).

An attempt has one deadline over everything, from the name to the last byte of the answer. Of an answer 64 KiB are read;
what is larger is judged by its status, unless the rule asks for its body. No compression is asked for, and none is undone.
";

pub(super) fn render(sections: &[(&'static str, Vec<Row>)], seen: &[Seen]) -> String {
    let mut seen = seen.iter();
    let mut text = String::from(HEAD);
    for (title, rows) in sections {
        text += &format!(
            "\n## {title}\n\n| the receiver | rule | verdict | status | error | broker | next | kept |\n\
             |---|---|---|---|---|---|---|---|\n"
        );
        for (row, seen) in rows.iter().zip(&mut seen) {
            text += &line(row, seen);
        }
    }
    let count: usize = sections.iter().map(|(_, rows)| rows.len()).sum();
    text + &format!("\n{count} behaviours, on the ladder `{LADDER}`.\n")
}

fn line(row: &Row, seen: &Seen) -> String {
    let status = seen
        .status
        .map_or_else(String::new, |status| status.to_string());
    let error = seen.error.clone().unwrap_or_default();
    format!(
        "| {} | {} | {} | {status} | {error} | {} | {} | {} |\n",
        cell(row.does),
        cell(&row.rule.words()),
        seen.verdict,
        seen.settlement,
        next(row),
        cell(&kept(seen.excerpt.as_deref().unwrap_or_default())),
    )
}

/// As it was found to be by [`Seen::agrees_with`]: rounded, so that the text repeats.
fn next(row: &Row) -> String {
    match row.means.next {
        None => String::new(),
        Some((least, most)) if least != most => "by the date".to_owned(),
        Some((_, most)) if most.as_secs() == 2 => "rung".to_owned(),
        Some((_, most)) => humantime::format_duration(most).to_string(),
    }
}

/// The beginning of what is kept of an answer.
fn kept(excerpt: &str) -> String {
    const SHOWN: usize = 24;
    let start: String = excerpt.chars().take(SHOWN).collect();
    let shown = start.escape_default().to_string();
    match excerpt.chars().count() {
        0 => String::new(),
        // What a packer makes of the same bytes is its own affair.
        _ if excerpt.starts_with("\u{1f}") => "(gzip)".to_owned(),
        all if all > SHOWN => format!("`{shown}`… ({} bytes)", excerpt.len()),
        _ => format!("`{shown}`"),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn bless() -> bool {
    std::env::var_os("RINGBACK_BLESS").is_some()
}

pub(super) fn agrees_with_the_documentation(text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/receiver-behaviours.md");
    if bless() {
        std::fs::write(&file, text).unwrap();
    }
    let documented = std::fs::read_to_string(&file).unwrap_or_default();
    for (ours, theirs) in text.lines().zip(documented.lines()) {
        assert_eq!(
            ours, theirs,
            "docs/receiver-behaviours.md differs; RINGBACK_BLESS=1 writes it anew"
        );
    }
    assert!(
        text == documented,
        "docs/receiver-behaviours.md is longer or shorter; RINGBACK_BLESS=1 writes it anew"
    );
}
