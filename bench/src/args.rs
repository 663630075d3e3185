//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  ringback-bench run                                   every scenario on the embedded broker and SQLite
  ringback-bench run drain --count 1000                one of them, small
  ringback-bench run drain --broker 127.0.0.1:8081 --broker-admin 127.0.0.1:10911
  ringback-bench run --json > figures.jsonl            a line a scenario; the table goes to standard error";

/// Measures Ringback.
#[derive(Debug, Parser)]
#[command(name = "ringback-bench", version, disable_help_subcommand = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run scenarios and print their figures
    #[command(after_help = EXAMPLES)]
    Run(Run),
    /// Put messages on a topic of a broker that is there
    Load(Load),
    /// A receiver that answers by path: /ok 204, /fail 500, /hang nothing, /switch as it is told on standard input
    /// (`answer 503`), with whose end it ends
    Sink(Sink),
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// 100,000 waiting messages to one receiver that answers 204
    Drain,
    /// 10,000 messages to a receiver that hangs, in front of traffic to five others of the same group
    BlackHole,
    /// The same once the 10,000 sleep, with 100 more a second
    BlackHoleAsleep,
    /// 1,000 endpoints, of which 100 hang
    ThousandEndpoints,
    /// Lateness of each of 16 rungs
    Ladder,
    /// 1,000,000 refused messages asleep on the ladder
    Sleepers,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Run {
    /// Which; all if none is named
    #[arg(value_enum, value_name = "SCENARIO")]
    pub scenarios: Vec<Scenario>,
    /// How many messages, in place of each scenario's own number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub count: Option<u64>,
    /// A broker that is there, gRPC host:port; else an embedded one is started
    #[arg(long, value_name = "ADDRESS", requires = "broker_admin")]
    pub broker: Option<String>,
    /// Its remoting, by which topic and group are made, host:port
    #[arg(long, value_name = "ADDRESS", requires = "broker")]
    pub broker_admin: Option<String>,
    /// An empty database for the record, mysql://user:password@host:port/name; else an SQLite file
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// The program to measure; else `ringback` beside this one
    #[arg(long, value_name = "PATH")]
    pub ringback: Option<PathBuf>,
    /// Where data goes, each scenario into a folder that is removed afterwards [default: the system's]
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// Keep those folders
    #[arg(long)]
    pub keep: bool,
    /// Lines of JSON on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Load {
    /// The broker's gRPC address
    #[arg(long, value_name = "ADDRESS")]
    pub broker: String,
    /// A NORMAL topic
    #[arg(long, value_name = "TOPIC")]
    pub topic: String,
    /// The endpoint that each message names
    #[arg(long, value_name = "ID", default_value = "sink")]
    pub endpoint: String,
    /// How many
    #[arg(long, value_name = "N")]
    pub count: u64,
    /// How many a second; else as fast as the broker takes them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub rate: Option<u64>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Sink {
    /// Where to listen.
    #[arg(long)]
    pub listen: SocketAddr,
    /// The rungs in milliseconds by which the lateness of `/rungs` is told.
    #[arg(long, value_delimiter = ',')]
    pub rungs_ms: Vec<u64>,
}
