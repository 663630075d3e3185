//! Migrations: many at once, twice, failing, and against a newer database.

use crate::testing::Databases;
use crate::{Config, Database, DatabaseError, Migrations};
use sqlx::query_scalar;

const LINES: &str = "CREATE TABLE ledger_line (id INT NOT NULL PRIMARY KEY, word VARCHAR(8))
    /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;
    CREATE INDEX ledger_line_word ON ledger_line (word);";
const FIRST: (i64, &str, &str) = (1, "lines", LINES);
const SECOND: (i64, &str, &str) = (2, "seed", "INSERT INTO ledger_line VALUES (1, 'one')");

const V1: Migrations = Migrations {
    name: "ledger",
    files: &[FIRST],
};
const V2: Migrations = Migrations {
    name: "ledger",
    files: &[FIRST, SECOND],
};

fn fresh() -> (Databases, Config) {
    let databases = Databases::new();
    let config = databases.config("x");
    (databases, config)
}

async fn lines(database: &Database) -> i64 {
    let mut reader = database.read().await.unwrap();
    let count = query_scalar("SELECT COUNT(*) FROM ledger_line")
        .fetch_one(&mut *reader)
        .await;
    count.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twelve_starts_at_once_on_a_new_file_all_succeed() {
    for _ in 0..5 {
        let (_databases, config) = fresh();
        let mut starts = tokio::task::JoinSet::new();
        for _ in 0..12 {
            let config = config.clone();
            starts.spawn(async move {
                let database = Database::open(&config).await.unwrap();
                database.migrate(&V2).await.unwrap();
                lines(&database).await
            });
        }
        assert_eq!(starts.join_all().await, [1; 12]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twelve_upgrades_at_once_all_succeed_and_one_does_it() {
    let (_databases, config) = fresh();
    let database = Database::open(&config).await.unwrap();
    database.migrate(&V1).await.unwrap();
    let gate = std::sync::Arc::new(tokio::sync::Barrier::new(12));
    let mut upgrades = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let (config, gate) = (config.clone(), gate.clone());
        upgrades.spawn(async move {
            let database = Database::open(&config).await.unwrap();
            gate.wait().await;
            database.migrate(&V2).await.unwrap();
        });
    }
    upgrades.join_all().await;
    assert_eq!(lines(&database).await, 1);
}

#[tokio::test]
async fn a_second_run_does_nothing_and_a_longer_set_goes_on() {
    let (_databases, config) = fresh();
    let database = Database::open(&config).await.unwrap();
    database.migrate(&V1).await.unwrap();
    database.migrate(&V1).await.unwrap();
    assert_eq!(lines(&database).await, 0);
    database.migrate(&V2).await.unwrap();
    database.migrate(&V2).await.unwrap();
    assert_eq!(lines(&database).await, 1);
}

#[tokio::test]
async fn two_sets_share_a_database_without_seeing_each_other() {
    let (_databases, config) = fresh();
    let database = Database::open(&config).await.unwrap();
    let other = Migrations {
        name: "other",
        files: &[(1, "words", "CREATE TABLE words (id INT)")],
    };
    database.migrate(&V2).await.unwrap();
    database.migrate(&other).await.unwrap();
    database.migrate(&V2).await.unwrap();
    database.migrate(&other).await.unwrap();
}

#[tokio::test]
async fn a_database_newer_than_the_program_is_refused_by_name() {
    let (_databases, config) = fresh();
    let database = Database::open(&config).await.unwrap();
    database.migrate(&V2).await.unwrap();
    let error = database.migrate(&V1).await.unwrap_err();
    assert!(
        matches!(&error, DatabaseError::Newer { name, version: 2 } if name == "ledger"),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("newer than this program"),
        "{error}"
    );
}

#[tokio::test]
async fn a_file_that_was_changed_after_it_was_applied_is_noticed() {
    let (_databases, config) = fresh();
    let database = Database::open(&config).await.unwrap();
    database.migrate(&V1).await.unwrap();
    let changed = Migrations {
        name: "ledger",
        files: &[(1, "lines", "CREATE TABLE ledger_line (id BIGINT)")],
    };
    let error = database.migrate(&changed).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Migrate { .. }), "{error:?}");
}

#[tokio::test]
async fn a_failing_migration_leaves_nothing_behind() {
    let (_databases, config) = fresh();
    let database = Database::open(&config).await.unwrap();
    let broken = Migrations {
        name: "ledger",
        files: &[
            FIRST,
            (2, "typo", "INSERT INTO ledger_lin VALUES (1, 'one')"),
        ],
    };
    assert!(database.migrate(&broken).await.is_err());
    // The first file was rolled back with the second, so both run now.
    database.migrate(&V2).await.unwrap();
    assert_eq!(lines(&database).await, 1);
}

#[tokio::test]
async fn a_name_that_is_no_table_name_is_refused() {
    let (_databases, config) = fresh();
    let database = Database::open(&config).await.unwrap();
    for name in ["", "a b", "x; DROP TABLE y", "Ä", "a-b"] {
        let bad = Migrations { name, files: &[] };
        let error = database.migrate(&bad).await.unwrap_err();
        assert!(
            matches!(error, DatabaseError::Config { .. }),
            "{name}: {error:?}"
        );
    }
}
