//! What commit, rollback and a dropped transaction mean, on whichever database is tested.

use crate::testing::Databases;
use crate::{Database, Kind, Migrations, kind};
use sqlx::{AnyConnection, Executor, query, query_scalar, raw_sql};

const MIGRATIONS: Migrations = Migrations {
    name: "ledger",
    files: &[(
        1,
        "lines",
        "CREATE TABLE ledger_line (id INT NOT NULL PRIMARY KEY, word VARCHAR(8) UNIQUE)
         /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */",
    )],
};

async fn ledger() -> (Databases, Database) {
    let databases = Databases::new();
    let database = Database::open(&databases.config("x")).await.unwrap();
    database.migrate(&MIGRATIONS).await.unwrap();
    (databases, database)
}

pub(super) async fn insert(connection: &mut AnyConnection, id: i64) -> Result<(), sqlx::Error> {
    query("INSERT INTO ledger_line (id) VALUES (?)")
        .bind(id)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn ids(database: &Database) -> Vec<i64> {
    let mut reader = database.read().await.unwrap();
    let ids = query_scalar("SELECT id FROM ledger_line ORDER BY id").fetch_all(&mut *reader);
    ids.await.unwrap()
}

#[tokio::test]
async fn a_commit_is_seen_and_a_rollback_is_not() {
    let (_databases, database) = ledger().await;
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
    let (_databases, database) = ledger().await;
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
async fn a_taken_key_is_a_duplicate_whichever_constraint_says_so() {
    let (_databases, database) = ledger().await;
    let mut tx = database.begin().await.unwrap();
    tx.execute(raw_sql("INSERT INTO ledger_line VALUES (1, 'one')"))
        .await
        .unwrap();
    for sql in [
        "INSERT INTO ledger_line VALUES (1, 'two')",
        "INSERT INTO ledger_line VALUES (2, 'one')",
    ] {
        let error = tx.execute(raw_sql(sql)).await.unwrap_err();
        assert_eq!(kind(&error), Kind::Duplicate, "{error}");
    }
    let null = tx.execute(raw_sql("INSERT INTO ledger_line VALUES (NULL, 'x')"));
    assert_eq!(kind(&null.await.unwrap_err()), Kind::Other);
    let typo = tx.execute(raw_sql("INSERT INTO ledger_lin VALUES (1)"));
    assert_eq!(kind(&typo.await.unwrap_err()), Kind::Other);
    tx.commit().await.unwrap();
    assert_eq!(ids(&database).await, [1]);
}

#[tokio::test]
async fn readers_go_on_while_a_transaction_is_open_and_see_only_what_is_committed() {
    let (_databases, database) = ledger().await;
    let mut tx = database.begin().await.unwrap();
    insert(&mut tx, 1).await.unwrap();
    assert_eq!(ids(&database).await, [0_i64; 0]);
    tx.commit().await.unwrap();
    assert_eq!(ids(&database).await, [1]);
}
