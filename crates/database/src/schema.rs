//! How far a database's tables are, read without changing anything.

use sqlx::{AssertSqlSafe, query_scalar};

use crate::config::Dialect;
use crate::migrate::Migrations;
use crate::{Database, DatabaseError};

/// How far one set of migrations has got in a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// The set's name.
    pub name: &'static str,
    /// The newest migration that was applied; 0: none, the tables are not there.
    pub version: i64,
    /// Known to this program, and not applied yet.
    pub pending: Vec<i64>,
    /// Applied by a newer program, and not known to this one.
    pub unknown: Vec<i64>,
}

impl Database {
    /// How far one set of migrations has got here.
    ///
    /// # Errors
    /// The database can't be read.
    pub async fn schema(&self, migrations: &Migrations) -> Result<Schema, DatabaseError> {
        let table = migrations.table();
        let mut db = self.read().await?;
        let tables = match self.dialect() {
            Dialect::Sqlite => {
                "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?"
            }
            Dialect::MariaDb => {
                "SELECT COUNT(*) FROM information_schema.tables \
                 WHERE table_schema = DATABASE() AND table_name = ?"
            }
        };
        let exists: i64 = query_scalar(tables)
            .bind(&table)
            .fetch_one(&mut *db)
            .await?;
        let applied: Vec<i64> = if exists == 0 {
            Vec::new()
        } else {
            // The name is one of this program's constants.
            let versions = AssertSqlSafe(format!("SELECT version FROM {table} ORDER BY version"));
            query_scalar(versions).fetch_all(&mut *db).await?
        };
        let known: Vec<i64> = migrations.files.iter().map(|file| file.0).collect();
        Ok(Schema {
            name: migrations.name,
            version: applied.last().copied().unwrap_or(0),
            pending: known
                .iter()
                .copied()
                .filter(|version| !applied.contains(version))
                .collect(),
            unknown: applied
                .into_iter()
                .filter(|version| !known.contains(version))
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    const ONE: Migrations = Migrations {
        name: "one",
        files: &[(1, "first", "CREATE TABLE a (n BIGINT NOT NULL)")],
    };
    const TWO: Migrations = Migrations {
        name: "one",
        files: &[
            (1, "first", "CREATE TABLE a (n BIGINT NOT NULL)"),
            (2, "second", "CREATE TABLE b (n BIGINT NOT NULL)"),
        ],
    };

    #[tokio::test]
    async fn what_is_pending_and_what_is_newer_is_told_and_nothing_changed() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::sqlite(folder.path().join("a.sqlite"));
        let database = Database::open(&config).await.unwrap();
        let fresh = database.schema(&TWO).await.unwrap();
        assert_eq!((fresh.version, fresh.pending), (0, vec![1, 2]));
        database.migrate(&ONE).await.unwrap();
        let behind = database.schema(&TWO).await.unwrap();
        assert_eq!((behind.version, behind.pending), (1, vec![2]));
        database.migrate(&TWO).await.unwrap();
        let newer = database.schema(&ONE).await.unwrap();
        assert_eq!(
            (newer.version, newer.pending, newer.unknown),
            (2, vec![], vec![2])
        );
    }
}
