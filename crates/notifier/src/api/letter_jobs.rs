//! Jobs on dead letters: what one would do, begun, shown, stopped and resumed. [`crate::letters`]
//! carries them.

use axum::extract::State;
use axum::http::StatusCode;
use database::Tx;
use notification::api::letters::{
    JobFate, JobKind, JobLetter, JobLettersPage, JobLettersQuery, JobPreview, JobQuery, JobRequest,
    JobState, JobView, Jobs, LetterFilter, PreviewLine, ReasonCount, ResendRate, ResumeRequest,
};
use notification::api::notifier::AuditAction;
use notification::{EndpointId, LetterState, TxNo};
use service::extract::{Json, Path, Query};
use service::problem::Problem;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::ApiState;
use super::failure::Failure;
use super::letter_actions::{refuse_no_reason, refuse_while_failing};
use super::page::{limit, not_a_cursor};
use crate::audit::{self, Deed};
use crate::copy::cut;
use crate::letters::chosen::Chosen;
use crate::letters::deal::LONGEST_REASON;
use crate::letters::failing;
use crate::letters::id::LetterId;
use crate::letters::job::{self, Job, MOST_RUNNING};
use crate::operator::Operator;
use crate::record::columns::{number, parsed};
use crate::record::ids;

const BY_ENDPOINT: &str = "SELECT endpoint_id, COUNT(*) AS letters, MIN(died_ms) AS oldest_ms \
     FROM dead_letter WHERE {} GROUP BY endpoint_id ORDER BY COUNT(*) DESC, endpoint_id";

const UNSENDABLE: &str = "SELECT reason, COUNT(*) AS letters FROM dead_letter \
     WHERE {} AND (reason = 'malformed' OR format <> 1) GROUP BY reason ORDER BY reason";

const FAILURES: &str = "SELECT why, COUNT(*) AS letters FROM letter_job_letter \
     WHERE job_id = ? AND result = 'failed' GROUP BY why ORDER BY COUNT(*) DESC, why LIMIT 10";

const FATE: &str = "SELECT n.state, COUNT(*) AS letters FROM letter_job_letter l \
     JOIN notification n ON n.group_name = l.group_name AND n.tx_no = l.tx_no \
     AND n.source = l.source WHERE l.job_id = ? AND l.result = 'resent' GROUP BY n.state";

/// The largest page of a job's letters; the usual one is half of it.
const MOST: u32 = 1000;

/// `POST /v1/dead-letter-jobs/dry-run`: what the job would do; it changes nothing.
pub(super) async fn dry_run(
    State(state): State<ApiState>,
    Json(asked): Json<JobRequest>,
) -> Result<Json<JobPreview>, Failure> {
    let now_ms = state.clock.now_ms();
    let mut db = state.record.database().read().await?;
    Ok(Json(preview(&mut db, &asked, now_ms).await?))
}

/// `POST /v1/dead-letter-jobs`: 202 with the job; some replica begins within a second. 404 if no
/// letter is chosen, 412 if all are of one endpoint that fails.
pub(super) async fn begin(
    State(state): State<ApiState>,
    operator: Operator,
    Json(asked): Json<JobRequest>,
) -> Result<(StatusCode, Json<JobView>), Failure> {
    if asked.kind == JobKind::Discard {
        refuse_no_reason(asked.reason.as_deref().unwrap_or_default())?;
    }
    if asked.filter == LetterFilter::default() && !asked.all {
        let detail = "filter: which letters? None is named";
        return Err(Problem::invalid("filter", detail, "a filter, or \"all\": true").into());
    }
    let now_ms = state.clock.now_ms();
    let mut db = state.record.database().read().await?;
    let preview = preview(&mut db, &asked, now_ms).await?;
    if preview.selected == 0 {
        let detail = "no open dead letter is chosen";
        return Err(Problem::new(StatusCode::NOT_FOUND, detail).into());
    }
    let endpoint = match &preview.endpoints[..] {
        [only] => Some(only.endpoint.clone()),
        _ => None,
    };
    if asked.kind == JobKind::Resend
        && !asked.anyway
        && let Some(endpoint) = &endpoint
    {
        refuse_while_failing(&mut db, endpoint, now_ms).await?;
    }
    drop(db);
    let job = Job {
        asked_by: operator.name.clone(),
        endpoint,
        selected: preview.selected,
        ..new(asked, now_ms)
    };
    let mut tx = state.record.database().begin().await?;
    refuse_too_many(&mut tx).await?;
    job.insert(&mut tx).await?;
    let result = format!("{} of {} letters at {}", job.kind, job.selected, job.rate);
    deed(
        &mut tx,
        &operator,
        AuditAction::JobStart,
        &job,
        &result,
        now_ms,
    )
    .await?;
    tx.commit().await?;
    state.asked.notify_one();
    tracing::info!(event = "letter_job_begun", job = %job.id, kind = %job.kind, selected = job.selected);
    Ok((StatusCode::ACCEPTED, Json(view(job))))
}

/// One more would wait unseen behind those that are carried.
async fn refuse_too_many(tx: &mut Tx) -> Result<(), Failure> {
    let running = Job::count_running(tx).await?;
    if running < MOST_RUNNING {
        return Ok(());
    }
    let detail = format!("{running} jobs on dead letters are running; stop one, or let one end");
    let problem = Problem::new(StatusCode::CONFLICT, detail);
    Err(problem.limit(format!("{MOST_RUNNING} at a time")).into())
}

/// The audit's line of what was done to a job.
async fn deed(
    tx: &mut Tx,
    operator: &Operator,
    action: AuditAction,
    job: &Job,
    result: &str,
    now_ms: i64,
) -> Result<(), Failure> {
    let deed = Deed {
        action,
        target: &job.id.to_string(),
        reason: job.reason.as_deref(),
        result,
    };
    Ok(audit::write(tx, operator, deed, now_ms).await?)
}

fn new(asked: JobRequest, now_ms: i64) -> Job {
    let usual = match asked.kind {
        JobKind::Resend => ResendRate::USUAL,
        JobKind::Discard => ResendRate::DISCARD,
    };
    Job {
        id: ids::one(now_ms),
        kind: asked.kind,
        state: JobState::Running,
        note: None,
        filter: asked.filter,
        endpoint: None,
        rate: asked.rate.unwrap_or(usual),
        anyway: asked.anyway,
        reason: asked.reason.map(|reason| cut(&reason, LONGEST_REASON)),
        asked_by: String::new(),
        created_ms: now_ms,
        ended_ms: None,
        selected: 0,
        matched: 0,
        dealt: 0,
        failed: 0,
        reached: None,
        worker: None,
        claimed_until_ms: 0,
    }
}

async fn preview(
    db: &mut AnyConnection,
    asked: &JobRequest,
    now_ms: i64,
) -> Result<JobPreview, Failure> {
    let chosen = || Chosen::new(Some(LetterState::Open), &asked.filter).died_by(now_ms);
    let rows = chosen().query(BY_ENDPOINT).fetch_all(&mut *db).await?;
    let (mut endpoints, mut oldest_ms) = (Vec::with_capacity(rows.len()), None);
    for row in &rows {
        let endpoint: EndpointId = parsed(row, "endpoint_id")?;
        let failing = match asked.kind {
            JobKind::Resend => failing::failing(db, &endpoint, now_ms).await?,
            JobKind::Discard => None,
        };
        let died_ms: i64 = row.try_get("oldest_ms")?;
        oldest_ms = Some(oldest_ms.map_or(died_ms, |oldest: i64| oldest.min(died_ms)));
        endpoints.push(PreviewLine {
            endpoint,
            selected: number(row, "letters")?,
            failing,
        });
    }
    let unsendable = match asked.kind {
        JobKind::Resend => chosen().query(UNSENDABLE).fetch_all(&mut *db).await?,
        JobKind::Discard => Vec::new(),
    };
    Ok(JobPreview {
        selected: endpoints.iter().map(|line| line.selected).sum(),
        oldest_ms,
        endpoints,
        unsendable: counts(&unsendable, "reason")?,
    })
}

/// `GET /v1/dead-letter-jobs`: the newest hundred.
pub(super) async fn list(State(state): State<ApiState>) -> Result<Json<Jobs>, Failure> {
    let mut db = state.record.database().read().await?;
    let jobs = Job::newest(&mut db).await?;
    Ok(Json(Jobs {
        jobs: jobs.into_iter().map(view).collect(),
    }))
}

/// `GET /v1/dead-letter-jobs/{id}`.
pub(super) async fn show(
    State(state): State<ApiState>,
    Path(ending): Path<String>,
    Query(asked): Query<JobQuery>,
) -> Result<Json<JobView>, Failure> {
    let mut db = state.record.database().read().await?;
    let job = find(&mut db, &ending).await?;
    Ok(Json(whole(&mut db, job, asked.fate).await?))
}

/// With why letters failed, and with what has become of the others by now.
async fn whole(db: &mut AnyConnection, job: Job, fate: bool) -> Result<JobView, Failure> {
    let id = job.id.to_string();
    let mut view = view(job);
    if view.failed > 0 {
        let rows = sqlx::query(FAILURES).bind(&id).fetch_all(&mut *db).await?;
        view.failures = counts(&rows, "why")?;
    }
    if fate {
        let rows = sqlx::query(FATE).bind(&id).fetch_all(&mut *db).await?;
        view.fate = Some(fates(&rows)?);
    }
    Ok(view)
}

fn fates(rows: &[AnyRow]) -> Result<JobFate, sqlx::Error> {
    use notification::NotificationState::{Cancelled, Dead, Delivered, Skipped, Waiting};
    let mut fate = JobFate::default();
    for row in rows {
        let place = match parsed(row, "state")? {
            Delivered => &mut fate.delivered,
            Dead => &mut fate.dead,
            Cancelled => &mut fate.cancelled,
            Waiting | Skipped => &mut fate.waiting,
        };
        *place += number::<u64>(row, "letters")?;
    }
    Ok(fate)
}

fn counts(rows: &[AnyRow], why: &str) -> Result<Vec<ReasonCount>, sqlx::Error> {
    let count = |row: &AnyRow| {
        Ok(ReasonCount {
            why: row.try_get(why)?,
            count: number(row, "letters")?,
        })
    };
    rows.iter().map(count).collect()
}

/// `GET /v1/dead-letter-jobs/{id}/letters`: each letter, and what became of it.
pub(super) async fn letters(
    State(state): State<ApiState>,
    Path(ending): Path<String>,
    Query(asked): Query<JobLettersQuery>,
) -> Result<Json<JobLettersPage>, Failure> {
    let limit = limit(asked.limit, MOST / 2, MOST)?;
    let after = asked.after.as_deref().map(str::parse::<LetterId>);
    let cursor = asked.after.as_deref().unwrap_or_default();
    let after = after.transpose().map_err(|_| not_a_cursor(cursor))?;
    let mut db = state.record.database().read().await?;
    let job = find(&mut db, &ending).await?;
    let mut text = "SELECT group_name, tx_no, source, generation, result, why, at_ms \
         FROM letter_job_letter WHERE job_id = ?"
        .to_owned();
    if asked.result.is_some() {
        text.push_str(" AND result = ?");
    }
    if after.is_some() {
        text.push_str(
            " AND group_name >= ? AND (group_name > ? OR tx_no > ? OR (tx_no = ? \
             AND (source > ? OR (source = ? AND generation > ?))))",
        );
    }
    text.push_str(" ORDER BY group_name, tx_no, source, generation LIMIT ?");
    let mut query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(job.id.to_string());
    if let Some(result) = asked.result {
        query = query.bind(result.as_str());
    }
    if let Some(LetterId { key, generation }) = after {
        let (group, source) = (key.group.to_string(), key.source.to_string());
        let tx_no = key.tx_no.to_string();
        query = query.bind(group.clone()).bind(group);
        query = query.bind(tx_no.clone()).bind(tx_no);
        query = query.bind(source.clone()).bind(source);
        query = query.bind(i64::from(generation));
    }
    let rows = query.bind(i64::from(limit) + 1).fetch_all(&mut *db).await?;
    let lines = rows.iter().take(limit as usize).map(line);
    let letters = lines.collect::<Result<Vec<_>, sqlx::Error>>()?;
    let more = rows.len() > limit as usize;
    Ok(Json(JobLettersPage {
        next: letters.last().filter(|_| more).map(|last| last.id.clone()),
        letters,
    }))
}

fn line(row: &AnyRow) -> Result<JobLetter, sqlx::Error> {
    let id = LetterId::read(row)?;
    Ok(JobLetter {
        id: id.to_string(),
        tx_no: id.key.tx_no,
        result: parsed(row, "result")?,
        why: row.try_get("why")?,
        at_ms: row.try_get("at_ms")?,
    })
}

/// `POST /v1/dead-letter-jobs/{id}/stop`: no further letter; what is resent stays so.
pub(super) async fn stop(
    State(state): State<ApiState>,
    operator: Operator,
    Path(ending): Path<String>,
) -> Result<Json<JobView>, Failure> {
    let mut tx = state.record.database().begin().await?;
    let found = find(&mut tx, &ending).await?;
    if !job::stop(&mut tx, &found.id).await? {
        tx.rollback().await?;
        return Err(wrong_state(&found, "running or paused"));
    }
    let stopped = find(&mut tx, &found.id.to_string()).await?;
    let (result, now_ms) = (
        format!("after {} letters", stopped.dealt),
        state.clock.now_ms(),
    );
    deed(
        &mut tx,
        &operator,
        AuditAction::JobStop,
        &stopped,
        &result,
        now_ms,
    )
    .await?;
    tx.commit().await?;
    tracing::info!(event = "letter_job_stopped", job = %found.id);
    let mut db = state.record.database().read().await?;
    Ok(Json(whole(&mut db, stopped, false).await?))
}

/// `POST /v1/dead-letter-jobs/{id}/resume`: it goes on behind the last letter that it dealt with.
pub(super) async fn resume(
    State(state): State<ApiState>,
    operator: Operator,
    Path(ending): Path<String>,
    Json(asked): Json<ResumeRequest>,
) -> Result<Json<JobView>, Failure> {
    let now_ms = state.clock.now_ms();
    let mut db = state.record.database().read().await?;
    let found = find(&mut db, &ending).await?;
    if let (JobKind::Resend, false, Some(endpoint)) =
        (found.kind, found.anyway || asked.anyway, &found.endpoint)
    {
        refuse_while_failing(&mut db, endpoint, now_ms).await?;
    }
    drop(db);
    let mut tx = state.record.database().begin().await?;
    refuse_too_many(&mut tx).await?;
    let rate = asked.rate.unwrap_or(found.rate);
    if !job::resume(&mut tx, &found.id, asked.anyway, rate).await? {
        tx.rollback().await?;
        return Err(wrong_state(&found, "stopped or paused"));
    }
    let resumed = find(&mut tx, &found.id.to_string()).await?;
    let result = format!("at {} after {} letters", resumed.rate, resumed.dealt);
    deed(
        &mut tx,
        &operator,
        AuditAction::JobResume,
        &resumed,
        &result,
        now_ms,
    )
    .await?;
    tx.commit().await?;
    state.asked.notify_one();
    tracing::info!(event = "letter_job_resumed", job = %found.id);
    let mut db = state.record.database().read().await?;
    Ok(Json(whole(&mut db, resumed, false).await?))
}

fn wrong_state(job: &Job, wanted: &str) -> Failure {
    let detail = format!("job {} is {}, not {wanted}", job.id, job.state);
    Problem::new(StatusCode::CONFLICT, detail).into()
}

/// One job by its whole id, or by an ending that only one of the newest hundred has.
async fn find(db: &mut AnyConnection, ending: &str) -> Result<Job, Failure> {
    if let Ok(id) = ending.parse::<TxNo>()
        && let Some(job) = Job::find(db, &id).await?
    {
        return Ok(job);
    }
    let ending = ending.to_ascii_lowercase();
    let fits = |job: &Job| ending.len() >= 4 && job.id.to_string().ends_with(&ending);
    let mut fitting: Vec<Job> = Job::newest(db).await?;
    fitting.retain(fits);
    match fitting.len() {
        1 => Ok(fitting.remove(0)),
        0 => {
            let detail = format!("no job's id ends in {ending:?}");
            Err(Problem::new(StatusCode::NOT_FOUND, detail).into())
        }
        _ => {
            let ids: Vec<String> = fitting.iter().map(|job| job.id.to_string()).collect();
            let detail = format!("more than one job's id ends in {ending:?}");
            let problem = Problem::new(StatusCode::CONFLICT, detail);
            Err(problem.with("matches", ids).into())
        }
    }
}

fn view(job: Job) -> JobView {
    JobView {
        id: job.id,
        kind: job.kind,
        state: job.state,
        note: job.note,
        filter: job.filter,
        rate: job.rate,
        anyway: job.anyway,
        reason: job.reason,
        asked_by: job.asked_by,
        created_ms: job.created_ms,
        ended_ms: job.ended_ms,
        selected: job.selected,
        matched: job.matched,
        dealt: job.dealt,
        failed: job.failed,
        failures: Vec::new(),
        fate: None,
    }
}
