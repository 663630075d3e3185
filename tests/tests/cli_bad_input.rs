//! Mistakes a new user makes: each message names the field, the value and the limit, or the command that helps.
//! Exit code 2: wrong usage or configuration. Exit code 1: the operation failed.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ringback_tests::{Finished, System, run, under_test};
use tempfile::TempDir;
use tokio::net::TcpSocket;

async fn ringback(folder: &TempDir, args: &[&str]) -> Finished {
    run(under_test!(), folder.path(), args).await
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn configuration(folder: &TempDir, text: &str) -> String {
    let path = folder.path().join("my.toml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn an_amount_that_is_none_is_refused_before_anything_is_asked() {
    let folder = folder();
    for bad in ["ten", "10.001", "0", "-5", "1,000.00", ""] {
        let amount = format!("--amount={bad}");
        let refused = ringback(&folder, &["transfer", &amount]).await;
        refused.refuses(2, &["--amount", bad]);
    }
    ringback(&folder, &["transfer", "--amount", "10.001"])
        .await
        .refuses(2, &["two decimals, such as 10.00"]);
    ringback(&folder, &["transfer", "--amount", "0"])
        .await
        .refuses(2, &["at least 0.01"]);
}

#[tokio::test]
async fn a_command_that_is_missing_or_unknown_is_usage() {
    let folder = folder();
    ringback(&folder, &[]).await.refuses(2, &["Usage"]);
    ringback(&folder, &["tranfser"])
        .await
        .refuses(2, &["tranfser", "transfer"]);
    ringback(&folder, &["transfer"])
        .await
        .refuses(2, &["--amount"]);
    ringback(&folder, &["transfer", "--amount", "1", "--wiat"])
        .await
        .refuses(2, &["--wiat", "--wait"]);
    ringback(&folder, &["transfer", "--amount", "1", "--tx-no", "9f52"])
        .await
        .refuses(2, &["tx", "9f52", "UUIDv7"]);
    ringback(&folder, &["up", "--ladder", "1s,soon"])
        .await
        .refuses(2, &["--ladder", "soon"]);
    ringback(&folder, &["demo", "--broker", "rocketmq"])
        .await
        .refuses(2, &["--broker", "rocketmq", "host:port"]);
}

#[tokio::test]
async fn asking_a_system_that_does_not_run_says_how_to_start_it() {
    let folder = folder();
    // Bound, so that nobody else is given it, and not listening.
    let vacant = TcpSocket::new_v4().unwrap();
    vacant.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let bank1 = format!("http://{}", vacant.local_addr().unwrap());
    let refused = ringback(&folder, &["transfer", "--amount", "1", "--bank1", &bank1]).await;
    refused.refuses(1, &["bank1", &bank1, "ringback up"]);
}

#[tokio::test]
async fn an_unknown_key_names_its_file_and_line() {
    let folder = folder();
    let file = configuration(&folder, "[bank1]\nlisten = \"127.0.0.1:0\"\nlissten = 1\n");
    let refused = ringback(&folder, &["bank1", "--config", &file]).await;
    refused.refuses(2, &["my.toml", "line 3", "lissten", "listen"]);
}

#[tokio::test]
async fn broken_toml_names_its_file_and_line() {
    let folder = folder();
    let file = configuration(&folder, "[notifier\nlease = \"30s\"\n");
    ringback(&folder, &["notifier", "--config", &file])
        .await
        .refuses(2, &["my.toml", "line 1", "[notifier"]);
}

#[tokio::test]
async fn a_value_out_of_its_bounds_names_field_value_and_limit() {
    let folder = folder();
    let file = configuration(&folder, "[notifier]\nlease = \"3s\"\n");
    ringback(&folder, &["notifier", "--config", &file])
        .await
        .refuses(2, &["my.toml", "lease", "3s", "10s"]);
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    let folder = folder();
    ringback(&folder, &["bank2", "--config", "absent.toml"])
        .await
        .refuses(2, &["absent.toml", "--config"]);
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for service in ["bank1", "bank2", "notifier", "broker"] {
        let refused = ringback(&folder, &[service, "--listen", &address]).await;
        refused.refuses(1, &["listen", &address, "in use"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_in_use_is_refused() {
    let mut system = System::up(under_test!(), &[]);
    system.says("Try: ").await;
    system
        .run(&["up"])
        .await
        .refuses(1, &[".ringback", "in use", "--data-dir"]);
    system.ctrl_c().await;
}

#[tokio::test]
async fn a_read_only_database_is_named() {
    let folder = folder();
    let data = folder.path().join(".ringback");
    std::fs::create_dir_all(&data).unwrap();
    // A folder where the database should be can't be opened by anybody, not even by root.
    std::fs::create_dir_all(data.join("bank1.sqlite")).unwrap();
    let refused = ringback(&folder, &["bank1", "--listen", "127.0.0.1:0"]).await;
    refused.refuses(1, &["bank1.sqlite"]);
    if !writes_despite_permissions(folder.path()) {
        std::fs::remove_dir(data.join("bank1.sqlite")).unwrap();
        std::fs::write(data.join("bank1.sqlite"), "").unwrap();
        std::fs::set_permissions(
            data.join("bank1.sqlite"),
            std::fs::Permissions::from_mode(0o400),
        )
        .unwrap();
        let refused = ringback(&folder, &["bank1", "--listen", "127.0.0.1:0"]).await;
        refused.refuses(1, &["bank1.sqlite", "read"]);
    }
}

/// Root may write anywhere, so a permission tells it nothing.
fn writes_despite_permissions(folder: &Path) -> bool {
    let path = folder.join("locked");
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    std::fs::File::options().write(true).open(&path).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_running_system_refuses_it_explains() {
    let mut system = System::up(under_test!(), &["--demo", "--ladder", "1s,2s,3s"]);
    system.says("Try: ").await;
    let unknown = system
        .run(&["transfer", "--amount", "1", "--from", "99"])
        .await;
    unknown.refuses(1, &["from_account", "99", "ringback accounts"]);
    let overdraft = system.run(&["transfer", "--amount", "10000.01"]).await;
    overdraft.refuses(1, &["amount 10,000.01", "10,000.00 yuan"]);
    for args in [
        &["status", "ffff"][..],
        &["dlq", "show", "ffff"],
        &["dlq", "resend", "ffff"],
    ] {
        system.run(args).await.refuses(1, &["ffff"]);
    }
    let discard = system
        .run(&["dlq", "discard", "ffff", "--reason", "a test"])
        .await;
    discard.refuses(1, &["ffff"]);
    system
        .run(&["status", "xyz"])
        .await
        .refuses(2, &["xyz", "at least 4"]);
    let accounts = system.run(&["accounts"]).await;
    assert!(
        accounts.stdout.contains("10,000.00"),
        "no money was moved: {accounts:?}"
    );
    // bank1 doesn't know bank2's accounts: it is bank2 that refuses, for good, and the letter says why.
    let unknown = system
        .run(&["transfer", "--amount", "1", "--to", "99", "--wait"])
        .await;
    assert_eq!(unknown.code(), 1, "{unknown:?}");
    for part in [
        "422",
        "to_account",
        "99",
        "DEAD after 1 attempt",
        "ringback dlq show",
    ] {
        assert!(
            unknown.stdout.contains(part),
            "{part:?} is missing in:\n{}",
            unknown.stdout
        );
    }
    system.ctrl_c().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_broker_away_nothing_is_moved_and_the_answer_says_so() {
    use ringback_tests::{Setting, TestStage};
    let mut on = TestStage::raise(under_test!(), Setting::default()).await;
    on.stage.broker.as_mut().unwrap().kill9().await.unwrap();
    let data = on.folder.path().display().to_string();
    let folder = folder();
    let refused = ringback(
        &folder,
        &["transfer", "--amount", "10.00", "--data-dir", &data],
    )
    .await;
    refused.refuses(1, &["broker", "Nothing was moved", "ringback up"]);
    let accounts = ringback(&folder, &["accounts", "--data-dir", &data]).await;
    assert!(accounts.stdout.contains("10,000.00"), "{accounts:?}");
}
