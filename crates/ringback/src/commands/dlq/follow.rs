//! A job watched while it goes on: a line that is written over, and the account at its end.

use std::process::ExitCode;
use std::time::Duration;

use notification::api::letters::{JobQuery, JobState, JobView};
use tokio::time::Instant;

use crate::failure::{Failure, Outcome};
use crate::reach::{AskError, Reach, Who};
use crate::render;
use crate::render::moment::Now;
use crate::screen::{self, Format, Progress};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long a notifier may be away before nobody waits for it any more.
const AWAY: Duration = Duration::from_secs(60);

/// How far a job is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// Not at all.
    Begun,
    /// It is done, or stands still.
    Done,
    /// What it resent is settled, or so long.
    Settled(Duration),
}

/// Watches one.
#[derive(Debug)]
pub(super) struct Follow<'a> {
    pub(super) reach: &'a Reach,
    pub(super) format: Format,
    pub(super) until: Until,
    /// What a suggested command needs to ask the same system.
    pub(super) data: &'a str,
}

impl Follow<'_> {
    /// Exit code 0 if every letter was dealt with, and none that is waited for died again.
    pub(super) async fn job(&self, begun: JobView) -> Outcome {
        let id = render::ending(&begun.id);
        if self.format == Format::Text {
            screen::line(&render::jobs::begun(&begun, self.data));
        }
        let job = match self.until {
            Until::Begun => begun,
            Until::Done => self.done(begun).await?,
            Until::Settled(within) => {
                let until = Instant::now() + within;
                let job = self.done(begun).await?;
                self.settled(job, until).await?
            }
        };
        match self.format {
            Format::Json => screen::json(&job)?,
            Format::Text if self.until == Until::Begun => {}
            Format::Text => screen::line(&render::jobs::ended(&job, &id, self.data)),
        }
        let settled = job.fate.is_none_or(|fate| fate.dead + fate.waiting == 0);
        let good = self.until == Until::Begun
            || (job.state == JobState::Done && job.failed == 0 && settled);
        Ok(if good {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    /// Until it does not run any more.
    async fn done(&self, begun: JobView) -> Result<JobView, Failure> {
        let (progress, mut job) = (Progress::new(self.format), begun);
        while job.state == JobState::Running {
            progress.show(&render::jobs::progress(&job, &Now::here()));
            tokio::time::sleep(LOOK_EVERY).await;
            job = self.look(&job, JobQuery::default()).await?;
        }
        Ok(job)
    }

    /// Until none of what it resent waits for an attempt.
    async fn settled(&self, job: JobView, until: Instant) -> Result<JobView, Failure> {
        let (progress, mut job) = (Progress::new(self.format), job);
        loop {
            job = self.look(&job, JobQuery { fate: true }).await?;
            let waiting = job.fate.map_or(0, |fate| fate.waiting);
            if waiting == 0 || Instant::now() >= until {
                return Ok(job);
            }
            progress.show(&render::jobs::on_the_way(&job));
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// How it is now. A notifier that is away may be starting anew: the job goes on then.
    async fn look(&self, job: &JobView, query: JobQuery) -> Result<JobView, Failure> {
        let path = format!("/v1/dead-letter-jobs/{}", job.id);
        let away_until = Instant::now() + AWAY;
        loop {
            match self.reach.get(Who::Notifier, &path, &query).await {
                Ok(job) => return Ok(job),
                Err(AskError::NotThere(_) | AskError::Broken(_)) if Instant::now() < away_until => {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Err(AskError::Refused(problem))
                    if problem.status == 503 && Instant::now() < away_until =>
                {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
