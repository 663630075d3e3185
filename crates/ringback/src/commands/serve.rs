//! `ringback broker|notifier|bank1|bank2`: one service in this process.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::cli::{DataDir, Log};
use crate::failure::{Failure, Outcome};

/// Which service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The embedded broker.
    Broker,
    /// The notifier.
    Notifier,
    /// The initiator.
    Bank1,
    /// The receiver.
    Bank2,
}

impl Service {
    /// The name of its subcommand, its log and its ready line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Notifier => "notifier",
            Self::Bank1 => "bank1",
            Self::Bank2 => "bank2",
        }
    }
}

/// Flags of every service.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub data: DataDir,
    /// Configuration [default: ringback.toml in the data folder, made if absent]
    #[arg(long, env = "RINGBACK_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address to listen at, such as 127.0.0.1:8181
    #[arg(long, env = "RINGBACK_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// The broker's gRPC address, host:port; several by commas: endpoints of one cluster
    #[arg(long, env = "RINGBACK_BROKER", value_name = "ADDRESS", value_delimiter = ',')]
    pub broker: Vec<String>,
    /// Delays between attempts: a name (rocketmq, five-step, …) or a list such as 1s,2s,3s
    #[arg(long, env = "RINGBACK_LADDER", value_name = "LADDER")]
    pub ladder: Option<String>,
    /// Simulated exceptions at set amounts, barriers under /demo, and short deadlines
    #[arg(long, env = "RINGBACK_DEMO")]
    pub demo: bool,
    /// End when standard input closes, as it does when the parent process dies
    #[arg(long)]
    pub with_parent: bool,
    /// Where the log goes
    #[arg(long, env = "RINGBACK_LOG", value_name = "WHERE", value_enum, default_value = "file")]
    pub log: Log,
}

/// Runs the service until it is asked to stop.
pub async fn run(service: Service, _args: Args) -> Outcome {
    Err(Failure::operation(format!("{} is not written yet", service.name())))
}
