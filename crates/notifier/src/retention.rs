//! Retention: what is long over is removed from the record, a little at a time.
//!
//! It must outlive whatever may still ask. A copy may come back for as long as the longest ladder
//! is climbed, and an initiator may send a notification anew for as long as its relay goes on: a
//! delivery that was forgotten before then would be rung again. [`crate::config::Config::check`]
//! holds the configuration to it.
//!
//! A pass comes every hour. Between two pages it rests four times as long as the page took, so that
//! results are written meanwhile, and a record store that is away ends the pass. Of several replicas
//! each does it: what one has removed the other does not find.

use std::time::Duration;

use database::DatabaseError;
use notification::TxNo;
use service::shutdown::Shutdown;
use tokio::time::{Instant, sleep};

use crate::config::Settings;
use crate::record::Record;
use crate::record::expire::Expired;

/// From the end of a pass to the next one.
const BETWEEN: Duration = Duration::from_secs(3600);

/// After the start, so that what has piled up is received first.
const FIRST: Duration = Duration::from_secs(60);

/// How much longer than a page it rests before the next.
const RESTS: u32 = 4;

/// How long what is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spans {
    /// Notifications with what belongs to them, the feed, and jobs on letters.
    pub record: Duration,
    /// The lines of the audit.
    pub audit: Duration,
}

impl Spans {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            record: settings.retention,
            audit: settings.audit_retention,
        }
    }
}

/// What is removed in the order of its ids.
#[derive(Debug, Clone, Copy)]
enum Of {
    Outcomes,
    /// What became of a job's letters.
    Letters(TxNo),
    Audits,
}

/// Removes what is older than its span.
#[derive(Debug)]
pub(crate) struct Retention {
    record: Record,
    spans: Spans,
}

impl Retention {
    pub(crate) fn new(record: Record, spans: Spans) -> Self {
        Self { record, spans }
    }

    /// Pass after pass, until the soft phase of the shutdown.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let soft = shutdown.soft();
        let passes = async {
            sleep(FIRST).await;
            loop {
                match self.pass().await {
                    Ok(expired) if expired == Expired::default() => {}
                    Ok(Expired {
                        notifications,
                        attempts,
                        letters,
                        outcomes,
                        jobs,
                        audits,
                    }) => tracing::info!(
                        event = "record_expired",
                        notifications,
                        attempts,
                        letters,
                        outcomes,
                        jobs,
                        audits
                    ),
                    // The flusher tells that the store is away; the next pass goes on.
                    Err(error) => tracing::info!(event = "expiry_put_off", %error),
                }
                sleep(BETWEEN).await;
            }
        };
        soft.run_until_cancelled(passes).await;
    }

    /// Everything that is older now.
    pub(crate) async fn pass(&self) -> Result<Expired, DatabaseError> {
        let before = |span| {
            let span_ms = service::clock::millis(span);
            self.record.now_ms().saturating_sub(span_ms)
        };
        let before_ms = before(self.spans.record);
        let mut all = Expired::default();
        let mut walk = self.record.walk_behind("").await?;
        while let Some(page) = walk {
            let began = Instant::now();
            let (expired, next) = self.record.expire_page(page, before_ms).await?;
            all += expired;
            walk = next;
            sleep(began.elapsed() * RESTS).await;
        }
        all.outcomes = self.pages(Of::Outcomes, before_ms).await?;
        for job in self.record.old_jobs(before_ms).await? {
            self.pages(Of::Letters(job), before_ms).await?;
            all.jobs += self.record.expire_job(job, before_ms).await?;
        }
        all.audits = self.pages(Of::Audits, before(self.spans.audit)).await?;
        Ok(all)
    }

    /// Page after page, with a rest after each, until one removes nothing; how many rows in all.
    async fn pages(&self, of: Of, before_ms: i64) -> Result<u64, DatabaseError> {
        let mut all = 0;
        loop {
            let began = Instant::now();
            let removed = match of {
                Of::Outcomes => self.record.expire_outcomes(before_ms).await?,
                Of::Letters(job) => self.record.expire_job_letters(job, before_ms).await?,
                Of::Audits => self.record.expire_audits(before_ms).await?,
            };
            if removed == 0 {
                return Ok(all);
            }
            all += removed;
            sleep(began.elapsed() * RESTS).await;
        }
    }
}
