//! What only SQLite does: its one writer, its own rollbacks, its full disk.

use std::time::{Duration, Instant};

use crate::{CommitError, Config, Database, Kind, Migrations, kind};
use sqlx::{Executor, query_scalar, raw_sql};
use tempfile::TempDir;

use super::transactions::{ids, insert};

const MIGRATIONS: Migrations = Migrations {
    name: "ledger",
    files: &[(
        1,
        "lines",
        "CREATE TABLE ledger_line (id INT NOT NULL PRIMARY KEY, word VARCHAR(8) UNIQUE);
         CREATE TABLE child (id INT REFERENCES ledger_line (id) DEFERRABLE INITIALLY DEFERRED);",
    )],
};

async fn ledger() -> (TempDir, Config, Database) {
    let folder = tempfile::tempdir().unwrap();
    let config =
        Config::sqlite(folder.path().join("x.sqlite")).with_lock_wait(Duration::from_millis(200));
    let database = Database::open(&config).await.unwrap();
    database.migrate(&MIGRATIONS).await.unwrap();
    (folder, config, database)
}

#[tokio::test]
async fn giving_up_a_begin_leaves_no_lock_behind() {
    let (_folder, config, database) = ledger().await;
    let other = Database::open(&config).await.unwrap();
    let held = other.begin().await.unwrap();
    let given_up = tokio::time::timeout(Duration::from_millis(20), database.begin()).await;
    assert!(given_up.is_err());
    held.rollback().await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    // Both must get the lock again, as soon as the abandoned wait is over.
    for database in [&database, &other] {
        loop {
            match database.begin().await {
                Ok(tx) => break tx.rollback().await.unwrap(),
                Err(error) => assert_eq!(error.kind(), Kind::Retry),
            }
            assert!(Instant::now() < deadline);
        }
    }
}

#[tokio::test]
async fn a_lock_held_elsewhere_is_worth_another_try_after_the_wait() {
    let (_folder, config, database) = ledger().await;
    let other = Database::open(&config).await.unwrap();
    let held = other.begin().await.unwrap();
    let begun = Instant::now();
    let error = database.begin().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Retry, "{error}");
    assert!(begun.elapsed() >= config.lock_wait, "{:?}", begun.elapsed());
    let mut writer = database.write().await.unwrap();
    let error = insert(&mut writer, 1).await.unwrap_err();
    assert_eq!(kind(&error), Kind::Retry, "{error}");
    held.rollback().await.unwrap();
    insert(&mut writer, 1).await.unwrap();
}

#[tokio::test]
async fn the_one_writer_of_a_process_is_waited_for_like_a_lock() {
    let (_folder, _, database) = ledger().await;
    let held = database.begin().await.unwrap();
    let error = database.begin().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Retry, "{error}");
    held.rollback().await.unwrap();
    database.begin().await.unwrap().rollback().await.unwrap();
}

#[tokio::test]
async fn a_commit_that_the_database_refuses_is_surely_rolled_back() {
    let (_folder, _, database) = ledger().await;
    let mut tx = database.begin().await.unwrap();
    insert(&mut tx, 1).await.unwrap();
    // The constraint is looked at on COMMIT.
    tx.execute(raw_sql("INSERT INTO child VALUES (99)"))
        .await
        .unwrap();
    let error = tx.commit().await.unwrap_err();
    assert!(matches!(error, CommitError::RolledBack(_)), "{error:?}");
    assert_eq!(ids(&database).await, [0_i64; 0]);
    database.begin().await.unwrap().commit().await.unwrap();
}

#[tokio::test]
async fn a_transaction_that_sqlite_ended_by_itself_is_known_to_be_gone() {
    let (_folder, _, database) = ledger().await;
    // As a full disk does: the statement fails and the whole transaction with it.
    let ending = "INSERT OR ROLLBACK INTO ledger_line VALUES (1, NULL)";
    for end in ["commit", "rollback"] {
        let mut tx = database.begin().await.unwrap();
        insert(&mut tx, 1).await.unwrap();
        assert!(tx.execute(raw_sql(ending)).await.is_err());
        match end {
            "commit" => {
                let error = tx.commit().await.unwrap_err();
                assert!(matches!(error, CommitError::RolledBack(_)), "{error:?}");
            }
            _ => tx.rollback().await.unwrap(),
        }
    }
    assert_eq!(ids(&database).await, [0_i64; 0]);
    let mut tx = database.begin().await.unwrap();
    insert(&mut tx, 2).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(ids(&database).await, [2]);
}

#[tokio::test]
async fn a_full_disk_undoes_the_transaction_and_leaves_the_writer_usable() {
    let (_folder, _, database) = ledger().await;
    let mut tx = database.begin().await.unwrap();
    let pages: i64 = query_scalar("PRAGMA page_count")
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    let limit = format!("PRAGMA max_page_count = {pages}");
    tx.execute(raw_sql(sqlx::AssertSqlSafe(limit)))
        .await
        .unwrap();
    let mut result = Ok(());
    for id in 0..10_000 {
        result = insert(&mut tx, id).await;
        if result.is_err() {
            break;
        }
    }
    let error = result.unwrap_err();
    assert_eq!(kind(&error), Kind::Other, "{error}");
    tx.rollback().await.unwrap();
    assert_eq!(ids(&database).await, [0_i64; 0]);
    let mut tx = database.begin().await.unwrap();
    tx.execute(raw_sql("PRAGMA max_page_count = 100000"))
        .await
        .unwrap();
    insert(&mut tx, 1).await.unwrap();
    tx.commit().await.unwrap();
}
