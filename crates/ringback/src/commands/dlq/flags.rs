//! The flags of `dlq list|show|resend|discard`.

use std::time::Duration;

use notification::{EndpointId, LetterState};

use crate::cli::{Output, Services};
use crate::commands::status::ending;

/// What can be done with dead letters.
#[derive(Debug, clap::Subcommand)]
pub enum Action {
    /// List dead letters, oldest first
    List(ListArgs),
    /// Show one dead letter: why it died, each attempt, its body
    Show(ShowArgs),
    /// Send one again, as a new generation with a ladder of its own
    Resend(ResendArgs),
    /// Close one for good, with a reason that stays on record
    Discard(DiscardArgs),
    /// The broker's dead-letter topics themselves: list, show or export their messages
    Topic(super::TopicArgs),
}

/// Flags of `dlq list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Which letters: open, resent, discarded or closed
    #[arg(
        long,
        env = "RINGBACK_STATE",
        value_name = "STATE",
        default_value = "open"
    )]
    pub state: LetterState,
    /// Only this endpoint's
    #[arg(long, env = "RINGBACK_ENDPOINT", value_name = "ID")]
    pub endpoint: Option<EndpointId>,
    /// How many at most
    #[arg(long, env = "RINGBACK_LIMIT", value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `dlq show`.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// The tx_no, or its unique ending of 4 characters or more
    #[arg(value_name = "ENDING", value_parser = ending)]
    pub ending: String,
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `dlq resend`.
#[derive(Debug, clap::Args)]
pub struct ResendArgs {
    /// The tx_no, or its unique ending of 4 characters or more
    #[arg(value_name = "ENDING", value_parser = ending)]
    pub ending: String,
    /// Resend although the endpoint's last answers all failed
    #[arg(long, env = "RINGBACK_ANYWAY", value_parser = clap::builder::FalseyValueParser::new())]
    pub anyway: bool,
    /// Why, for the record
    #[arg(long, env = "RINGBACK_REASON", value_name = "TEXT")]
    pub reason: Option<String>,
    /// Wait until it is delivered (exit code 0) or dead again (1)
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

/// Flags of `dlq discard`.
#[derive(Debug, clap::Args)]
pub struct DiscardArgs {
    /// The tx_no, or its unique ending of 4 characters or more
    #[arg(value_name = "ENDING", value_parser = ending)]
    pub ending: String,
    /// Why, for the record
    #[arg(long, env = "RINGBACK_REASON", value_name = "TEXT")]
    pub reason: String,
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}
