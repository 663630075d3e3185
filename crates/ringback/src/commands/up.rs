//! `ringback up`: the whole system, kept up. What dies is started again; Ctrl-C ends everything.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use demo::{
    Addresses, BrokerChoice, ConfigFile, DataFolder, DemoAmounts, Ports, Restart, Stage, StagePlan,
    Timings, UsualPorts, supervise,
};
use notification::Ladder;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::staging::{folder, interrupted, program, unraised};
use crate::cli::DataDir;
use crate::failure::{Failure, Outcome};
use crate::screen::{self, Paint};

/// How long each service may take to finish what it has in hand: the notifier lets its polls end.
const GRACE: Duration = Duration::from_secs(15);

/// Flags of `up`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The data folder.
    #[command(flatten)]
    pub data: DataDir,
    /// A broker that runs already (gRPC, host:port) instead of the embedded one
    #[arg(long, env = "RINGBACK_BROKER", value_name = "ADDRESS")]
    pub broker: Option<String>,
    /// That broker's administration (remoting, host:port): a name server, or a broker
    #[arg(
        long,
        env = "RINGBACK_BROKER_ADMIN",
        value_name = "ADDRESS",
        requires = "broker"
    )]
    pub broker_admin: Option<String>,
    /// Delays between attempts: a name (rocketmq, five-step, …) or a list such as 1s,2s,3s
    #[arg(long, env = "RINGBACK_LADDER", value_name = "LADDER")]
    pub ladder: Option<Ladder>,
    /// Simulated exceptions at 3.00 to 8.00, and deadlines short enough to watch
    #[arg(long, env = "RINGBACK_DEMO", value_parser = clap::builder::FalseyValueParser::new())]
    pub demo: bool,
}

/// Starts the services and restarts those that end, until Ctrl-C.
pub async fn run(args: Args) -> Outcome {
    let started = Instant::now();
    let folder = DataFolder::keep(&args.data.data_dir).map_err(|error| self::folder(&error))?;
    let broker = args.broker.clone();
    let broker = broker.map_or(BrokerChoice::Embedded, |address| BrokerChoice::Elsewhere {
        address,
        admin: args.broker_admin.clone(),
    });
    let plan = StagePlan {
        program: program(&broker)?,
        broker,
        amounts: if args.demo {
            DemoAmounts::On
        } else {
            DemoAmounts::Off
        },
        ladder: args.ladder.as_ref().map(Ladder::to_string),
    };
    let stage = tokio::select! {
        // Dropping an unfinished start kills what it had started.
        stage = raise(&plan, &folder) => stage?,
        interrupt = interrupted() => {
            interrupt?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    greet(&stage.addresses, &args, started.elapsed());
    let stop = CancellationToken::new();
    let asked = {
        let stop = stop.clone();
        async move {
            let interrupt = interrupted().await;
            stop.cancel();
            interrupt
        }
    };
    let (stage, asked) = tokio::join!(supervise(stage, stop, tell), asked);
    asked?;
    screen::line("Stopping: what is under way is finished first.");
    stage
        .map_err(anyhow::Error::from)?
        .stop(GRACE)
        .await
        .map_err(anyhow::Error::from)?;
    Ok(ExitCode::SUCCESS)
}

/// With the configuration that is there at the addresses it names; without one at free addresses,
/// with a configuration made for them.
async fn raise(plan: &StagePlan, folder: &DataFolder) -> Result<Stage, Failure> {
    let file = folder.path().join("ringback.toml");
    if file.exists() {
        let addresses = addresses(&file, &plan.broker)?;
        return Stage::raise_at(plan, folder, file, addresses)
            .await
            .map_err(|error| unraised(error.into()));
    }
    let timings = match plan.amounts {
        DemoAmounts::On => Timings::DEMO,
        DemoAmounts::Off => Timings::USUAL,
    };
    let config = ConfigFile::new(plan.ladder.as_deref().unwrap_or("rocketmq"), timings);
    let mut ports = Ports::new(UsualPorts::Prefer, fastrand::Rng::new());
    Stage::raise(plan, folder, &config, &mut ports)
        .await
        .map_err(unraised)
}

/// Where the file says that the services listen.
fn addresses(file: &Path, broker: &BrokerChoice) -> Result<Addresses, Failure> {
    let file = crate::config::File::read(file)?;
    let usual = Addresses::usual();
    let listen = file.broker.embedded.listen.or(usual.broker_listen);
    let (broker, broker_listen, broker_admin) = match broker {
        BrokerChoice::Embedded => (
            listen.map_or(usual.broker, |address| address.to_string()),
            listen,
            file.broker
                .embedded
                .remoting_listen
                .map(|address| address.to_string()),
        ),
        BrokerChoice::Elsewhere { address, admin } => (address.clone(), None, admin.clone()),
    };
    Ok(Addresses {
        broker,
        broker_listen,
        broker_admin,
        bank1: file.bank1.listen.unwrap_or(usual.bank1),
        bank2: file.bank2.listen.unwrap_or(usual.bank2),
        notifier: file.notifier.listen,
    })
}

fn greet(addresses: &Addresses, args: &Args, took: Duration) {
    let Addresses {
        broker,
        bank1,
        bank2,
        notifier,
        ..
    } = addresses;
    screen::line(&format!(
        "broker {broker}  bank1 :{}  bank2 :{}  notifier :{}    ready in {:.1} s",
        bank1.port(),
        bank2.port(),
        notifier.port(),
        took.as_secs_f64()
    ));
    let token = args.data.data_dir.join("token");
    screen::line(&format!(
        "operator token in {} (the CLI reads it)   supervised: a killed service restarts",
        token.display()
    ));
    screen::line(if args.demo {
        "Demo amounts are ON (3.00–8.00). Ctrl-C stops everything; data stays."
    } else {
        "Ctrl-C stops everything; data stays."
    });
    screen::line(&format!(
        "Try: cargo run -- transfer --amount 10.00 --wait{}",
        args.data.flag()
    ));
}

fn tell(restart: Restart) {
    let paint = Paint::for_stdout();
    screen::line(&match restart {
        Restart::Ended {
            service,
            status: Some(status),
        } => paint.notice(&format!("{service} ended ({status}); it is started again")),
        Restart::Ended {
            service,
            status: None,
        } => paint.notice(&format!("{service} does not run; it is started")),
        Restart::Back { service, pid } => paint.good(&format!("{service} is back, pid {pid}")),
        Restart::Failed {
            service,
            error,
            again_in,
        } => paint.bad(&format!(
            "{service} did not come back, another try in {again_in:?}: {error}"
        )),
    });
}
