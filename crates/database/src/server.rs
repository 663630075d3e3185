//! A MariaDB or MySQL server as such: making and dropping databases on it, and what it means when it
//! can't be reached.

use std::fmt;

use sqlx::any::AnyConnectOptions;
use sqlx::{
    AnyConnection, AssertSqlSafe, ConnectOptions, Connection, Executor, query_scalar, raw_sql,
};

use crate::config::Config;
use crate::drivers::{self, CONNECT_WAIT};
use crate::kind::mysql_number;
use crate::{DatabaseError, Kind, kind};

/// MariaDB: the database that the URL names is not there (1049), or too many connections (1040, 1203, 1226).
const NO_SUCH_DATABASE: u16 = 1049;
const TOO_MANY: [u16; 3] = [1040, 1203, 1226];

/// The longest name of a database that is taken here; the servers allow 64.
const LONGEST_NAME: usize = 60;

/// A server on which databases are made for a while: those of a demo, or of a test.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    /// Ends in `/`.
    base: String,
    /// Empty, or from the `?` on.
    parameters: String,
}

impl Server {
    /// The server at `mysql://user:password@host:port/`.
    ///
    /// # Errors
    /// It is no such URL, or names a database.
    pub fn new(url: &str) -> Result<Self, DatabaseError> {
        let (base, parameters) = url.split_at(url.find('?').unwrap_or(url.len()));
        let refused = || {
            let limit = "mysql://user:password@host:port/ without the name of a database";
            DatabaseError::config("url", Config::new(url).shown(), limit)
        };
        let (scheme, rest) = base.split_once("://").ok_or_else(refused)?;
        let (host, name) = rest.split_once('/').unwrap_or((rest, ""));
        if !matches!(scheme, "mysql" | "mariadb") || host.is_empty() || !name.is_empty() {
            return Err(refused());
        }
        Ok(Self {
            base: format!("{scheme}://{host}/"),
            parameters: parameters.to_owned(),
        })
    }

    /// What opens the database of that name on it.
    pub fn config(&self, name: &str) -> Config {
        Config::new(format!("{}{name}{}", self.base, self.parameters))
    }

    /// Makes an empty database.
    ///
    /// # Errors
    /// The server can't be reached, the name is taken or no name, or the account may not do that.
    pub async fn create(&self, name: &str) -> Result<Config, DatabaseError> {
        let set = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
        self.execute(name, format!("CREATE DATABASE `{name}` {set}"))
            .await?;
        Ok(self.config(name))
    }

    /// Drops a database with all that is in it, and ends the connections that still use it; that there
    /// is none is no error.
    ///
    /// # Errors
    /// The server can't be reached, or the account may not do that.
    pub async fn discard(&self, name: &str) -> Result<(), DatabaseError> {
        self.execute(name, format!("DROP DATABASE IF EXISTS `{name}`"))
            .await
    }

    /// Ends whoever still uses the database: their locks would be waited for.
    async fn end_users(connection: &mut AnyConnection, name: &str) -> Result<(), sqlx::Error> {
        let using = "SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE db = ?";
        let ids: Vec<i64> = query_scalar(using)
            .bind(name)
            .fetch_all(&mut *connection)
            .await?;
        for id in ids {
            let kill = raw_sql(AssertSqlSafe(format!("KILL {id}")));
            if let Err(error) = connection.execute(kill).await {
                // Gone by itself meanwhile, most likely; if not, the drop will say so.
                tracing::debug!(event = "connection_not_ended", id, %error);
            }
        }
        Ok(())
    }

    /// Its URL without the password.
    pub fn shown(&self) -> String {
        Config::new(&self.base).shown()
    }

    async fn execute(&self, name: &str, statement: String) -> Result<(), DatabaseError> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if !(1..=LONGEST_NAME).contains(&name.len()) || !name.bytes().all(fits) {
            let limit = "1 to 60 letters, digits and _";
            return Err(DatabaseError::config("name", name, limit));
        }
        drivers::install();
        let url = format!("{}{}", self.base, self.parameters);
        let work = async {
            let mut connection = url.parse::<AnyConnectOptions>()?.connect().await?;
            Self::end_users(&mut connection, name).await?;
            // Made of constants and a checked name.
            connection
                .execute(raw_sql(AssertSqlSafe(statement)))
                .await?;
            connection.close().await
        };
        let done = tokio::time::timeout(CONNECT_WAIT, work).await;
        done.unwrap_or(Err(sqlx::Error::PoolTimedOut))
            .map_err(|error| unusable(self.shown(), &error))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.shown()).finish()
    }
}

/// What it means that no connection came about: `Away` if waiting may help.
pub(crate) fn unusable(url: String, error: &sqlx::Error) -> DatabaseError {
    let number = mysql_number(error);
    let away = |reason: String| DatabaseError::Away {
        url: url.clone(),
        reason,
    };
    let open = |reason: String| DatabaseError::Open {
        url: url.clone(),
        reason,
    };
    match error {
        sqlx::Error::PoolTimedOut => away(format!("no answer within {CONNECT_WAIT:?}")),
        sqlx::Error::Io(error) => away(error.to_string()),
        sqlx::Error::Database(_) if number.is_some_and(|number| TOO_MANY.contains(&number)) => {
            away(format!("it takes no more connections: {error}"))
        }
        sqlx::Error::Database(_) if number == Some(NO_SUCH_DATABASE) => open(format!(
            "{error}; an administrator has to make it: CREATE DATABASE …"
        )),
        // It answers, and not as it was configured: no waiting mends that.
        sqlx::Error::Tls(_) => open(error.to_string()),
        // It is starting or ending, out of something, or not (yet) part of its cluster.
        _ if matches!(kind(error), Kind::Retry | Kind::Lost) => away(error.to_string()),
        _ => open(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_without_a_database() {
        let server = Server::new("mysql://u:p@h:3306/?ssl-mode=DISABLED").unwrap();
        let url = "mysql://u:p@h:3306/x?ssl-mode=DISABLED";
        assert_eq!(server.config("x"), Config::new(url));
        assert_eq!(
            Server::new("mysql://h").unwrap().config("x"),
            Config::new("mysql://h/x")
        );
        for bad in ["", "mysql://", "mysql://h/name", "sqlite://h/", "h:3306"] {
            let error = Server::new(bad).unwrap_err().to_string();
            assert!(error.contains("without the name"), "{error}");
        }
    }

    #[test]
    fn a_servers_password_is_never_shown() {
        let server = Server::new("mysql://root:s3cr@t@db:3306/").unwrap();
        assert!(!format!("{server:?} {}", server.shown()).contains("s3cr"));
        let error = Server::new("mysql://root:s3cr@t@db/x").unwrap_err();
        assert!(!error.to_string().contains("s3cr"), "{error}");
    }
}
