//! What commit, rollback, a dropped transaction and a locked database mean.

use std::time::{Duration, Instant};

use crate::{CommitError, Config, Database, Kind, Migrations, kind};
use sqlx::{AnyConnection, Executor, query, query_scalar, raw_sql};
use tempfile::TempDir;

const MIGRATIONS: Migrations = Migrations {
    name: "ledger",
    files: &[(
        1,
        "lines",
        "CREATE TABLE lines (id INT NOT NULL PRIMARY KEY, word VARCHAR(8) UNIQUE);
         CREATE TABLE child (id INT REFERENCES lines (id) DEFERRABLE INITIALLY DEFERRED);",
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

async fn insert(connection: &mut AnyConnection, id: i64) -> Result<(), sqlx::Error> {
    query("INSERT INTO lines (id) VALUES (?)")
        .bind(id)
        .execute(connection)
        .await?;
    Ok(())
}

async fn ids(database: &Database) -> Vec<i64> {
    let mut reader = database.read().await.unwrap();
    let ids = query_scalar("SELECT id FROM lines ORDER BY id").fetch_all(&mut *reader);
    ids.await.unwrap()
}

#[tokio::test]
async fn a_commit_is_seen_and_a_rollback_is_not() {
    let (_folder, _, database) = ledger().await;
    let mut tx = database.begin().await.unwrap();
    insert(&mut tx, 1).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = database.begin().await.unwrap();
    insert(&mut tx, 2).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(ids(&database).await, [1]);
}

#[tokio::test]
async fn a_dropped_transaction_is_undone_and_the_next_one_can_begin() {
    let (_folder, _, database) = ledger().await;
    for id in 0..20 {
        let mut tx = database.begin().await.unwrap();
        insert(&mut tx, id).await.unwrap();
        drop(tx);
    }
    let mut tx = database.begin().await.unwrap();
    insert(&mut tx, 7).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(ids(&database).await, [7]);
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
async fn a_taken_key_is_a_duplicate_whichever_constraint_says_so() {
    let (_folder, _, database) = ledger().await;
    let mut tx = database.begin().await.unwrap();
    tx.execute(raw_sql("INSERT INTO lines VALUES (1, 'one')"))
        .await
        .unwrap();
    for sql in [
        "INSERT INTO lines VALUES (1, 'two')",
        "INSERT INTO lines VALUES (2, 'one')",
    ] {
        let error = tx.execute(raw_sql(sql)).await.unwrap_err();
        assert_eq!(kind(&error), Kind::Duplicate, "{error}");
    }
    let null = tx.execute(raw_sql("INSERT INTO lines VALUES (NULL, 'x')"));
    assert_eq!(kind(&null.await.unwrap_err()), Kind::Other);
    let typo = tx.execute(raw_sql("INSERT INTO line VALUES (1)"));
    assert_eq!(kind(&typo.await.unwrap_err()), Kind::Other);
    tx.commit().await.unwrap();
    assert_eq!(ids(&database).await, [1]);
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
async fn readers_go_on_while_a_transaction_is_open_and_see_only_what_is_committed() {
    let (_folder, _, database) = ledger().await;
    let mut tx = database.begin().await.unwrap();
    insert(&mut tx, 1).await.unwrap();
    assert_eq!(ids(&database).await, [0_i64; 0]);
    tx.commit().await.unwrap();
    assert_eq!(ids(&database).await, [1]);
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
    let ending = "INSERT OR ROLLBACK INTO lines VALUES (1, NULL)";
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
