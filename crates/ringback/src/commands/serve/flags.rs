//! The flags of the four services: what all have, and what only some need.

use std::net::SocketAddr;
use std::path::PathBuf;

use banks::Demo;
use notification::Ladder;

use crate::cli::{DataDir, Log};

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

/// Flag of services that have a database.
#[derive(Clone, clap::Args)]
pub struct DatabaseFlag {
    /// Database, mysql://user:password@host:port/name [default: as the configuration says, else SQLite in the data folder]
    #[arg(
        long,
        env = "RINGBACK_DATABASE",
        value_name = "URL",
        hide_env_values = true
    )]
    pub database: Option<String>,
}

/// Says whether there is one: the URL may hold a password.
impl std::fmt::Debug for DatabaseFlag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DatabaseFlag")
            .field(&self.database.is_some())
            .finish()
    }
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
    /// Where its database is.
    #[command(flatten)]
    pub database: DatabaseFlag,
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
    /// Where its database is.
    #[command(flatten)]
    pub database: DatabaseFlag,
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
    /// Where its database is.
    #[command(flatten)]
    pub database: DatabaseFlag,
    /// The demo.
    #[command(flatten)]
    pub demo: DemoFlag,
}

impl From<DemoFlag> for Demo {
    fn from(flag: DemoFlag) -> Self {
        if flag.demo { Self::On } else { Self::Off }
    }
}
