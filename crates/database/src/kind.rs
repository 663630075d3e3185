//! What an error means for whoever must decide what to do next.

use sqlx::error::DatabaseError as Reported;
use sqlx::mysql::MySqlDatabaseError;

/// What to make of a failed statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The key is taken. Roll back; on MariaDB read the row on another connection, since a
    /// REPEATABLE READ transaction does not see it.
    Duplicate,
    /// A lock, a deadlock or a full pool: nothing was done. Roll back, try again later.
    Retry,
    /// The connection is gone: nobody knows whether the statement was done.
    Lost,
    /// A mistake in the statement, the disk, the rights: trying again won't help.
    Other,
}

/// MariaDB: lock wait timeout (rolls back only the statement).
const LOCK_WAIT_TIMEOUT: u16 = 1205;
/// MariaDB: deadlock (rolls back the transaction).
const DEADLOCK: u16 = 1213;
/// MariaDB: the row changed since it was read.
const CHECK_READ: u16 = 1020;
/// MariaDB: too many connections.
const TOO_MANY_CONNECTIONS: u16 = 1040;
/// MariaDB: the server is shutting down, the connection was killed, the statement was interrupted.
const GOING_AWAY: [u16; 4] = [1053, 1152, 1317, 1927];

/// SQLite's primary result codes: busy and locked.
const BUSY: [i32; 2] = [5, 6];

/// Classifies an error of sqlx's.
pub fn kind(error: &sqlx::Error) -> Kind {
    match error {
        sqlx::Error::Database(reported) => reported_kind(reported.as_ref()),
        sqlx::Error::PoolTimedOut => Kind::Retry,
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::PoolClosed
        | sqlx::Error::BeginFailed => Kind::Lost,
        _ => Kind::Other,
    }
}

fn reported_kind(reported: &dyn Reported) -> Kind {
    if reported.is_unique_violation() {
        return Kind::Duplicate;
    }
    match reported.try_downcast_ref::<MySqlDatabaseError>() {
        Some(mysql) => mysql_kind(mysql.number(), mysql.code()),
        None if sqlite_code(reported).is_some_and(|code| BUSY.contains(&code)) => Kind::Retry,
        None => Kind::Other,
    }
}

fn mysql_kind(number: u16, state: Option<&str>) -> Kind {
    match number {
        LOCK_WAIT_TIMEOUT | DEADLOCK | CHECK_READ | TOO_MANY_CONNECTIONS => Kind::Retry,
        number if GOING_AWAY.contains(&number) => Kind::Lost,
        _ if state == Some("40001") => Kind::Retry,
        _ => Kind::Other,
    }
}

/// SQLite's primary result code: the low byte of the extended one that sqlx reports.
pub(crate) fn sqlite_code(reported: &dyn Reported) -> Option<i32> {
    let sqlite = reported.try_downcast_ref::<sqlx::sqlite::SqliteError>()?;
    let extended: i32 = Reported::code(sqlite)?.parse().ok()?;
    Some(extended & 0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_trouble_on_mariadb_is_worth_another_try() {
        for number in [1205, 1213, 1020, 1040] {
            assert_eq!(mysql_kind(number, Some("HY000")), Kind::Retry, "{number}");
        }
        assert_eq!(mysql_kind(9999, Some("40001")), Kind::Retry);
        assert_eq!(mysql_kind(1927, Some("70100")), Kind::Lost);
        assert_eq!(mysql_kind(1146, Some("42S02")), Kind::Other);
    }

    #[test]
    fn a_broken_connection_leaves_it_open_what_happened() {
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert_eq!(kind(&sqlx::Error::Io(reset)), Kind::Lost);
        assert_eq!(kind(&sqlx::Error::WorkerCrashed), Kind::Lost);
        assert_eq!(kind(&sqlx::Error::PoolTimedOut), Kind::Retry);
        assert_eq!(kind(&sqlx::Error::RowNotFound), Kind::Other);
    }
}
