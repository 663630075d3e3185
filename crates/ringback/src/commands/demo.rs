//! `ringback demo`: the whole story once, with real kills, ending in a table.

mod compose;
mod databases;
mod elsewhere;
mod progress;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use demo::story::{Board, Ending, Script};
use demo::{
    BrokerChoice, ConfigFile, DataFolder, DemoAmounts, Ports, Stage, StagePlan, Timings,
    UsualPorts, Verdict, World,
};
use tokio::time::Instant;

use self::databases::Databases;
use self::progress::Progress;
use super::staging::{INTERRUPTED, folder, interrupted, program, unraised};
use crate::cli::DataDir;
use crate::config::access::{Access, Environment};
use crate::failure::{Failure, Outcome};
use crate::screen;

/// The ladder the story's expectations are written for.
const LADDER: &str = "1s,2s,3s";
/// How long the services may take to end when the story is over; their data is thrown away anyway.
const GRACE: Duration = Duration::from_secs(2);

/// Flags of `demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the run's own folder `demo` lies; emptied at each start.
    #[command(flatten)]
    pub data: DataDir,
    /// Play on this broker (gRPC, host:port) instead of the embedded one: a topic and a group are made there
    #[arg(long, env = "RINGBACK_BROKER", value_name = "ADDRESS")]
    pub broker: Option<String>,
    /// That broker's administration (remoting, host:port) [default: port 10911 of the same host]
    #[arg(
        long,
        env = "RINGBACK_BROKER_ADMIN",
        value_name = "ADDRESS",
        requires = "broker"
    )]
    pub broker_admin: Option<String>,
    /// A program that kills that broker when called with `kill9`, and starts it again with `start`
    #[arg(
        long,
        env = "RINGBACK_BROKER_RESTART",
        value_name = "SCRIPT",
        requires = "broker"
    )]
    pub broker_restart: Option<PathBuf>,
    /// Play on the running containers of this docker compose project, which has the demo amounts and the story's
    /// ladder (scripts/compose-test.sh brings one up)
    #[arg(
        long,
        env = "RINGBACK_COMPOSE",
        value_name = "PROJECT",
        conflicts_with = "broker",
        hide = true
    )]
    pub compose: Option<String>,
    /// Play on this MariaDB server, mysql://user:password@host:port/, instead of SQLite: databases are made there, and dropped
    #[arg(
        long,
        env = "RINGBACK_DATABASE",
        value_name = "URL",
        hide_env_values = true,
        conflicts_with = "compose"
    )]
    pub database: Option<String>,
}

/// Plays the story; exit code 0 only if every line of the table holds.
pub async fn run(args: Args) -> Outcome {
    let started = Instant::now();
    if let Some(project) = &args.compose {
        return compose::run(project, started).await;
    }
    let place = args.data.data_dir.join("demo");
    let folder = DataFolder::fresh(&place).map_err(|error| self::folder(&error))?;
    let mut config = ConfigFile::new(LADDER, Timings::DEMO);
    let mut admin = None;
    if let Some(broker) = &args.broker {
        // The services ask the same variables.
        let access = Access::of(None, None, &Environment::read())?;
        let admin_address = args.broker_admin.as_deref();
        let names = elsewhere::make(broker, admin_address, access.credentials).await?;
        (config.topic, config.group) = (names.topic, names.group);
        admin = Some(names.admin);
    }
    let databases = match &args.database {
        Some(url) => Some(Databases::make(url).await?),
        None => None,
    };
    config.databases = databases.as_ref().map(Databases::urls);
    screen::line(&headline(
        args.broker.as_deref(),
        databases.as_ref(),
        &place.display().to_string(),
    ));
    let broker = args
        .broker
        .map_or(BrokerChoice::Embedded, |address| BrokerChoice::Elsewhere {
            address,
            admin,
        });
    let plan = StagePlan {
        program: program(&broker)?,
        broker,
        amounts: DemoAmounts::On,
        ladder: None,
    };
    let script = Script {
        broker_restart: args.broker_restart,
        patience: match plan.broker {
            BrokerChoice::Embedded => Duration::from_secs(45),
            BrokerChoice::Elsewhere { .. } => Duration::from_secs(100),
        },
    };
    let progress = Progress::on_terminal();
    let board = progress.board(folder.logs());
    let mut ports = Ports::new(UsualPorts::Prefer, fastrand::Rng::new());
    let played = tokio::select! {
        // Dropping an unfinished start kills what it had started.
        played = play(&plan, &folder, &config, &mut ports, &script, &board) => Some(played),
        interrupt = interrupted() => {
            interrupt?;
            None
        }
    };
    progress.clear();
    if let Some(databases) = databases {
        databases.discard().await?;
    }
    let Some(played) = played else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let played = played?;
    let code = close(&played, started.elapsed(), &folder.logs());
    if played.holds() {
        screen::line("Next: cargo run -- up --demo --ladder 1s,2s,3s");
    }
    Ok(code)
}

/// Raises the stage, plays, and ends the services.
async fn play(
    plan: &StagePlan,
    folder: &DataFolder,
    config: &ConfigFile,
    ports: &mut Ports,
    script: &Script,
    board: &Board,
) -> Result<Ending, Failure> {
    let mut stage = Stage::raise(plan, folder, config, ports)
        .await
        .map_err(unraised)?;
    let world = World::new(http()?, &stage.addresses, folder.path())?;
    let ending = Box::pin(demo::story::play(&mut stage, &world, script, board)).await;
    stage.stop(GRACE).await.map_err(anyhow::Error::from)?;
    Ok(ending)
}

fn http() -> Result<reqwest::Client, Failure> {
    service::http_client::build(&service::http_client::HttpOptions::default())
        .map_err(|error| Failure::operation(format!("the HTTP client: {error}")))
}

fn headline(broker: Option<&str>, databases: Option<&Databases>, data: &str) -> String {
    let broker = broker.map_or("embedded".to_owned(), |address| {
        format!("Apache RocketMQ at {address}")
    });
    let database = databases.map_or("SQLite".to_owned(), |databases| {
        format!("MariaDB at {}", databases.shown())
    });
    format!(
        "ringback demo   broker {broker} · {database} · ladder 1s 2s 3s (1 + 3 attempts) · data {data}"
    )
}

/// The last two lines, and the exit code.
fn close(ending: &Ending, took: Duration, logs: &Path) -> ExitCode {
    let skipped = ending
        .rows
        .iter()
        .filter(|row| matches!(row.verdict, Verdict::Skipped(_)))
        .count();
    let held = ending
        .rows
        .iter()
        .filter(|row| matches!(row.verdict, Verdict::Held(_)))
        .count();
    let skipped = if skipped == 0 {
        String::new()
    } else {
        format!(", {skipped} skipped")
    };
    let money = match &ending.money {
        Ok(money) => money.render(),
        Err(error) => format!("the money could not be counted: {error:#}"),
    };
    screen::line(&format!(
        "{money}      {held}/{} as expected{skipped}  {} s",
        ending.rows.len(),
        took.as_secs()
    ));
    if ending.holds() {
        ExitCode::SUCCESS
    } else {
        screen::line(&format!("Not every line holds. Logs: {}", logs.display()));
        ExitCode::FAILURE
    }
}
