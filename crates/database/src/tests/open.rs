//! Opening: what is made, what is refused and in which words.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::testing::Vacant;
use crate::{Config, Database, DatabaseError, Migrations};
use sqlx::query;

const ONE: Migrations = Migrations {
    name: "ledger",
    files: &[(
        1,
        "lines",
        "CREATE TABLE ledger_line (id INT NOT NULL PRIMARY KEY)",
    )],
};

async fn refusal(path: &Path) -> String {
    match Database::open(&Config::sqlite(path)).await {
        Err(error @ DatabaseError::Open { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn an_absent_file_is_made_and_an_absent_folder_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&Config::sqlite(folder.path().join("x.sqlite"))).await;
    database.unwrap().close().await;
    assert!(folder.path().join("x.sqlite").exists());
    let odd = folder.path().join("a b#d%20e.sqlite");
    Database::open(&Config::sqlite(&odd))
        .await
        .unwrap()
        .close()
        .await;
    assert!(odd.exists());
    let error = refusal(&folder.path().join("none/x.sqlite")).await;
    assert!(
        error.contains("none") && error.contains("folder"),
        "{error}"
    );
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let text = "these are notes, not a database. ".repeat(100);
    fs::write(&path, &text).unwrap();
    let error = refusal(&path).await;
    assert!(error.contains("not an SQLite database"), "{error}");
    assert!(error.contains("notes.txt"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert!(refusal(folder.path()).await.contains("is a folder"));
}

#[tokio::test]
async fn a_read_only_file_or_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sqlite");
    let database = Database::open(&Config::sqlite(&path)).await.unwrap();
    database.migrate(&ONE).await.unwrap();
    database.close().await;
    set_mode(&path, 0o444);
    let error = refusal(&path).await;
    assert!(error.contains("x.sqlite is read-only"), "{error}");
    set_mode(&path, 0o644);
    set_mode(folder.path(), 0o555);
    let error = refusal(&path).await;
    assert!(
        error.contains("the folder") && error.contains("read-only"),
        "{error}"
    );
    set_mode(folder.path(), 0o755);
    Database::open(&Config::sqlite(&path)).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_away_is_told_without_its_password() {
    let vacant = Vacant::new();
    let address = vacant.address();
    let config = Config::new(format!("mysql://ringback:hunter2@{address}/ringback"));
    let error = Database::open(&config).await.unwrap_err().to_string();
    assert!(error.contains(&address.to_string()), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn what_is_written_survives_the_last_connection() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::sqlite(folder.path().join("x.sqlite"));
    let database = Database::open(&config).await.unwrap();
    database.migrate(&ONE).await.unwrap();
    let mut writer = database.write().await.unwrap();
    let insert = query("INSERT INTO ledger_line (id) VALUES (7)");
    insert.execute(&mut *writer).await.unwrap();
    drop(writer);
    database.close().await;
    let again = Database::open(&config).await.unwrap();
    let mut reader = again.read().await.unwrap();
    let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM ledger_line")
        .fetch_all(&mut *reader)
        .await
        .unwrap();
    assert_eq!(ids, [7]);
}

#[tokio::test]
async fn a_connection_commits_durably_in_wal_and_a_reader_refuses_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&Config::sqlite(folder.path().join("x.sqlite")))
        .await
        .unwrap();
    database.migrate(&ONE).await.unwrap();
    let mut writer = database.write().await.unwrap();
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(&mut *writer)
        .await
        .unwrap();
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous")
        .fetch_one(&mut *writer)
        .await
        .unwrap();
    assert_eq!((mode.as_str(), synchronous), ("wal", 2));
    let mut reader = database.read().await.unwrap();
    let insert = query("INSERT INTO ledger_line (id) VALUES (7)");
    assert!(insert.execute(&mut *reader).await.is_err());
}

#[tokio::test]
async fn a_database_can_be_opened_and_read_while_somebody_holds_its_write_lock() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::sqlite(folder.path().join("x.sqlite"));
    let database = Database::open(&config).await.unwrap();
    database.migrate(&ONE).await.unwrap();
    let held = database.begin().await.unwrap();
    let short = config.with_lock_wait(std::time::Duration::from_millis(100));
    let other = Database::open(&short).await.unwrap();
    let mut reader = other.read().await.unwrap();
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM ledger_line")
        .fetch_one(&mut *reader)
        .await
        .unwrap();
    assert_eq!(count, 0);
    held.rollback().await.unwrap();
}
