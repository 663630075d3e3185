//! `ringback demo` from outside: its table, and what it leaves behind.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use demo::eventually;
use nix::sys::signal::Signal;
use ringback_tests::{PATIENCE, lives, normalised, pids_of, run_within, send, spawn, under_test};

/// The story takes half a minute alone; here it has company.
const WHOLE_STORY: Duration = Duration::from_secs(240);

const GOLDEN: &str = include_str!("golden/demo.txt");

async fn plays_to_its_end(folder: &Path) {
    let finished = run_within(WHOLE_STORY, under_test!(), folder, &["demo"]).await;
    let table = normalised(&finished.stdout);
    assert_eq!(
        table,
        GOLDEN.trim_end(),
        "\n{}\n{}",
        finished.stdout,
        finished.stderr
    );
    assert_eq!(finished.code(), 0);
    assert_eq!(finished.stderr, "");
    assert!(
        pids_of(&folder.join(".ringback/demo")).is_empty(),
        "the run file is removed"
    );
}

/// Starts a demo and waits until all its services run. Gives their pids.
async fn running(folder: &Path) -> (tokio::process::Child, Vec<u32>) {
    let child = spawn(under_test!(), folder, &["demo"]);
    let data = folder.join(".ringback/demo");
    let pids = eventually("four services", PATIENCE, || async {
        let pids = pids_of(&data);
        Ok((pids.len() == 4).then_some(pids))
    });
    (child, pids.await.unwrap())
}

async fn all_end(pids: &[u32]) {
    let gone = eventually("no service is left", PATIENCE, || async {
        Ok((!pids.iter().copied().any(lives)).then_some(()))
    });
    gone.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_demos_at_once_both_end_with_every_line_as_expected() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    tokio::join!(plays_to_its_end(one.path()), plays_to_its_end(two.path()));
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_leaves_no_process_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, pids) = running(folder.path()).await;
    send(child.id().unwrap(), Signal::SIGINT);
    let status = tokio::time::timeout(PATIENCE, child.wait())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(status.code(), Some(130));
    all_end(&pids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_that_is_killed_leaves_no_process_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, pids) = running(folder.path()).await;
    child.kill().await.unwrap();
    all_end(&pids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn usual_ports_that_are_taken_are_replaced() {
    // Held here, unless somebody else holds it already: either way it is taken.
    let _taken = TcpListener::bind("127.0.0.1:8181");
    let folder = tempfile::tempdir().unwrap();
    let (mut child, pids) = running(folder.path()).await;
    let run = demo::RunFile::read(&folder.path().join(".ringback/demo"))
        .unwrap()
        .unwrap();
    let bank1 = run.address("bank1").unwrap();
    assert_ne!(bank1.port(), 8181);
    assert!(
        (20_000..32_000).contains(&bank1.port()),
        "{bank1} is in the ephemeral range"
    );
    send(child.id().unwrap(), Signal::SIGINT);
    child.wait().await.unwrap();
    all_end(&pids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_with_somebody_elses_files_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join(".ringback/demo");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("thesis.txt"), "years of work").unwrap();
    let refused = ringback_tests::run(under_test!(), folder.path(), &["demo"]).await;
    refused.refuses(2, &[".ringback/demo", "not emptied", "--data-dir"]);
    assert!(data.join("thesis.txt").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_demo_on_the_same_folder_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, pids) = running(folder.path()).await;
    let refused = ringback_tests::run(under_test!(), folder.path(), &["demo"]).await;
    refused.refuses(1, &[".ringback/demo", "in use", "--data-dir"]);
    send(child.id().unwrap(), Signal::SIGINT);
    child.wait().await.unwrap();
    all_end(&pids).await;
}
