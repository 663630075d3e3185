//! README.md shows real output: its transcripts are played, and compared but for ids, times, ports and pids.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use ringback_tests::{System, Typed, normalised, readme_transcript, typed, under_test};

/// What the table of `ringback demo` looks like; tests/demo.rs holds the program to it.
const DEMO: &str = include_str!("golden/demo.txt");

#[test]
fn the_readme_shows_the_table_that_demo_prints() {
    assert_eq!(normalised(&readme_transcript("demo")), DEMO.trim_end());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readmes_session_is_what_a_user_sees() {
    let up = &typed(&readme_transcript("up"))[0];
    let words: Vec<&str> = arguments(&up.command).collect();
    assert_eq!(words[0], "up", "{}", up.command);
    let mut system = System::up(under_test!(), &words[1..]);
    let greeting = system.says("Try: ").await;
    assert_eq!(normalised(&up.printed), normalised(&greeting));

    let shown = typed(&readme_transcript("session"));
    let mut seen = Vec::new();
    for Typed { command, .. } in &shown {
        let here = in_this_run(command, &shown, &seen);
        let mut printed = String::new();
        for part in here
            .split(" && ")
            .filter(|part| !part.starts_with("alias "))
        {
            let words: Vec<&str> = arguments(part).collect();
            let finished = system.run(&words).await;
            printed.push_str(&finished.stdout);
            printed.push_str(&finished.stderr);
        }
        seen.push(Typed {
            command: here,
            printed,
        });
    }
    assert_eq!(
        normalised(&as_text(&shown)),
        normalised(&as_text(&seen)),
        "\nreal output:\n{}",
        as_text(&seen)
    );
    system.ctrl_c().await;
}

/// The arguments of `ringback a b` or `cargo run -- a b`; a comment at the end is for the reader.
fn arguments(command: &str) -> impl Iterator<Item = &str> {
    let command = command.split('#').next().unwrap_or_default();
    let rest = command
        .strip_prefix("cargo run -- ")
        .or_else(|| command.trim().strip_prefix("ringback "));
    rest.unwrap_or_else(|| panic!("not a command of ours: {command}"))
        .split_whitespace()
}

/// The same command with the endings of this run's transfers: the one that came at the same place.
fn in_this_run(command: &str, shown: &[Typed], seen: &[Typed]) -> String {
    let (there, here) = (tx_nos(&as_text(shown)), tx_nos(&as_text(seen)));
    let ending = |word: &str| {
        let place = there
            .iter()
            .position(|tx_no| word.len() >= 4 && tx_no.ends_with(word))?;
        Some(here[place][36 - word.len()..].to_owned())
    };
    let words = command
        .split(' ')
        .map(|word| ending(word).unwrap_or_else(|| word.to_owned()));
    words.collect::<Vec<_>>().join(" ")
}

fn tx_nos(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words
        .filter(|word| word.len() == 36 && word.matches('-').count() == 4)
        .map(str::to_owned)
        .collect()
}

fn as_text(all: &[Typed]) -> String {
    let block = |typed: &Typed| format!("$ {}\n{}", typed.command, typed.printed.trim_end());
    all.iter().map(block).collect::<Vec<_>>().join("\n")
}
