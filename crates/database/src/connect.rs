//! Making connections: the session settings, the pools, and the first one that tells what's wrong.
//!
//! sqlx's pool retries a connection whose set-up fails until its own time-out and then reports
//! only that. So the first connection is made by hand, and its error is the one that people see.

use std::sync::Once;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::pool::Pool;
use sqlx::{Any, AnyConnection, AssertSqlSafe, ConnectOptions, Connection, Executor, raw_sql};

use crate::config::{Config, Dialect};
use crate::{DatabaseError, Kind, kind, sqlite_file};

/// The shortest time that a pool waits for a connection to a server.
const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Write,
    Read,
}

/// The pool to write with and the pool to read with.
pub(crate) async fn pools(
    config: &Config,
    dialect: Dialect,
) -> Result<(Pool<Any>, Pool<Any>), DatabaseError> {
    static DRIVERS: Once = Once::new();
    DRIVERS.call_once(sqlx::any::install_default_drivers);
    let options: AnyConnectOptions = match dialect {
        Dialect::Sqlite => sqlite_file::url(config)?.parse()?,
        Dialect::MariaDb => config.url.parse()?,
    };
    first(config, dialect, &options).await?;
    let pool = |role| {
        let most = match (dialect, role) {
            (Dialect::Sqlite, Role::Write) => 1,
            _ => config.readers,
        };
        pool_options(config, dialect, role)
            .max_connections(most)
            .connect_lazy_with(options.clone())
    };
    Ok((pool(Role::Write), pool(Role::Read)))
}

fn pool_options(config: &Config, dialect: Dialect, role: Role) -> AnyPoolOptions {
    let settings = settings(config, dialect, role);
    let options = AnyPoolOptions::new().after_connect(move |connection, _| {
        let settings = settings.clone();
        Box::pin(async move { set_up(connection, &settings).await })
    });
    match dialect {
        // A file's connections don't go stale, and waiting for the one writer is waiting for a lock.
        Dialect::Sqlite => options
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(config.lock_wait),
        Dialect::MariaDb => options.acquire_timeout(config.lock_wait.max(CONNECT_WAIT)),
    }
}

/// The statements that make a fresh connection ours. On SQLite their order matters: without the
/// busy time-out the change to WAL fails at once where another process is at it.
fn settings(config: &Config, dialect: Dialect, role: Role) -> Vec<String> {
    match dialect {
        Dialect::Sqlite => {
            let mut settings = vec![
                format!("PRAGMA busy_timeout = {}", config.lock_wait.as_millis()),
                "PRAGMA journal_mode = WAL".to_owned(),
                "PRAGMA synchronous = FULL".to_owned(),
            ];
            if role == Role::Read {
                settings.push("PRAGMA query_only = ON".to_owned());
            }
            settings
        }
        Dialect::MariaDb => vec![
            format!(
                "SET SESSION innodb_lock_wait_timeout = {}",
                config.lock_wait.as_secs().max(1)
            ),
            "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES')".to_owned(),
        ],
    }
}

async fn set_up(connection: &mut AnyConnection, settings: &[String]) -> Result<(), sqlx::Error> {
    for statement in settings {
        // Made of constants and numbers only.
        connection
            .execute(raw_sql(AssertSqlSafe(statement.clone())))
            .await?;
    }
    Ok(())
}

/// Connects once, sets up, tries to write, and closes.
async fn first(
    config: &Config,
    dialect: Dialect,
    options: &AnyConnectOptions,
) -> Result<(), DatabaseError> {
    let deadline = tokio::time::Instant::now() + config.lock_wait.max(CONNECT_WAIT);
    let settings = settings(config, dialect, Role::Write);
    loop {
        match tokio::time::timeout_at(deadline, try_out(dialect, options, &settings)).await {
            Ok(Ok(())) => return Ok(()),
            // Many processes starting at once on a new file: the busy time-out does not cover
            // every step of the change to WAL.
            Ok(Err(error)) if kind(&error) == Kind::Retry => {
                if tokio::time::Instant::now() >= deadline {
                    return Err(error.into());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(Err(error)) => return Err(unusable(config, dialect, &error)),
            Err(_) => return Err(sqlx::Error::PoolTimedOut.into()),
        }
    }
}

async fn try_out(
    dialect: Dialect,
    options: &AnyConnectOptions,
    settings: &[String],
) -> Result<(), sqlx::Error> {
    let mut connection = options.connect().await?;
    set_up(&mut connection, settings).await?;
    if dialect == Dialect::Sqlite {
        let begin = raw_sql("BEGIN IMMEDIATE; ROLLBACK");
        // Where somebody else is writing, it can be written to.
        if let Err(error) = connection.execute(begin).await
            && kind(&error) != Kind::Retry
        {
            return Err(error);
        }
    }
    connection.close().await
}

fn unusable(config: &Config, dialect: Dialect, error: &sqlx::Error) -> DatabaseError {
    let reason = match dialect {
        Dialect::Sqlite => sqlite_file::reason(error),
        Dialect::MariaDb => None,
    };
    DatabaseError::Open {
        url: config.shown(),
        reason: reason.map_or_else(|| error.to_string(), str::to_owned),
    }
}
