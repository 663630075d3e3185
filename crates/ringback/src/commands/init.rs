//! `ringback init`: topics, groups and policies at the broker, and each group's place in its topics. Idempotent.

use std::process::ExitCode;
use std::time::Duration;

use notification::Ladder;
use rocketmq::{Admin, Error, Retry};
use tokio::time::Instant;

use super::staging::{INTERRUPTED, interrupted};
use crate::administer::{BrokerSide, failed};
use crate::cli::{Output, ServiceDatabases};
use crate::config::{File, compose};
use crate::failure::{Failure, Outcome};
use crate::render;
use crate::render::setup::Done;
use crate::screen::{self, Format, Paint};
use crate::setup::carry_out;
use crate::setup::databases::{self, Mode};
use crate::setup::{self, Change, History, Wanted};

/// Between two tries to reach a broker that is waited for.
const PAUSE: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "\
Examples:
  ringback init --dry-run           what would be done
  ringback init                     do it; again: nothing to do
  ringback init --wait --timeout 5m wait until the broker is there, as in docker compose
  ringback init --skip-history      a new subscription of an old topic that shall not hear of the past

What it sets up, out of ringback.toml: the topics of [initiator] and of each [[subscription]], as TRANSACTION;
each subscription's group, with the longest ladder of its endpoints as its retry policy and retryMaxTimes 1000 or, if
a broker allows more, as many on each; each group's place in its topics, where it has none: before what lies there, so
that nothing is missed. Nothing is received for it. Exit code 0 if all is as it should be now, 1 if not, 2 for wrong usage or configuration.";

/// Flags of `init`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Say what would be done, and do nothing
    #[arg(long, env = "RINGBACK_DRY_RUN", value_parser = clap::builder::FalseyValueParser::new())]
    pub dry_run: bool,
    /// Bring the tables of bank1, bank2 and the notifier up to date, too; else each does so at its start
    #[arg(long, env = "RINGBACK_MIGRATE", value_parser = clap::builder::FalseyValueParser::new())]
    pub migrate: bool,
    /// Wait for a broker that is not there yet
    #[arg(long, env = "RINGBACK_WAIT", value_parser = clap::builder::FalseyValueParser::new())]
    pub wait: bool,
    /// A group that begins in a topic does so behind what lies there: it never receives that
    #[arg(long, env = "RINGBACK_SKIP_HISTORY", value_parser = clap::builder::FalseyValueParser::new())]
    pub skip_history: bool,
    /// How long all of it may take
    #[arg(long, env = "RINGBACK_TIMEOUT", value_name = "SPAN", default_value = "120s", value_parser = humantime::parse_duration)]
    pub timeout: Duration,
    /// The ladder of every endpoint, as the notifier is told by the same flag
    #[arg(long, env = "RINGBACK_LADDER", value_name = "LADDER")]
    pub ladder: Option<Ladder>,
    /// Where the databases are, for --migrate.
    #[command(flatten)]
    pub databases: ServiceDatabases,
    /// Where the broker is.
    #[command(flatten)]
    pub broker: BrokerSide,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// Sets up what is missing.
pub async fn run(args: Args) -> Outcome {
    let file = args.broker.read()?;
    let wanted = setup::wanted(&file, args.ladder.as_ref())
        .map_err(|failure| named(&args.broker, failure))?;
    let job = Job {
        admin: args.broker.admin(&file)?,
        wanted,
        history: if args.skip_history {
            History::Skipped
        } else {
            History::Received
        },
        wait: args.wait,
        until: Instant::now() + args.timeout,
    };
    let done = if args.dry_run { Done::No } else { Done::Yes };
    let changes = tokio::select! {
        changes = job.run(done) => changes?,
        interrupt = interrupted() => {
            interrupt?;
            return Ok(ExitCode::from(INTERRUPTED));
        }
    };
    let mut changes = changes;
    if args.migrate {
        changes.extend(migrate(&args, &file).await?);
    }
    match args.output.format() {
        Format::Text => screen::line(&render::setup::text(&changes, done, Paint::for_stdout())),
        Format::Json => {
            screen::json(&serde_json::json!({ "dry_run": args.dry_run, "changes": changes }))?
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The services' tables, where the configuration says that they are.
async fn migrate(args: &Args, file: &File) -> Result<Vec<Change>, Failure> {
    let mode = if args.dry_run {
        Mode::Look
    } else {
        Mode::Migrate
    };
    let data = &args.broker.data.data_dir;
    let mut changes = Vec::new();
    for (service, sets) in databases::SETS {
        let config = compose::database(service, file, args.databases.of(service), data)?;
        let migrated = databases::migrate(service, &config, sets, mode).await;
        changes.extend(migrated.map_err(|error| {
            Failure::operation(format!("the database of {service}: {error}"))
                .help("The broker is set up. Start the database server, or correct its url, and run init again.")
        })?);
    }
    Ok(changes)
}

/// What is asked of a broker, and until when.
struct Job {
    admin: Admin,
    wanted: Wanted,
    history: History,
    wait: bool,
    until: Instant,
}

impl Job {
    async fn run(&self, done: Done) -> Result<Vec<Change>, Failure> {
        let mut waiting = Waiting::default();
        let found = loop {
            match carry_out::read(&self.admin, &self.wanted).await {
                Ok(found) => break found,
                Err(error) => self.again(&mut waiting, &error).await?,
            }
        };
        let changes = setup::plan(&self.wanted, &found, self.history)?;
        if done == Done::No {
            return Ok(changes);
        }
        for change in &changes {
            let Some(step) = &change.step else { continue };
            while let Err(error) = carry_out::carry_out(&self.admin, step).await {
                self.again(&mut waiting, &error).await?;
            }
        }
        Ok(changes)
    }

    /// Whether the same may be tried again, after a pause: with `--wait`, in time, and if it can help.
    async fn again(&self, waiting: &mut Waiting, error: &Error) -> Result<(), Failure> {
        let failure = failed(error);
        let in_time = Instant::now() + PAUSE < self.until;
        if !self.wait || error.retry() == Retry::Never || !in_time {
            let in_vain = self.wait && !in_time;
            return Err(if in_vain {
                Failure {
                    message: format!("the broker was waited for in vain: {}", failure.message),
                    ..failure
                }
            } else {
                failure
            });
        }
        waiting.tell(&failure.message);
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }
}

/// What is waited for is said once for each reason: the output of a container is a log.
#[derive(Default)]
struct Waiting {
    told: String,
}

impl Waiting {
    fn tell(&mut self, why: &str) {
        if self.told != why {
            why.clone_into(&mut self.told);
            screen::notice(&format!("waiting for the broker: {why}"));
        }
    }
}

fn named(broker: &BrokerSide, failure: Failure) -> Failure {
    Failure {
        message: format!(
            "configuration {}: {}",
            broker.path().display(),
            failure.message
        ),
        ..failure
    }
}
