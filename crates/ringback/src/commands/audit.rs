//! `ringback audit`: what operators did, and why.

use std::process::ExitCode;
use std::time::Duration;

use notification::api::notifier::{AuditAction, AuditPage, AuditQuery};

use crate::cli::{Output, Services};
use crate::failure::Outcome;
use crate::reach::{Reach, Who};
use crate::render;
use crate::render::moment::Now;
use crate::screen::{self, Format};

/// Flags of `audit`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this action, such as resend, withdraw, token_add
    #[arg(long, env = "RINGBACK_ACTION", value_name = "ACTION")]
    pub action: Option<AuditAction>,
    /// Only what was done to this: group/source/tx_no, or an endpoint's or a token's id
    #[arg(long, env = "RINGBACK_TARGET", value_name = "ID")]
    pub target: Option<String>,
    /// Only what this operator did: a token's name or id
    #[arg(long, env = "RINGBACK_OPERATOR", value_name = "NAME")]
    pub operator: Option<String>,
    /// Only of the last so long
    #[arg(long, env = "RINGBACK_SINCE", value_name = "SPAN", value_parser = humantime::parse_duration)]
    pub since: Option<Duration>,
    /// How many at most
    #[arg(long, env = "RINGBACK_LIMIT", value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub limit: u32,
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// Lists what was done, newest first.
pub async fn run(args: Args) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let now = Now::here();
    let began = |span| now.before(span);
    let query = AuditQuery {
        action: args.action,
        target: args.target,
        operator: args.operator,
        since_ms: args.since.map(began),
        limit: Some(args.limit),
        ..AuditQuery::default()
    };
    let page: AuditPage = reach.get(Who::Notifier, "/v1/audit", &query).await?;
    match args.output.format() {
        Format::Text => screen::line(&render::access::audit(&page, &now)),
        Format::Json => screen::json(&page)?,
    }
    Ok(ExitCode::SUCCESS)
}
