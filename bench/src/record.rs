//! The record's rows, by which a run is checked: a figure of a run that lost something, or rang
//! twice, is worth nothing.

use database::Database;
use sqlx::Row;

/// A reader of the record.
#[derive(Debug)]
pub(crate) struct Rows(Database);

impl Rows {
    pub(crate) async fn open(url: &str) -> anyhow::Result<Self> {
        Ok(Self(Database::open(&database::Config::new(url)).await?))
    }

    /// Notifications in this state.
    pub(crate) async fn in_state(&self, state: &str) -> anyhow::Result<u64> {
        let mut db = self.0.read().await?;
        let row = sqlx::query("SELECT COUNT(*) AS n FROM notification WHERE state = ?")
            .bind(state)
            .fetch_one(&mut *db)
            .await?;
        Ok(u64::try_from(row.try_get::<i64, _>("n")?)?)
    }

    /// Attempts of all.
    pub(crate) async fn attempts(&self) -> anyhow::Result<u64> {
        let mut db = self.0.read().await?;
        let row = sqlx::query("SELECT COUNT(*) AS n FROM attempt")
            .fetch_one(&mut *db)
            .await?;
        Ok(u64::try_from(row.try_get::<i64, _>("n")?)?)
    }

    pub(crate) async fn close(self) {
        self.0.close().await;
    }
}
