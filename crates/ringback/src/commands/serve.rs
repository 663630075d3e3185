//! `ringback broker|notifier|bank1|bank2`: one service in this process.
//!
//! Configuration is composed, logging started, the service run until it is asked to stop. Once it is ready it says
//! so with one JSON line on standard output, which is what `up`, `demo` and the tests wait for.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use banks::Demo;
use demo::{Addresses, ConfigFile, Timings};
use notification::Ladder;
use service::shutdown::{Shutdown, Stdin};
use service::telemetry::{self, LogOutput};

use crate::cli::{DataDir, Log};
use crate::config::compose::{self, Overrides};
use crate::config::{File, paths};
use crate::failure::{Failure, Outcome};

/// From the soft phase of a shutdown to the hard one.
const GRACE: Duration = Duration::from_secs(30);

/// Flags of every service.
#[derive(Debug, Clone, clap::Args)]
pub struct Common {
    /// The data folder.
    #[command(flatten)]
    pub data: DataDir,
    /// Configuration [default: ringback.toml in the data folder, made with fresh secrets if absent]
    #[arg(long, env = "RINGBACK_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address to listen at, such as 127.0.0.1:8181 [default: as the configuration says]
    #[arg(long, env = "RINGBACK_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// End when standard input closes, as it does when the parent process dies
    #[arg(long)]
    pub with_parent: bool,
    /// Where the log goes: `file` (logs/<service>.log in the data folder) or `stderr`
    #[arg(
        long,
        env = "RINGBACK_LOG",
        value_name = "WHERE",
        value_enum,
        default_value = "file",
        hide_possible_values = true
    )]
    pub log: Log,
    /// What is logged: a level, or a list such as info,notifier=debug
    #[arg(
        long,
        env = "RINGBACK_LOG_FILTER",
        value_name = "FILTER",
        default_value = "info"
    )]
    pub log_filter: String,
}

/// Flag of services that talk to the broker.
#[derive(Debug, Clone, clap::Args)]
pub struct BrokerFlag {
    /// The broker's gRPC address, host:port; several by commas: endpoints of one cluster
    #[arg(
        long,
        env = "RINGBACK_BROKER",
        value_name = "ADDRESS",
        value_delimiter = ','
    )]
    pub broker: Vec<String>,
}

/// Flag of services that know a ladder.
#[derive(Debug, Clone, clap::Args)]
pub struct LadderFlag {
    /// Delays between attempts: a name (rocketmq, five-step, …) or a list such as 1s,2s,3s
    #[arg(long, env = "RINGBACK_LADDER", value_name = "LADDER")]
    pub ladder: Option<Ladder>,
}

/// Flag of the banks.
#[derive(Debug, Clone, clap::Args)]
pub struct DemoFlag {
    /// Simulated exceptions at set amounts, and barriers under /demo
    #[arg(long, env = "RINGBACK_DEMO", value_parser = clap::builder::FalseyValueParser::new())]
    pub demo: bool,
}

/// Flags of `broker`.
#[derive(Debug, Clone, clap::Args)]
pub struct BrokerArgs {
    /// What every service has.
    #[command(flatten)]
    pub common: Common,
    /// The ladder.
    #[command(flatten)]
    pub ladder: LadderFlag,
}

/// Flags of `notifier`.
#[derive(Debug, Clone, clap::Args)]
pub struct NotifierArgs {
    /// What every service has.
    #[command(flatten)]
    pub common: Common,
    /// Where the broker is.
    #[command(flatten)]
    pub broker: BrokerFlag,
    /// The ladder.
    #[command(flatten)]
    pub ladder: LadderFlag,
}

/// Flags of `bank1`.
#[derive(Debug, Clone, clap::Args)]
pub struct Bank1Args {
    /// What every service has.
    #[command(flatten)]
    pub common: Common,
    /// Where the broker is.
    #[command(flatten)]
    pub broker: BrokerFlag,
    /// The demo.
    #[command(flatten)]
    pub demo: DemoFlag,
}

/// Flags of `bank2`.
#[derive(Debug, Clone, clap::Args)]
pub struct Bank2Args {
    /// What every service has.
    #[command(flatten)]
    pub common: Common,
    /// The demo.
    #[command(flatten)]
    pub demo: DemoFlag,
}

impl From<DemoFlag> for Demo {
    fn from(flag: DemoFlag) -> Self {
        if flag.demo { Self::On } else { Self::Off }
    }
}

/// Runs the embedded broker.
pub async fn broker(args: BrokerArgs) -> Outcome {
    let over = Overrides {
        ladder: args.ladder.ladder,
        ..overrides(&args.common)
    };
    let place = prepare(&args.common, "broker")?;
    let config = compose::broker(place.file, &over, &place.data);
    let broker = broker::Broker::start(config)
        .await
        .map_err(|error| Failure::from(anyhow::Error::from(error)))?;
    announce("broker", broker.address());
    place.shutdown.soft().cancelled().await;
    broker
        .stop()
        .await
        .map_err(|error| Failure::from(anyhow::Error::from(error)))?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the notifier.
pub async fn notifier(args: NotifierArgs) -> Outcome {
    let over = Overrides {
        broker: args.broker.broker,
        ladder: args.ladder.ladder,
        ..overrides(&args.common)
    };
    let place = prepare(&args.common, "notifier")?;
    let config = compose::notifier(place.file, &over, &place.data, &place.token)
        .map_err(named(&place.config))?;
    Box::pin(notifier::run(config, place.shutdown, |address| {
        announce("notifier", address)
    }))
    .await?;
    Ok(ExitCode::SUCCESS)
}

/// Runs bank1.
pub async fn bank1(args: Bank1Args) -> Outcome {
    let over = Overrides {
        broker: args.broker.broker,
        demo: args.demo.into(),
        ..overrides(&args.common)
    };
    let place = prepare(&args.common, "bank1")?;
    let config = compose::bank1(place.file, &over, &place.data, &place.token)
        .map_err(named(&place.config))?;
    Box::pin(banks::bank1::run(config, place.shutdown, |address| {
        announce("bank1", address)
    }))
    .await?;
    Ok(ExitCode::SUCCESS)
}

/// Runs bank2.
pub async fn bank2(args: Bank2Args) -> Outcome {
    let over = Overrides {
        demo: args.demo.into(),
        ..overrides(&args.common)
    };
    let place = prepare(&args.common, "bank2")?;
    let config = compose::bank2(place.file, &over, &place.data).map_err(named(&place.config))?;
    Box::pin(banks::bank2::run(config, place.shutdown, |address| {
        announce("bank2", address)
    }))
    .await?;
    Ok(ExitCode::SUCCESS)
}

fn overrides(common: &Common) -> Overrides {
    Overrides {
        listen: common.listen,
        ..Overrides::default()
    }
}

/// What a service stands on before it starts.
struct Place {
    data: PathBuf,
    config: PathBuf,
    file: File,
    token: String,
    shutdown: Shutdown,
}

/// The same failure with the file that it is about.
fn named(config: &Path) -> impl FnOnce(Failure) -> Failure {
    let start = format!("configuration {}: ", config.display());
    move |failure| Failure {
        message: start + &failure.message,
        ..failure
    }
}

/// Makes the folder, starts the log, reads (or makes) configuration and token, and listens for signals.
fn prepare(common: &Common, service: &str) -> Result<Place, Failure> {
    let folder = |error: std::io::Error| {
        let folder = common.data.data_dir.display();
        Failure::operation(format!("the data folder {folder} can't be used: {error}"))
            .help("Choose another with --data-dir.")
    };
    let data = std::path::absolute(&common.data.data_dir).map_err(folder)?;
    std::fs::create_dir_all(&data).map_err(folder)?;
    let output = match common.log {
        Log::File => LogOutput::File(paths::log(&data, service)),
        Log::Stderr => LogOutput::Stderr,
    };
    telemetry::init(&output, &common.log_filter)
        .map_err(|error| Failure::usage(format!("{error:#}")))?;
    let config = match &common.config {
        Some(path) => path.clone(),
        None => made(&data)?,
    };
    let file = File::read(&config)?;
    let token = service::token::create_or_read(&paths::token(&data))?;
    let shutdown = Shutdown::new();
    let stdin = if common.with_parent {
        Stdin::EndsIt
    } else {
        Stdin::Ignored
    };
    shutdown
        .watch(stdin, GRACE)
        .map_err(|error| Failure::operation(format!("signals can't be watched: {error}")))?;
    Ok(Place {
        data,
        config,
        file,
        token,
        shutdown,
    })
}

/// The data folder's own configuration, made with fresh secrets if there is none.
fn made(data: &Path) -> Result<PathBuf, Failure> {
    let path = paths::config(data);
    if path.exists() {
        return Ok(path);
    }
    let path =
        ConfigFile::new("rocketmq", Timings::USUAL).write_if_absent(data, &Addresses::usual())?;
    tracing::info!(path = %path.display(), "configuration_made");
    Ok(path)
}

/// Says that the service is ready. Nobody listening is no reason to stop.
fn announce(service: &str, address: SocketAddr) {
    tracing::info!(%address, pid = std::process::id(), "ready");
    if let Err(error) = service::ready::announce(service, address) {
        tracing::warn!(%error, "nobody reads the ready line");
    }
}
