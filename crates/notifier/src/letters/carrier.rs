//! The loop that carries jobs: claims those that nobody holds, and makes one step after another.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use database::DatabaseError;
use notification::TxNo;
use notification::api::letters::JobKind;
use service::shutdown::Shutdown;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::endpoint_now::{Look, Now};
use super::job::Job;
use super::pace::{CLAIM, Pace, most_on_the_way};
use super::step::{self, Candidate, Endpoints, Stepped};
use crate::alarm;
use crate::copy::cut;
use crate::directory::Directory;
use crate::record::Record;
use crate::record::failure::Failure;

/// How often to look while a job runs ...
const TICK: Duration = Duration::from_millis(100);

/// ... and while none does: another replica may have taken the order, or died with one.
const IDLE: Duration = Duration::from_secs(1);

/// The most steps of one job before the others have their turn.
const STEPS: usize = 32;

/// A name to claim under that no other process has, also where workers are named alike. It fits its
/// column of 64 characters.
pub(crate) fn claimant(worker: &str) -> String {
    format!("{}/{:08x}", cut(worker, 55), fastrand::u32(..))
}

/// Carries the jobs of the record.
pub(crate) struct Carrier {
    pub record: Record,
    pub directory: Directory,
    /// Under which name it claims: no other process has it.
    pub worker: String,
    /// Rung by the API when there is a job.
    pub asked: Arc<Notify>,
    /// Rings the relay of send requests.
    pub wake: Arc<Notify>,
}

/// The paces of the jobs that this replica has.
type Held = HashMap<TxNo, Pace>;

/// What a look at the next letters came to.
enum Next {
    /// These, in one step.
    Take(Vec<Candidate>),
    Wait(String),
    Pause(String),
    Finish,
}

impl Carrier {
    /// Runs until the soft phase begins. What it holds then is another replica's when the claim has
    /// run out.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let soft = shutdown.soft();
        let mut held = Held::new();
        while !soft.is_cancelled() {
            let pause = match self.pass(&mut held, &soft).await {
                Ok(()) if held.is_empty() => IDLE,
                Ok(()) => TICK,
                Err(error) => {
                    // Whether the last step is durable is not known: the row will say.
                    alarm::letter_job_failed(&error);
                    IDLE
                }
            };
            tokio::select! {
                () = soft.cancelled() => {}
                () = self.asked.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn pass(&self, held: &mut Held, soft: &CancellationToken) -> Result<(), Failure> {
        let database = self.record.database();
        let running = async { Job::running(&mut *database.read().await?).await };
        let running = database.in_time(running).await?;
        held.retain(|id, _| running.iter().any(|job| job.id == *id));
        for mut job in running {
            if soft.is_cancelled() {
                break;
            }
            let id = job.id;
            if !self.has(&mut job).await? {
                held.remove(&id);
                continue;
            }
            let pace = held.entry(id).or_insert_with(|| Pace::new(Instant::now()));
            if !self.carry(job, pace, soft).await? {
                held.remove(&id);
            }
        }
        Ok(())
    }

    /// Whether the job is this replica's, from now on at the latest.
    async fn has(&self, job: &mut Job) -> Result<bool, DatabaseError> {
        let now_ms = self.record.now_ms();
        if job.claimed_until_ms > now_ms {
            return Ok(job.worker.as_deref() == Some(&self.worker));
        }
        let database = self.record.database();
        let claimed = database.in_time(job.claim(database, &self.worker, now_ms));
        let Some(until_ms) = claimed.await? else {
            return Ok(false);
        };
        job.claimed_until_ms = until_ms;
        tracing::info!(event = "letter_job_claimed", job = %job.id, dealt = job.dealt);
        Ok(true)
    }

    /// As many steps as the job's pace allows. Whether it is to be carried on.
    async fn carry(
        &self,
        mut job: Job,
        pace: &mut Pace,
        soft: &CancellationToken,
    ) -> Result<bool, Failure> {
        for _ in 0..STEPS {
            let allowed = pace.allowance(job.rate, Instant::now());
            if allowed == 0 || soft.is_cancelled() {
                return self.confirm(&job, None).await;
            }
            match self.next(&job, allowed).await? {
                Next::Take(letters) => match step::step(&self.record, &job, &letters).await? {
                    Stepped::Until(until_ms) => {
                        pace.spend(letters.len());
                        job.claimed_until_ms = until_ms;
                        job.reached = letters.last().map(|letter| letter.place.clone());
                        job.note = None;
                        self.wake.notify_one();
                    }
                    Stepped::NotOurs => return Ok(false),
                    Stepped::Changing => return Ok(true),
                },
                Next::Wait(note) => {
                    let new = (job.note.as_ref() != Some(&note)).then_some(note.as_str());
                    return self.confirm(&job, new).await;
                }
                Next::Pause(why) => {
                    self.pause(&job, &why).await?;
                    return Ok(false);
                }
                Next::Finish => {
                    self.finish(&job).await?;
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// What can be done next, for as many letters as the pace allows.
    async fn next(&self, job: &Job, allowed: usize) -> Result<Next, DatabaseError> {
        let database = self.record.database();
        let look = async {
            let mut db = database.read().await?;
            let mut letters = step::candidates(&mut db, self.record.sealer(), job, allowed).await?;
            if letters.is_empty() {
                return Ok(Next::Finish);
            }
            if job.kind == JobKind::Discard {
                return Ok(Next::Take(letters));
            }
            let look = Look {
                directory: &self.directory,
                anyway: job.anyway,
                most_on_the_way: most_on_the_way(job.rate),
                now_ms: self.record.now_ms(),
            };
            let mut endpoints = Endpoints::new();
            for letter in letters.iter().filter(|letter| letter.refused.is_none()) {
                if !endpoints.contains_key(&letter.endpoint) {
                    let now = look.at(&mut db, &letter.endpoint).await?;
                    endpoints.insert(letter.endpoint.clone(), now);
                }
            }
            Ok(arrange(job, &mut letters, endpoints))
        };
        database.in_time(look).await
    }

    /// Keeps a claim that is not used for a while, or notes what the job waits for.
    async fn confirm(&self, job: &Job, note: Option<&str>) -> Result<bool, Failure> {
        let now_ms = self.record.now_ms();
        let half_ms = i64::try_from(CLAIM.as_millis() / 2).unwrap_or(i64::MAX);
        if note.is_none() && job.claimed_until_ms.saturating_sub(now_ms) > half_ms {
            return Ok(true);
        }
        let database = self.record.database();
        let confirmed = database.in_time(async {
            let mut db = database.write().await?;
            match note {
                Some(note) => job.wait(&mut db, note, now_ms).await,
                None => job.confirm(&mut db, now_ms).await,
            }
        });
        Ok(confirmed.await?.is_some())
    }

    async fn pause(&self, job: &Job, why: &str) -> Result<(), Failure> {
        let database = self.record.database();
        let paused = async { job.pause(&mut *database.write().await?, why).await };
        if database.in_time(paused).await? {
            alarm::letter_job_paused(&job.id, why);
        }
        Ok(())
    }

    async fn finish(&self, job: &Job) -> Result<(), Failure> {
        let database = self.record.database();
        let now_ms = self.record.now_ms();
        let finished = async { job.finish(&mut *database.write().await?, now_ms).await };
        if database.in_time(finished).await? {
            tracing::info!(event = "letter_job_done", job = %job.id);
        }
        Ok(())
    }
}

/// What endpoints say to these letters. A job for one endpoint pauses when it fails; one for many
/// passes over the letters of those that do, and each stays open.
fn arrange(job: &Job, letters: &mut Vec<Candidate>, mut endpoints: Endpoints) -> Next {
    for index in 0..letters.len() {
        let letter = &mut letters[index];
        if letter.refused.is_some() {
            continue;
        }
        match endpoints.get_mut(&letter.endpoint) {
            Some(Now::Failing(why)) if job.endpoint.is_some() => {
                return match index {
                    0 => Next::Pause(why.clone()),
                    _ => first(letters, index),
                };
            }
            Some(Now::Failing(why)) => letter.refused = Some(why.clone()),
            Some(Now::Takes(free @ 1..)) => *free -= 1,
            Some(Now::Wait(why)) if index == 0 => return Next::Wait(why.clone()),
            _ if index == 0 => return Next::Wait("its endpoint takes no more now".to_owned()),
            _ => return first(letters, index),
        }
    }
    first(letters, letters.len())
}

fn first(letters: &mut Vec<Candidate>, many: usize) -> Next {
    letters.truncate(many);
    Next::Take(std::mem::take(letters))
}

#[cfg(test)]
mod tests;
