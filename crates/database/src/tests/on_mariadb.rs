//! What only MariaDB does. These run where `RINGBACK_TEST_DATABASE` names a server, and say so elsewhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Executor, query, query_scalar, raw_sql};
use tokio::sync::Barrier;

use super::transactions::{ids, insert};
use crate::testing::Databases;
use crate::{CommitError, Config, Database, DatabaseError, Kind, Tx, kind};

const LINES: &str =
    "CREATE TABLE ledger_line (id INT NOT NULL PRIMARY KEY, word VARCHAR(8)) ENGINE=InnoDB";

/// A database with two rows, 1 and 2; none where no server is named.
pub(super) async fn ledger() -> Option<(Databases, Config, Database)> {
    let databases = Databases::new();
    if !databases.on_server() {
        return None;
    }
    let config = databases
        .config("x")
        .with_lock_wait(Duration::from_secs(1))
        .with_answer_wait(Duration::from_secs(2));
    let database = Database::open(&config).await.unwrap();
    let mut writer = database.write().await.unwrap();
    for statement in [LINES, "INSERT INTO ledger_line VALUES (1, ''), (2, '')"] {
        writer.execute(raw_sql(statement)).await.unwrap();
    }
    drop(writer);
    Some((databases, config, database))
}

async fn mark(tx: &mut Tx, word: &str, id: i64) -> Result<(), sqlx::Error> {
    query("UPDATE ledger_line SET word = ? WHERE id = ?")
        .bind(word)
        .bind(id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Two transactions that each insert a row of their own (11, 12) and then lock rows 1 and 2 crosswise, until
/// one of them has met the deadlock. Gives the loser's; the winner's is committed.
async fn deadlocked(database: &Database) -> (Tx, i64) {
    let gate = Arc::new(Barrier::new(2));
    let play = |own: i64, first: i64, second: i64| {
        let (database, gate) = (database.clone(), Arc::clone(&gate));
        tokio::spawn(async move {
            let mut tx = database.begin().await.unwrap();
            insert(&mut tx, own).await.unwrap();
            mark(&mut tx, "first", first).await.unwrap();
            gate.wait().await;
            match mark(&mut tx, "second", second).await {
                Ok(()) => {
                    tx.commit().await.unwrap();
                    None
                }
                Err(error) => {
                    assert_eq!(kind(&error), Kind::Retry, "{error}");
                    assert!(error.to_string().contains("Deadlock"), "{error}");
                    Some((tx, own))
                }
            }
        })
    };
    let (one, two) = (play(11, 1, 2), play(12, 2, 1));
    let (one, two) = (one.await.unwrap(), two.await.unwrap());
    one.xor(two)
        .expect("one of the two is the deadlock's victim")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_passes_over_a_deadlock_commits_nothing() {
    let Some((_databases, _, database)) = ledger().await else {
        return;
    };
    let (mut tx, own) = deadlocked(&database).await;
    // The first row went with the deadlock; whoever goes on as if nothing had happened writes a second one.
    insert(&mut tx, 99).await.unwrap();
    let error = tx.commit().await.unwrap_err();
    assert!(
        matches!(&error, CommitError::Unknown(DatabaseError::Ended)),
        "{error:?}"
    );
    let winner = 23 - own;
    assert_eq!(ids(&database).await, [1, 2, winner]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_that_is_taken_for_what_it_is_rolls_back_and_the_connection_goes_on() {
    let Some((_databases, _, database)) = ledger().await else {
        return;
    };
    let (tx, own) = deadlocked(&database).await;
    tx.rollback().await.unwrap();
    let mut writer = database.write().await.unwrap();
    insert(&mut writer, 50).await.unwrap();
    assert_eq!(ids(&database).await, [1, 2, 23 - own, 50]);
}

#[tokio::test]
async fn a_statement_that_commits_by_itself_leaves_the_commit_unknown() {
    let Some((_databases, _, database)) = ledger().await else {
        return;
    };
    let mut tx = database.begin().await.unwrap();
    insert(&mut tx, 11).await.unwrap();
    let ddl = raw_sql("CREATE TABLE other (id INT)");
    tx.execute(ddl).await.unwrap();
    insert(&mut tx, 12).await.unwrap();
    let error = tx.commit().await.unwrap_err();
    assert!(matches!(error, CommitError::Unknown(_)), "{error:?}");
    assert_eq!(ids(&database).await, [1, 2, 11]);
}

#[tokio::test]
async fn a_row_that_is_locked_is_given_up_after_the_lock_wait() {
    let Some((_databases, config, database)) = ledger().await else {
        return;
    };
    let mut held = database.begin().await.unwrap();
    insert(&mut held, 11).await.unwrap();
    let mut writer = database.write().await.unwrap();
    let began = Instant::now();
    let error = insert(&mut writer, 11).await.unwrap_err();
    assert_eq!(kind(&error), Kind::Retry, "{error}");
    assert!(began.elapsed() >= config.lock_wait, "{:?}", began.elapsed());
    held.rollback().await.unwrap();
    insert(&mut writer, 11).await.unwrap();
}

#[tokio::test]
async fn a_session_is_strict_reads_what_is_committed_and_a_reader_writes_nothing() {
    let Some((_databases, _, database)) = ledger().await else {
        return;
    };
    let mut writer = database.write().await.unwrap();
    let long = raw_sql("INSERT INTO ledger_line VALUES (7, 'much too long')");
    let error = writer.execute(long).await.unwrap_err();
    assert_eq!(kind(&error), Kind::Other, "{error}");

    // READ COMMITTED: a transaction sees what another one commits meanwhile.
    let mut tx = database.begin().await.unwrap();
    let count = "SELECT COUNT(*) FROM ledger_line";
    let before: i64 = query_scalar(count).fetch_one(&mut *tx).await.unwrap();
    insert(&mut writer, 7).await.unwrap();
    let after: i64 = query_scalar(count).fetch_one(&mut *tx).await.unwrap();
    assert_eq!((before, after), (2, 3));
    tx.rollback().await.unwrap();

    let mut reader = database.read().await.unwrap();
    let error = insert(&mut reader, 8).await.unwrap_err();
    assert_eq!(kind(&error), Kind::Other, "{error}");
}

#[tokio::test]
async fn a_connection_that_was_killed_is_lost_and_the_next_one_works() {
    let Some((_databases, _, database)) = ledger().await else {
        return;
    };
    let mut tx = database.begin().await.unwrap();
    insert(&mut tx, 11).await.unwrap();
    let id: i64 = query_scalar("SELECT CAST(CONNECTION_ID() AS SIGNED)")
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    let mut other = database.write().await.unwrap();
    let kill = raw_sql(AssertSqlSafe(format!("KILL {id}")));
    other.execute(kill).await.unwrap();
    drop(other);
    let error = tx.commit().await.unwrap_err();
    assert!(matches!(error, CommitError::Unknown(_)), "{error:?}");
    assert_eq!(error.error().kind(), Kind::Lost, "{error}");
    assert_eq!(ids(&database).await, [1, 2]);
    let mut tx = database.begin().await.unwrap();
    insert(&mut tx, 11).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_word_that_does_not_come_in_time_is_not_waited_for() {
    let Some((_databases, config, database)) = ledger().await else {
        return;
    };
    let began = Instant::now();
    let sleeping = database.in_time(async {
        let mut reader = database.read().await?;
        let slept: i64 = query_scalar("SELECT CAST(SLEEP(30) AS SIGNED)")
            .fetch_one(&mut *reader)
            .await?;
        Ok::<_, DatabaseError>(slept)
    });
    let error = sleeping.await.unwrap_err();
    assert!(matches!(error, DatabaseError::NoAnswer { .. }), "{error:?}");
    assert_eq!(error.kind(), Kind::Lost);
    assert!(began.elapsed() < config.answer_wait * 5);
}

#[tokio::test]
async fn a_wrong_password_and_a_missing_database_are_named_and_waiting_is_no_help() {
    let Some((_databases, config, database)) = ledger().await else {
        return;
    };
    let name = config.name().unwrap();
    let mut writer = database.write().await.unwrap();
    let user = &name[name.len() - 12..];
    let make = format!("CREATE USER '{user}'@'%' IDENTIFIED BY 's3cret'");
    writer.execute(raw_sql(AssertSqlSafe(make))).await.unwrap();
    let wrong = config
        .url
        .replacen("://root@", &format!("://{user}:not-s3cret@"), 1);
    let missing = format!("{}_missing", config.url);
    for (url, part) in [(wrong, "Access denied"), (missing, "CREATE DATABASE")] {
        let error = Database::open_when_there(&Config::new(url))
            .await
            .unwrap_err();
        assert!(matches!(error, DatabaseError::Open { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(part) && !text.contains("s3cret"), "{text}");
    }
    let unmake = format!("DROP USER '{user}'@'%'");
    writer
        .execute(raw_sql(AssertSqlSafe(unmake)))
        .await
        .unwrap();
}
