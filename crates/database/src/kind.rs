//! What an error means for whoever must decide what to do next.

use sqlx::error::DatabaseError as Reported;
use sqlx::mysql::MySqlDatabaseError;

use crate::session;

/// What to make of a failed statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The key is taken. Roll back, and read the row on another connection.
    Duplicate,
    /// A lock, a deadlock, a full pool, a server that takes no connection or no write now, MariaDB's
    /// full disk: nothing was done. Roll back, try again later.
    Retry,
    /// The connection is gone, or no answer came: nobody knows whether the statement was done.
    Lost,
    /// A mistake in the statement, the disk, the rights: trying again won't help.
    Other,
}

/// MariaDB's numbers that mean: not now.
const NOT_NOW: [u16; 14] = [
    1205, // lock wait timeout (rolls back only the statement)
    1213, // deadlock (rolls back the transaction)
    1020, // the row changed since it was read
    1040, // too many connections
    1203, // too many connections of this account
    1226, // this account has used up a limit of its own
    1021, // disk full, waiting for somebody to free space
    1114, // the table is full: in InnoDB, the disk is
    1836, // MySQL: running in read-only mode
    1969, // MariaDB: the statement took longer than the server lets it
    3024, // MySQL: the same
    3101, // MySQL: the group's other member was first
    3100, // MySQL: refused by a hook of replication, as a group without a majority does
    1047, // MariaDB Galera: this node is not part of the cluster now
];
/// MariaDB's numbers that mean: the server is shutting down, the connection was killed or broke, the
/// statement was interrupted. (2006 and 2013 are what the C client says of it; ours reports an I/O error.)
const GOING_AWAY: [u16; 10] = [1053, 1152, 1158, 1159, 1160, 1161, 1317, 1927, 2006, 2013];
/// MariaDB: a server's option forbids the statement; read_only is one of several.
const OPTION_FORBIDS: u16 = 1290;
/// MariaDB: the disk failed to do what the engine asked; and a file could not be written.
const ENGINE_ERROR: [u16; 2] = [1030, 1026];

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
        _ if session::is_read_only(error) => Kind::Retry,
        _ => Kind::Other,
    }
}

fn reported_kind(reported: &dyn Reported) -> Kind {
    if reported.is_unique_violation() {
        return Kind::Duplicate;
    }
    match reported.try_downcast_ref::<MySqlDatabaseError>() {
        Some(mysql) => mysql_kind(mysql.number(), mysql.code(), mysql.message()),
        None if sqlite_code(reported).is_some_and(|code| BUSY.contains(&code)) => Kind::Retry,
        None => Kind::Other,
    }
}

fn mysql_kind(number: u16, state: Option<&str>, message: &str) -> Kind {
    match number {
        number if NOT_NOW.contains(&number) => Kind::Retry,
        // `--read-only`, `--super-read-only`, and not, say, `--secure-file-priv`.
        OPTION_FORBIDS if message.contains("read-only") => Kind::Retry,
        // No space left on device, as the operating system numbers it.
        number if ENGINE_ERROR.contains(&number) && names_full_disk(message) => Kind::Retry,
        number if GOING_AWAY.contains(&number) => Kind::Lost,
        _ if state == Some("40001") => Kind::Retry,
        _ => Kind::Other,
    }
}

/// `Got error 28 "No space left on device" from storage engine InnoDB`, `(errno: 28 …)`.
fn names_full_disk(message: &str) -> bool {
    message.contains("error 28") || message.contains("errno: 28")
}

/// MariaDB's number of an error that the server reported.
pub(crate) fn mysql_number(error: &sqlx::Error) -> Option<u16> {
    let reported = error.as_database_error()?;
    let mysql = reported.try_downcast_ref::<MySqlDatabaseError>()?;
    Some(mysql.number())
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
    fn what_mariadb_refuses_for_now_is_worth_another_try() {
        for number in [1205, 1213, 1020, 1040, 1021, 1114, 1969, 3024] {
            assert_eq!(
                mysql_kind(number, Some("HY000"), ""),
                Kind::Retry,
                "{number}"
            );
        }
        assert_eq!(mysql_kind(9999, Some("40001"), ""), Kind::Retry);
        let read_only = "The MariaDB server is running with the --read-only option so it cannot …";
        assert_eq!(mysql_kind(1290, Some("HY000"), read_only), Kind::Retry);
        let full = "Got error 28 \"No space left on device\" from storage engine InnoDB";
        assert_eq!(mysql_kind(1030, Some("HY000"), full), Kind::Retry);
    }

    #[test]
    fn what_another_try_will_not_mend_is_told_apart() {
        let files = "running with the --secure-file-priv option so it cannot …";
        assert_eq!(mysql_kind(1290, Some("HY000"), files), Kind::Other);
        let broken = "Got error 126 \"Index file is crashed\" from storage engine";
        assert_eq!(mysql_kind(1030, Some("HY000"), broken), Kind::Other);
        assert_eq!(mysql_kind(1792, Some("25006"), ""), Kind::Other);
        assert_eq!(mysql_kind(1146, Some("42S02"), ""), Kind::Other);
    }

    #[test]
    fn a_server_that_goes_away_leaves_it_open_what_happened() {
        for number in [1053, 1152, 1317, 1927, 2006, 2013] {
            assert_eq!(mysql_kind(number, None, ""), Kind::Lost, "{number}");
        }
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
