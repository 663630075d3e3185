//! Keeps the directory as the table has it.
//!
//! One number is read twice a second; the rows are read only when it has changed, or when this
//! process changed it itself. While the database is away the directory stays as it is: what was
//! known last is better than nothing, and a pause stays a pause.

use std::time::Duration;

use database::DatabaseError;
use service::shutdown::Shutdown;

use super::{Directory, table};
use crate::alarm::{self, Seldom};
use crate::backoff::Backoff;
use crate::record::Record;

/// A change is seen by every process within this and the time of two reads.
const INTERVAL: Duration = Duration::from_millis(500);

/// The task.
pub(crate) struct Refresher {
    directory: Directory,
    record: Record,
    /// `None` until the table was read.
    known: Option<i64>,
    alarm: Seldom,
}

impl Refresher {
    pub(crate) fn new(directory: Directory, record: Record) -> Self {
        Self {
            directory,
            record,
            known: None,
            alarm: Seldom::default(),
        }
    }

    /// Reads the table for the first time, however long that takes: a message whose endpoint was
    /// not read yet must not be taken for one without. `false`: the process stops meanwhile.
    pub(crate) async fn first(&mut self, shutdown: &Shutdown) -> bool {
        let soft = shutdown.soft();
        let read = async {
            let mut backoff = Backoff::new();
            while let Err(error) = self.look().await {
                self.tell(&error);
                backoff.wait().await;
            }
        };
        soft.run_until_cancelled(read).await.is_some()
    }

    /// Until the soft phase begins.
    pub(crate) async fn run(mut self, shutdown: Shutdown) {
        let soft = shutdown.soft();
        loop {
            tokio::select! {
                () = soft.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
                () = self.directory.changed_here().notified() => {}
            }
            match self.look().await {
                Ok(()) => self.directory.mind_enabled(),
                Err(error) => self.tell(&error),
            }
        }
    }

    fn tell(&self, error: &DatabaseError) {
        if self.alarm.is_due(self.record.now_ms()) {
            alarm::endpoints_unread(error);
        }
    }

    async fn look(&mut self) -> Result<(), DatabaseError> {
        let database = self.record.database();
        let known = self.known;
        let read = database.in_time(async {
            let mut db = database.read().await?;
            // Before the rows: what changes in between is seen the next time.
            let revision = table::revision(&mut db).await?;
            if known == Some(revision) {
                return Ok(None);
            }
            let rows = table::all(&mut db).await?;
            Ok::<_, DatabaseError>(Some((revision, rows)))
        });
        if let Some((revision, rows)) = read.await? {
            self.directory.apply(rows);
            self.known = Some(revision);
        }
        Ok(())
    }
}
