//! `ringback dlq job`: what deals with many letters, shown, stopped and resumed.

use std::process::ExitCode;
use std::time::Duration;

use notification::api::letters::{
    JobLettersPage, JobLettersQuery, JobQuery, JobResult, JobView, Jobs, ResendRate, ResumeRequest,
};
use serde::Serialize;

use super::follow::{Follow, Until};
use super::many;
use crate::cli::{Output, Services};
use crate::commands::status::ending;
use crate::failure::{Failure, Outcome};
use crate::reach::{AskError, Reach, Who};
use crate::render;
use crate::render::moment::Now;
use crate::screen::{self, Format};

const EXAMPLES: &str = "\
Examples:
  ringback dlq job list
  ringback dlq job show 5c1e --letters failed
  ringback dlq job stop 5c1e
  ringback dlq job resume 5c1e --rate 20/s";

/// `dlq job` and its action.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct JobArgs {
    /// What to do with jobs.
    #[command(subcommand)]
    pub action: JobAction,
}

/// What can be done with jobs.
#[derive(Debug, clap::Subcommand)]
pub enum JobAction {
    /// List the newest jobs
    List(JobListArgs),
    /// Show one: how far it is, what failed and why
    Show(JobShowArgs),
    /// Stop one; what it has resent stays resent
    Stop(JobStopArgs),
    /// Let a stopped or paused one go on where it stands
    Resume(JobResumeArgs),
}

/// Flags of `dlq job list`.
#[derive(Debug, clap::Args)]
pub struct JobListArgs {
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `dlq job show`.
#[derive(Debug, clap::Args)]
pub struct JobShowArgs {
    /// The job's id, or its unique ending of 4 characters or more
    #[arg(value_name = "ID", value_parser = ending)]
    pub id: String,
    /// Also list its letters: resent, discarded or failed ones
    #[arg(long, env = "RINGBACK_LETTERS", value_name = "RESULT")]
    pub letters: Option<JobResult>,
    /// How many letters at most
    #[arg(long, env = "RINGBACK_LIMIT", value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Go on where a list of letters ended: what it said after --after
    #[arg(
        long,
        env = "RINGBACK_AFTER",
        value_name = "CURSOR",
        requires = "letters"
    )]
    pub after: Option<String>,
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `dlq job stop`.
#[derive(Debug, clap::Args)]
pub struct JobStopArgs {
    /// The job's id, or its unique ending of 4 characters or more
    #[arg(value_name = "ID", value_parser = ending)]
    pub id: String,
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `dlq job resume`.
#[derive(Debug, clap::Args)]
pub struct JobResumeArgs {
    /// The job's id, or its unique ending of 4 characters or more
    #[arg(value_name = "ID", value_parser = ending)]
    pub id: String,
    /// From now on also to endpoints whose last answers all failed
    #[arg(long, env = "RINGBACK_ANYWAY", value_parser = clap::builder::FalseyValueParser::new())]
    pub anyway: bool,
    /// Another rate: 50/s, 30/m
    #[arg(long, env = "RINGBACK_RATE", value_name = "RATE")]
    pub rate: Option<ResendRate>,
    /// Do not follow it
    #[arg(long, env = "RINGBACK_DETACH", value_parser = clap::builder::FalseyValueParser::new())]
    pub detach: bool,
    /// Wait until none of what it resent is on its way
    #[arg(long, env = "RINGBACK_WAIT", value_parser = clap::builder::FalseyValueParser::new())]
    pub wait: bool,
    /// How long to wait with --wait
    #[arg(long, env = "RINGBACK_TIMEOUT", value_name = "SPAN", default_value = "120s", value_parser = humantime::parse_duration)]
    pub timeout: Duration,
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// What `show --json --letters` writes.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    job: JobView,
    #[serde(skip_serializing_if = "Option::is_none")]
    letters: Option<JobLettersPage>,
}

impl JobArgs {
    /// Whether JSON was asked for.
    pub fn json(&self) -> bool {
        match &self.action {
            JobAction::List(args) => args.output.json,
            JobAction::Show(args) => args.output.json,
            JobAction::Stop(args) => args.output.json,
            JobAction::Resume(args) => args.output.json,
        }
    }
}

/// Does what was asked.
pub(super) async fn run(args: &JobArgs) -> Outcome {
    match &args.action {
        JobAction::List(args) => list(args).await,
        JobAction::Show(args) => show(args).await,
        JobAction::Stop(args) => stop(args).await,
        JobAction::Resume(args) => Box::pin(resume(args)).await,
    }
}

async fn list(args: &JobListArgs) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let jobs: Jobs = reach
        .get(Who::Notifier, "/v1/dead-letter-jobs", &())
        .await?;
    match args.output.format() {
        Format::Text => screen::line(&render::jobs::list(&jobs.jobs, &Now::here())),
        Format::Json => screen::json(&jobs)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(args: &JobShowArgs) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let path = format!("/v1/dead-letter-jobs/{}", args.id);
    let query = JobQuery { fate: true };
    let job: JobView = reach
        .get(Who::Notifier, &path, &query)
        .await
        .map_err(no_such_job)?;
    let letters = match args.letters {
        None => None,
        Some(result) => {
            let query = JobLettersQuery {
                result: Some(result),
                after: args.after.clone(),
                limit: Some(args.limit),
            };
            let path = format!("/v1/dead-letter-jobs/{}/letters", job.id);
            Some(reach.get(Who::Notifier, &path, &query).await?)
        }
    };
    match args.output.format() {
        Format::Text => screen::line(&render::jobs::show(&job, letters.as_ref(), &Now::here())),
        Format::Json => screen::json(&Shown { job, letters })?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn stop(args: &JobStopArgs) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let path = format!("/v1/dead-letter-jobs/{}/stop", args.id);
    let job: JobView = reach
        .post(Who::Notifier, &path, &())
        .await
        .map_err(no_such_job)?;
    match args.output.format() {
        Format::Text => {
            let (id, data) = (render::ending(&job.id), args.services.data.flag());
            screen::line(&render::jobs::ended(&job, &id, &data));
        }
        Format::Json => screen::json(&job)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn resume(args: &JobResumeArgs) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let path = format!("/v1/dead-letter-jobs/{}/resume", args.id);
    let request = ResumeRequest {
        anyway: args.anyway,
        rate: args.rate,
    };
    let job: JobView = reach
        .post(Who::Notifier, &path, &request)
        .await
        .map_err(no_such_job)?;
    let follow = Follow {
        reach: &reach,
        format: args.output.format(),
        until: match (args.detach, args.wait) {
            (true, _) => Until::Begun,
            (false, false) => Until::Done,
            (false, true) => Until::Settled(args.timeout),
        },
        data: &args.services.data.flag(),
    };
    follow.job(job).await
}

fn no_such_job(error: AskError) -> Failure {
    match error {
        AskError::Refused(problem) if problem.status == 404 => {
            crate::reach::refusal(&problem).help("See the jobs: ringback dlq job list")
        }
        error => many::refused(error, None),
    }
}
