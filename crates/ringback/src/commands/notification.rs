//! `ringback notification`: the notifier's records, and what to do about one that is not delivered.

use std::process::ExitCode;
use std::time::Duration;

use notification::api::notifier::{
    NotificationView, NotificationsPage, NotificationsQuery, RingAsked, RingRequest,
    WithdrawRequest, Withdrawn,
};
use notification::{EndpointId, Group, NotificationState, Source};

use super::named::Named;
use crate::cli::{Output, Services};
use crate::failure::Outcome;
use crate::reach::{Reach, Who};
use crate::render;
use crate::render::moment::Now;
use crate::screen::{self, Format};

const EXAMPLES: &str = "\
Examples:
  ringback notification list --state waiting --endpoint bank2
  ringback notification list --key 'transfer 10.00' --since 1h
  ringback notification show 9f52
  ringback notification ring 9f52                        the next attempt now, not at its rung
  ringback notification withdraw 9f52 --reason 'settled by hand'";

/// `notification` and its action.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with notifications.
#[derive(Debug, clap::Subcommand)]
pub enum Action {
    /// List notifications, the newest number first
    List(ListArgs),
    /// Show one with its attempts
    Show(ShowArgs),
    /// Bring a waiting one's next attempt forward to now
    Ring(RingArgs),
    /// Give one up before its delivery, with a reason that stays on record
    Withdraw(WithdrawArgs),
}

/// Flags of `notification list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Only in this state: waiting, delivered, dead, skipped or cancelled
    #[arg(long, env = "RINGBACK_STATE", value_name = "STATE")]
    pub state: Option<NotificationState>,
    /// Only to this endpoint
    #[arg(long, env = "RINGBACK_ENDPOINT", value_name = "ID")]
    pub endpoint: Option<EndpointId>,
    /// Only of this group
    #[arg(long, env = "RINGBACK_GROUP", value_name = "GROUP")]
    pub group: Option<Group>,
    /// Only of this initiator
    #[arg(long, env = "RINGBACK_SOURCE", value_name = "SOURCE")]
    pub source: Option<Source>,
    /// Only with exactly this business key
    #[arg(long, env = "RINGBACK_KEY", value_name = "KEY")]
    pub key: Option<String>,
    /// Only with exactly this event type
    #[arg(long, env = "RINGBACK_EVENT_TYPE", value_name = "TYPE")]
    pub event_type: Option<String>,
    /// Only with numbers of the last so long
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

/// Flags of `notification show`.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// The tx_no, or its unique ending of 4 characters or more; of several groups, group/source/tx_no
    #[arg(value_name = "ENDING")]
    pub named: Named,
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `notification ring`.
#[derive(Debug, clap::Args)]
pub struct RingArgs {
    /// The tx_no, or its unique ending of 4 characters or more; of several groups, group/source/tx_no
    #[arg(value_name = "ENDING")]
    pub named: Named,
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

/// Flags of `notification withdraw`.
#[derive(Debug, clap::Args)]
pub struct WithdrawArgs {
    /// The tx_no, or its unique ending of 4 characters or more; of several groups, group/source/tx_no
    #[arg(value_name = "ENDING")]
    pub named: Named,
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

impl Args {
    /// Whether JSON was asked for.
    pub fn json(&self) -> bool {
        match &self.action {
            Action::List(args) => args.output.json,
            Action::Show(args) => args.output.json,
            Action::Ring(args) => args.output.json,
            Action::Withdraw(args) => args.output.json,
        }
    }
}

/// Does what was asked.
pub async fn run(args: Args) -> Outcome {
    match args.action {
        Action::List(args) => list(args).await,
        Action::Show(args) => show(&args).await,
        Action::Ring(args) => ring(args).await,
        Action::Withdraw(args) => withdraw(args).await,
    }
}

/// Asks page by page until there are enough: a page may be empty and not the last.
async fn list(args: ListArgs) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let now = Now::here();
    let began = |span| now.before(span);
    let mut query = NotificationsQuery {
        group: args.group,
        source: args.source,
        endpoint: args.endpoint,
        state: args.state,
        event_type: args.event_type,
        business_key: args.key,
        since_ms: args.since.map(began),
        ..NotificationsQuery::default()
    };
    let mut all = NotificationsPage {
        notifications: Vec::new(),
        next: None,
    };
    loop {
        let have = u32::try_from(all.notifications.len()).unwrap_or(args.limit);
        query.limit = Some(args.limit.saturating_sub(have));
        let page: NotificationsPage = reach
            .get(Who::Notifier, "/v1/notifications", &query)
            .await?;
        all.notifications.extend(page.notifications);
        all.next = page.next;
        if all.next.is_none() || all.notifications.len() >= args.limit as usize {
            break;
        }
        query.after.clone_from(&all.next);
    }
    match args.output.format() {
        Format::Text => screen::line(&render::notifications::list(&all, &now)),
        Format::Json => screen::json(&all)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(args: &ShowArgs) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let path = args.named.path("");
    let view: NotificationView = reach.get(Who::Notifier, &path, &()).await?;
    match args.output.format() {
        Format::Text => screen::line(&render::notifications::show(&view, &Now::here())),
        Format::Json => screen::json(&view)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn ring(args: RingArgs) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let path = args.named.path("/ring");
    let request = RingRequest {
        reason: args.reason,
    };
    let asked: RingAsked = reach.post(Who::Notifier, &path, &request).await?;
    match args.output.format() {
        Format::Text => screen::line(&render::notifications::rung(
            &args.named.to_string(),
            &asked,
        )),
        Format::Json => screen::json(&asked)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn withdraw(args: WithdrawArgs) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let path = args.named.path("/withdraw");
    let request = WithdrawRequest {
        reason: args.reason,
    };
    let withdrawn: Withdrawn = reach.post(Who::Notifier, &path, &request).await?;
    match args.output.format() {
        Format::Text => screen::line(&render::notifications::withdrawn(&withdrawn)),
        Format::Json => screen::json(&withdrawn)?,
    }
    Ok(ExitCode::SUCCESS)
}
