//! `ringback pending`: what is undelivered, how much, for whom, the oldest first.

use std::process::ExitCode;

use notification::EndpointId;
use notification::api::pending::{Pending, PendingQuery};

use crate::cli::{Output, Services};
use crate::failure::Outcome;
use crate::reach::{LONG_READ_WITHIN, Reach, Who};
use crate::render;
use crate::render::moment::Now;
use crate::screen::{self, Format};

const EXAMPLES: &str = "\
Examples:
  ringback pending
  ringback pending --endpoint bank2 --limit 20";

/// Flags of `pending`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Only this endpoint, with its notifications that are due first
    #[arg(long, env = "RINGBACK_ENDPOINT", value_name = "ID")]
    pub endpoint: Option<EndpointId>,
    /// How many endpoints, or notifications of the one endpoint, at most
    #[arg(long, env = "RINGBACK_LIMIT", value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// Asks the notifier. Exit code 0 whether or not something waits.
pub async fn run(args: Args) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let query = PendingQuery {
        endpoint: args.endpoint.clone(),
        limit: Some(args.limit),
    };
    let pending: Pending = reach
        .get_within(LONG_READ_WITHIN, Who::Notifier, "/v1/pending", &query)
        .await?;
    match args.output.format() {
        Format::Text => {
            let now = Now::here();
            screen::line(&render::pending::pending(&pending, &now));
        }
        Format::Json => screen::json(&pending)?,
    }
    Ok(ExitCode::SUCCESS)
}
