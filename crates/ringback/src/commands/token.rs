//! `ringback token`: who may use the notifier's API.

use std::process::ExitCode;
use std::time::Duration;

use notification::TokenName;
use notification::api::notifier::{
    RevokeRequest, Role, TokenLine, TokenMade, TokenRequest, TokensPage, TokensQuery,
};

use crate::cli::{Output, Services};
use crate::failure::{Failure, Outcome};
use crate::reach::{Reach, Who};
use crate::render;
use crate::render::moment::Now;
use crate::screen::{self, Format};

const EXAMPLES: &str = "\
Examples:
  ringback token add grafana --role read --expires 90d --reason 'dashboards'
  ringback token list
  ringback token revoke grafana --reason 'moved to another team'

A token is shown once. Whoever has it gives it as --token or RINGBACK_TOKEN, or in HTTP as
Authorization: Bearer <token>. The token in the data folder can always operate.";

/// `token` and its action.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with tokens.
#[derive(Debug, clap::Subcommand)]
pub enum Action {
    /// Make a token; it is shown this once
    Add(AddArgs),
    /// List the tokens, the revoked ones too
    List(ListArgs),
    /// Revoke a token: every notifier refuses it within two seconds
    Revoke(RevokeArgs),
}

/// Flags of `token add`.
#[derive(Debug, clap::Args)]
pub struct AddArgs {
    /// Who is to have it: the audit names them so
    #[arg(value_name = "NAME")]
    pub name: TokenName,
    /// read: asking only; operate: everything
    #[arg(long, env = "RINGBACK_ROLE", value_name = "ROLE")]
    pub role: Role,
    /// For how long it is good [default: until it is revoked]
    #[arg(long, env = "RINGBACK_EXPIRES", value_name = "SPAN", value_parser = humantime::parse_duration)]
    pub expires: Option<Duration>,
    /// Why, for the record
    #[arg(long, env = "RINGBACK_REASON", value_name = "TEXT")]
    pub reason: Option<String>,
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `token list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `token revoke`.
#[derive(Debug, clap::Args)]
pub struct RevokeArgs {
    /// The token's name, or its id
    #[arg(value_name = "NAME", value_parser = name_or_id)]
    pub name: String,
    /// Why, for the record
    #[arg(long, env = "RINGBACK_REASON", value_name = "TEXT")]
    pub reason: Option<String>,
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// An id has a name's alphabet too.
fn name_or_id(text: &str) -> Result<String, String> {
    let name = text.parse::<TokenName>();
    name.map(String::from).map_err(|invalid| invalid.limit)
}

impl Args {
    /// Whether JSON was asked for.
    pub fn json(&self) -> bool {
        match &self.action {
            Action::Add(args) => args.output.json,
            Action::List(args) => args.output.json,
            Action::Revoke(args) => args.output.json,
        }
    }
}

/// Does what was asked.
pub async fn run(args: Args) -> Outcome {
    match args.action {
        Action::Add(args) => add(args).await,
        Action::List(args) => list(&args).await,
        Action::Revoke(args) => revoke(args).await,
    }
}

async fn add(args: AddArgs) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let now = Now::here();
    let ends = |span| now.after(span);
    let request = TokenRequest {
        name: args.name,
        role: args.role,
        expires_ms: args.expires.map(ends),
        reason: args.reason,
    };
    let made: TokenMade = reach.post(Who::Notifier, "/v1/tokens", &request).await?;
    match args.output.format() {
        Format::Text => screen::line(&render::access::made(&made, &now)),
        Format::Json => screen::json(&made)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(args: &ListArgs) -> Outcome {
    let tokens = all(&Reach::find(&args.services)?).await?;
    match args.output.format() {
        Format::Text => screen::line(&render::access::tokens(&tokens, &Now::here())),
        Format::Json => screen::json(&TokensPage { tokens, next: None })?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn all(reach: &Reach) -> Result<Vec<TokenLine>, Failure> {
    let (mut tokens, mut query) = (Vec::new(), TokensQuery::default());
    loop {
        let page: TokensPage = reach.get(Who::Notifier, "/v1/tokens", &query).await?;
        tokens.extend(page.tokens);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(tokens),
        }
    }
}

async fn revoke(args: RevokeArgs) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let path = format!("/v1/tokens/{}/revoke", args.name);
    let request = RevokeRequest {
        reason: args.reason,
    };
    let revoked: TokenLine = reach.post(Who::Notifier, &path, &request).await?;
    match args.output.format() {
        Format::Text => screen::line(&render::access::revoked(&revoked)),
        Format::Json => screen::json(&revoked)?,
    }
    Ok(ExitCode::SUCCESS)
}
