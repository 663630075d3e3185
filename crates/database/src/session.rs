//! What makes a fresh connection ours: the settings of its session, and the refusal of a read-only server.

use std::io;
use std::time::Duration;

use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor, Row as _, raw_sql};
use tokio::time::timeout;

use crate::config::{Config, Dialect};

/// How long a server may take to say that a connection is good.
const ANSWERS_AT_ONCE: Duration = Duration::from_secs(2);

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Write,
    Read,
}

/// The server refuses every write: a replica, or a primary that was set so.
#[derive(Debug, thiserror::Error)]
#[error(
    "the server is read-only (read_only = {value}): it is a replica, or an operator has set it so; \
     name the primary, or SET GLOBAL read_only = 0 there"
)]
pub(crate) struct ReadOnly {
    value: String,
}

/// The statements that set a session up. On SQLite their order matters: without the busy time-out
/// the change to WAL fails at once where another process is at it. In memory is what takes a statement
/// of many rows back when one of them is refused; as a file it cost a write for each page.
/// A reader keeps half a MiB of pages to itself, the writer SQLite's usual two: what it lacks is in the system's cache.
///
/// MariaDB's: READ COMMITTED, since nothing here reads twice in a transaction and expects the same, and
/// gap locks would only add deadlocks; both lock waits, as a migration of another process holds the
/// table's own lock (whose usual wait is a day and more); strict, so that nothing is cut to fit.
pub(crate) fn settings(config: &Config, dialect: Dialect, role: Role) -> String {
    match (dialect, role) {
        (Dialect::Sqlite, role) => format!(
            "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             PRAGMA temp_store = MEMORY{}",
            config.lock_wait.as_millis(),
            match role {
                Role::Write => "",
                Role::Read => "; PRAGMA query_only = ON; PRAGMA cache_size = -512",
            }
        ),
        (Dialect::MariaDb, role) => format!(
            "SET SESSION innodb_lock_wait_timeout = {wait}, SESSION lock_wait_timeout = {wait}, \
             SESSION autocommit = 1, \
             SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',STRICT_TRANS_TABLES'); \
             SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, {access}",
            wait = config.lock_wait.as_secs().max(1),
            access = match role {
                Role::Write => "READ WRITE",
                Role::Read => "READ ONLY",
            }
        ),
    }
}

/// Sets a fresh connection up; a server where nothing can be written is refused for reading, too: it
/// may be a replica, or a primary of yesterday, that shows the past.
pub(crate) async fn set_up(
    connection: &mut AnyConnection,
    settings: &str,
    dialect: Dialect,
) -> Result<(), sqlx::Error> {
    // Made of constants and numbers only.
    let settings = AssertSqlSafe(settings.to_owned());
    connection.execute(raw_sql(settings)).await?;
    match dialect {
        Dialect::Sqlite => Ok(()),
        Dialect::MariaDb => refuse_read_only(connection).await,
    }
}

/// Whether a connection that lay idle is still one to the primary. One whose server does not say so at
/// once is given up, so that whoever waits gets another within its own time.
pub(crate) async fn still_good(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    let asked = timeout(ANSWERS_AT_ONCE, refuse_read_only(connection)).await;
    asked.unwrap_or_else(|_elapsed| Err(silent()))
}

/// Whether a connection that comes back can be used again: a statement that was given up half-way may
/// still run, or its server be gone. sqlx asks that, too, but waits for ever, and the pool is one
/// connection short meanwhile.
pub(crate) async fn comes_back(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    let asked = timeout(ANSWERS_AT_ONCE, connection.ping()).await;
    asked.unwrap_or_else(|_elapsed| Err(silent()))
}

fn silent() -> sqlx::Error {
    let said = format!("the server has not answered within {ANSWERS_AT_ONCE:?}");
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, said))
}

/// Asks the server whether it is read-only: an account with rights enough would write to a replica
/// all the same.
pub(crate) async fn refuse_read_only(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    // A word in newer servers, a number in older ones.
    let asked = raw_sql("SELECT CAST(@@global.read_only AS CHAR)");
    let value: String = connection.fetch_one(asked).await?.try_get(0)?;
    match value.as_str() {
        "0" | "OFF" => Ok(()),
        _ => Err(sqlx::Error::Configuration(Box::new(ReadOnly { value }))),
    }
}

/// Whether an error is this refusal.
pub(crate) fn is_read_only(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Configuration(source) if source.is::<ReadOnly>())
}
