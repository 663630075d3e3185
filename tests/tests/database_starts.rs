//! Processes that start at once, too early, or too old, on one database.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use std::path::Path;
use std::time::Duration;

use database::testing::Databases;
use database::{Database, Dialect};
use ringback_tests::{MariaDb, PATIENCE, eventually, http, run, spawn, under_test};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

/// How many start at once.
const PROCESSES: usize = 12;

/// A service on a port of its own, in a data folder of its own but for SQLite, whose file lies there.
fn start(service: &str, folder: &Path, url: Option<&str>) -> Child {
    let mut args = vec![service, "--listen", "127.0.0.1:0", "--data-dir", "data"];
    if let Some(url) = url {
        args.extend(["--database", url]);
    }
    spawn(under_test!(), folder, &args)
}

/// Its line on stdout, once it is ready.
async fn ready(child: &mut Child) -> String {
    let stdout = child.stdout.take().unwrap();
    let mut lines = BufReader::new(stdout).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    line.expect("it is ready in time")
        .unwrap()
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_processes_that_start_at_once_on_an_empty_database_all_come_up() {
    let folder = tempfile::tempdir().unwrap();
    // `<data folder>/<service>.sqlite`, as the services have it.
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let databases = Databases::within(&folder.path().join("data"));
    for service in ["bank1", "bank2"] {
        let config = databases.config(service);
        let url = (databases.dialect() == Dialect::MariaDb).then_some(config.url.as_str());
        let mut children: Vec<Child> = (0..PROCESSES)
            .map(|_| start(service, folder.path(), url))
            .collect();
        for child in &mut children {
            let line = ready(child).await;
            assert!(line.contains(service), "{line:?}: {:?}", child.try_wait());
        }
        // Each is still there, and their tables were made once.
        for child in &mut children {
            assert_eq!(child.try_wait().unwrap(), None);
        }
        let database = Database::open(&config).await.unwrap();
        let mut read = database.read().await.unwrap();
        let accounts: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM account_info")
            .fetch_one(&mut *read)
            .await
            .unwrap();
        assert_eq!(accounts, 1, "{service}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_newer_than_the_binary_is_refused_in_clear_words() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let databases = Databases::within(&folder.path().join("data"));
    let config = databases.config("bank2");
    let url = (databases.dialect() == Dialect::MariaDb).then_some(config.url.as_str());
    let mut first = start("bank2", folder.path(), url);
    ready(&mut first).await;
    first.kill().await.unwrap();
    let database = Database::open(&config).await.unwrap();
    let mut write = database.write().await.unwrap();
    sqlx::query(
        "INSERT INTO _migrations_receiver (version, description, installed_on, success, checksum, execution_time) \
         SELECT 999, 'of tomorrow', installed_on, success, checksum, execution_time \
         FROM _migrations_receiver WHERE version = 1",
    )
    .execute(&mut *write)
    .await
    .unwrap();
    drop(write);
    database.close().await;
    let mut args = vec!["bank2", "--listen", "127.0.0.1:0", "--data-dir", "data"];
    args.extend(url.iter().flat_map(|url| ["--database", url]));
    let refused = run(under_test!(), folder.path(), &args).await;
    refused.refuses(1, &["newer than this program", "999"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_read_only_at_the_start_is_waited_for_and_the_service_says_so() {
    let Some(server) = MariaDb::start("").await else {
        return;
    };
    let urls = server.databases().await;
    server.sql("SET GLOBAL read_only = 1").await;
    // Given a replica, or a primary that an operator has set read-only, when the service starts,
    let folder = tempfile::tempdir().unwrap();
    let mut service = start("bank2", folder.path(), Some(&urls.bank2));
    // then it waits, and its log says for what,
    let log = folder.path().join("data/logs/bank2.log");
    eventually("the log says so", PATIENCE, || async {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        Ok((text.contains("database_awaited") && text.contains("read-only")).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(service.try_wait().unwrap(), None);
    // and serves as soon as the server takes writes.
    server.sql("SET GLOBAL read_only = 0").await;
    assert!(ready(&mut service).await.contains("bank2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_at_the_start_is_waited_for_and_the_service_says_so() {
    let Some(server) = MariaDb::start("").await else {
        return;
    };
    let urls = server.databases().await;
    server.kill9().await;
    // Given a server that does not run, when the service starts,
    let folder = tempfile::tempdir().unwrap();
    let mut ports = demo::Ports::new(demo::UsualPorts::Avoid, fastrand::Rng::new());
    let listen = ports.pick(0).unwrap().to_string();
    let args = [
        "bank2",
        "--listen",
        &listen,
        "--data-dir",
        "data",
        "--database",
        &urls.bank2,
    ];
    let mut service = spawn(under_test!(), folder.path(), &args);
    // then it lives, and tells what it waits for, without the password,
    let ask = |path: &'static str| {
        let url = format!("http://{listen}{path}");
        async move {
            let Ok(response) = http().get(url).send().await else {
                return Ok(None);
            };
            let status = response.status().as_u16();
            Ok(Some((status, response.text().await?)))
        }
    };
    let waiting = eventually("it answers", PATIENCE, || ask("/health/ready")).await;
    let (status, text) = waiting.unwrap();
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("waiting for the database"), "{text}");
    assert_eq!(ask("/health/live").await.unwrap().unwrap().0, 200);
    let log = folder.path().join("data/logs/bank2.log");
    eventually("the log says so", PATIENCE, || async {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        assert!(!text.contains(":ringback@"), "{text}");
        Ok((text.contains("database_awaited") && text.contains("127.0.0.1")).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(service.try_wait().unwrap(), None);
    // and serves as soon as the server is there.
    server.start_again().await;
    assert!(ready(&mut service).await.contains("bank2"));
    let (status, text) = ask("/health/ready").await.unwrap().unwrap();
    assert_eq!(status, 200, "{text}");
    // In the middle it says so again, and comes back by itself.
    for (run, expected) in [(false, 503), (true, 200)] {
        match run {
            false => server.kill9().await,
            true => server.start_again().await,
        }
        let what = format!("/health/ready answers {expected}");
        eventually(&what, Duration::from_secs(60), || async {
            let answer = ask("/health/ready").await?;
            Ok(answer.filter(|(status, _)| *status == expected))
        })
        .await
        .unwrap();
    }
}
