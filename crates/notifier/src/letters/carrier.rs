//! The loop that carries jobs: claims those that nobody holds, and makes one step after another.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use database::DatabaseError;
use notification::api::letters::JobKind;
use notification::{EndpointId, TxNo};
use service::shutdown::Shutdown;
use sqlx::AnyConnection;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::arrange::{self, Arranged};
use super::endpoint_now::{Look, Now};
use super::job::Job;
use super::pace::{CLAIM, Pace, most_on_the_way};
use super::step::{self, Candidate, Endpoints, Stepped};
use super::walk::{Of, Walk};
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

/// The most endpoints with walks of their own that are looked at before the others have their turn.
const LOOKS: usize = 8;

/// What a job waits for that none of its endpoints has a word for.
const NONE_NOW: &str = "none of its endpoints takes letters now";

/// How often one look goes on over all letters when it has found none to take.
const ROUNDS: usize = 8;

/// A job that this replica has.
struct Going {
    pace: Pace,
    walk: Walk,
}

type Held = HashMap<TxNo, Going>;

/// What a look at the next letters came to.
enum Next {
    /// These, in one step, and where the job stands then.
    Take(Vec<Candidate>, Walk),
    Wait(String),
    Pause(String),
    Finish,
}

/// What one walk has to give.
enum Found {
    Take(Vec<Candidate>, Walk),
    Wait(String),
    Pause(String),
    /// It is at its end.
    Nothing,
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
        let mut failed = None;
        for job in running {
            if soft.is_cancelled() {
                break;
            }
            let id = job.id;
            // One that can't be carried must not keep those behind it waiting.
            if let Err(error) = self.see_to(job, held, soft).await {
                held.remove(&id);
                failed = failed.or(Some(error));
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn see_to(
        &self,
        mut job: Job,
        held: &mut Held,
        soft: &CancellationToken,
    ) -> Result<(), Failure> {
        let id = job.id;
        if !self.has(&mut job).await? {
            held.remove(&id);
            return Ok(());
        }
        let going = held.entry(id).or_insert_with(|| Going {
            pace: Pace::new(Instant::now()),
            walk: Walk::from(job.reached.clone()),
        });
        if !self.carry(job, going, soft).await? {
            held.remove(&id);
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
        going: &mut Going,
        soft: &CancellationToken,
    ) -> Result<bool, Failure> {
        for _ in 0..STEPS {
            let allowed = going.pace.allowance(job.rate, Instant::now());
            if allowed == 0 || soft.is_cancelled() {
                return self.confirm(&job, None).await;
            }
            match self.next(&job, &mut going.walk, allowed).await? {
                Next::Take(letters, walked) => {
                    let reached = walked.reached();
                    match step::step(&self.record, &job, &letters, reached).await? {
                        Stepped::Until(until_ms) => {
                            going.pace.spend(letters.len());
                            going.walk = walked;
                            job.claimed_until_ms = until_ms;
                            job.note = None;
                            self.wake.notify_one();
                        }
                        Stepped::NotOurs => return Ok(false),
                        Stepped::Changing => return Ok(true),
                    }
                }
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
    async fn next(
        &self,
        job: &Job,
        walk: &mut Walk,
        allowed: usize,
    ) -> Result<Next, DatabaseError> {
        let database = self.record.database();
        let look = async {
            let mut db = database.read().await?;
            let mut waits_for = None;
            for of in walk.turn(LOOKS) {
                let found = match &of {
                    Of::All => self.over_all(&mut db, job, walk, allowed).await?,
                    Of::Endpoint(id) => self.of_one(&mut db, job, walk, id, allowed).await?,
                };
                match found {
                    Found::Take(letters, walked) => return Ok(Next::Take(letters, walked)),
                    Found::Pause(why) => return Ok(Next::Pause(why)),
                    Found::Wait(why) => waits_for = waits_for.or(Some(why)),
                    Found::Nothing => walk.end(&of),
                }
            }
            Ok(match waits_for {
                None if walk.is_over() => Next::Finish,
                None => Next::Wait(NONE_NOW.to_owned()),
                Some(why) => Next::Wait(why),
            })
        };
        database.in_time(look).await
    }

    /// The letters of all endpoints that have no walk of their own. Who takes none now gets one.
    async fn over_all(
        &self,
        db: &mut AnyConnection,
        job: &Job,
        walk: &mut Walk,
        allowed: usize,
    ) -> Result<Found, DatabaseError> {
        let (sealer, of) = (self.record.sealer(), Of::All);
        let mut waits_for = None;
        for _ in 0..ROUNDS {
            let letters = step::candidates(db, sealer, job, (walk, &of), allowed).await?;
            let Some(last) = letters.last().map(|letter| letter.place.clone()) else {
                return Ok(Found::Nothing);
            };
            if job.kind == JobKind::Discard {
                return Ok(found(letters, walk, &of));
            }
            if let Some(endpoint) = &job.endpoint {
                let now = self.look(job).at(db, endpoint).await?;
                let arranged = arrange::of_one(job, letters, &now);
                return Ok(found_arranged(arranged, walk, &of));
            }
            let mut endpoints = Endpoints::new();
            for letter in letters.iter().filter(|letter| letter.refused.is_none()) {
                if !endpoints.contains_key(&letter.endpoint) {
                    let now = self.look(job).at(db, &letter.endpoint).await?;
                    endpoints.insert(letter.endpoint.clone(), now);
                }
            }
            let before = walk.place(&of).flatten().cloned();
            let parted = arrange::of_many(letters, endpoints, before);
            for (id, place) in parted.left {
                walk.leave(id, place);
            }
            // Behind those that were left, too: they have walks of their own now.
            let mut walked = walk.clone();
            walked.advance(&of, last);
            if !parted.take.is_empty() {
                return Ok(Found::Take(parted.take, walked));
            }
            *walk = walked;
            waits_for = waits_for.or(parted.why);
        }
        Ok(Found::Wait(
            waits_for.unwrap_or_else(|| NONE_NOW.to_owned()),
        ))
    }

    /// The letters of an endpoint with a walk of its own.
    async fn of_one(
        &self,
        db: &mut AnyConnection,
        job: &Job,
        walk: &mut Walk,
        endpoint: &EndpointId,
        allowed: usize,
    ) -> Result<Found, DatabaseError> {
        walk.had_its_turn(endpoint);
        let now = self.look(job).at(db, endpoint).await?;
        if let Now::Wait(why) = now {
            return Ok(Found::Wait(why));
        }
        let (sealer, of) = (self.record.sealer(), Of::Endpoint(endpoint.clone()));
        let letters = step::candidates(db, sealer, job, (walk, &of), allowed).await?;
        if letters.is_empty() {
            return Ok(Found::Nothing);
        }
        let arranged = arrange::of_one(job, letters, &now);
        Ok(found_arranged(arranged, walk, &of))
    }

    fn look(&self, job: &Job) -> Look<'_> {
        Look {
            directory: &self.directory,
            anyway: job.anyway,
            most_on_the_way: most_on_the_way(job.rate),
            now_ms: self.record.now_ms(),
        }
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

fn found_arranged(arranged: Arranged, walk: &Walk, of: &Of) -> Found {
    match arranged {
        Arranged::Take(letters) => found(letters, walk, of),
        Arranged::Wait(why) => Found::Wait(why),
        Arranged::Pause(why) => Found::Pause(why),
    }
}

/// These letters, the first of their walk, and where all walks stand then.
fn found(letters: Vec<Candidate>, walk: &Walk, of: &Of) -> Found {
    let mut walked = walk.clone();
    if let Some(last) = letters.last() {
        walked.advance(of, last.place.clone());
    }
    Found::Take(letters, walked)
}
