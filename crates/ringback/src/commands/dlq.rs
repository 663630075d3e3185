//! `ringback dlq`: what could not be delivered, and what an operator does about it.

use std::process::ExitCode;
use std::time::Duration;

use notification::api::bank2::{InboxStates, InboxStatesRequest};
use notification::api::notifier::{
    DiscardRequest, LetterDetail, LettersPage, LettersQuery, NotificationQuery, NotificationView,
    ResendRequest, Resent,
};
use notification::{EndpointId, InboxState, LetterState, TxNo};
use serde::Serialize;
use tokio::time::Instant;

use super::status::ending;
use super::watch::{Ended, Watch};
use crate::cli::{Output, Services};
use crate::failure::{Failure, Outcome};
use crate::reach::{AskError, Reach, Who};
use crate::render;
use crate::render::moment::{Now, Zone};
use crate::screen::{self, Format, Paint};

const EXAMPLES: &str = "\
Examples:
  ringback dlq list
  ringback dlq show 9f52
  ringback dlq resend 9f52 --wait
  ringback dlq discard 9f52 --reason 'settled by hand'";

/// `dlq` and its action.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What to do with dead letters.
    #[command(subcommand)]
    pub action: Action,
}

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

/// What `show --json` writes.
#[derive(Debug, Serialize)]
struct Shown {
    letter: LetterDetail,
    notification: NotificationView,
}

/// What `resend --json` writes.
#[derive(Debug, Serialize)]
struct ResendReport {
    tx_no: TxNo,
    generation: u32,
    /// `resent`, `delivered`, `dead` or `still_trying`.
    result: &'static str,
    notification: Option<NotificationView>,
}

impl Args {
    /// Whether JSON was asked for.
    pub fn json(&self) -> bool {
        match &self.action {
            Action::List(args) => args.output.json,
            Action::Show(args) => args.output.json,
            Action::Resend(args) => args.output.json,
            Action::Discard(args) => args.output.json,
        }
    }
}

/// Does what was asked.
pub async fn run(args: Args) -> Outcome {
    match args.action {
        Action::List(args) => list(&args).await,
        Action::Show(args) => show(&args).await,
        Action::Resend(args) => Box::pin(resend(&args)).await,
        Action::Discard(args) => discard(&args).await,
    }
}

fn now() -> Now {
    Now {
        ms: service::clock::now_ms(),
        zone: Zone::Local,
    }
}

async fn list(args: &ListArgs) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let query = LettersQuery {
        state: Some(args.state),
        endpoint: args.endpoint.clone(),
        after: None,
        limit: Some(args.limit),
    };
    let page: LettersPage = reach.get(Who::Notifier, "/v1/dead-letters", &query).await?;
    match args.output.format() {
        Format::Text => screen::line(&render::dlq::list(&page, &now())),
        Format::Json => screen::json(&page)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn letter(reach: &Reach, ending: &str) -> Result<LetterDetail, Failure> {
    reach
        .get(Who::Notifier, &format!("/v1/dead-letters/{ending}"), &())
        .await
        .map_err(no_such_letter)
}

async fn show(args: &ShowArgs) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let detail = letter(&reach, &args.ending).await?;
    let path = format!("/v1/notifications/{}", detail.letter.tx_no);
    let view: NotificationView = reach
        .get(Who::Notifier, &path, &NotificationQuery::default())
        .await?;
    match args.output.format() {
        Format::Text => screen::line(&render::dlq::show(&detail, &view, &now())),
        Format::Json => screen::json(&Shown {
            letter: detail,
            notification: view,
        })?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn resend(args: &ResendArgs) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let (format, paint) = (args.output.format(), Paint::for_stdout());
    let detail = letter(&reach, &args.ending).await?;
    let tx_no = detail.letter.tx_no;
    let path = format!("/v1/dead-letters/{tx_no}/resend");
    let request = ResendRequest {
        anyway: args.anyway,
        reason: args.reason.clone(),
    };
    let resent: Resent = reach
        .post(Who::Notifier, &path, &request)
        .await
        .map_err(|error| refused(error, &detail))?;
    if format == Format::Text {
        screen::line(&render::dlq::resent(1, 0));
    }
    let mut report = ResendReport {
        tx_no,
        generation: resent.generation,
        result: "resent",
        notification: None,
    };
    if args.wait {
        let until = Instant::now() + args.timeout;
        let watch = Watch {
            reach: &reach,
            tx_no,
            generation: resent.generation,
            until,
            format,
        };
        let line = |view: &NotificationView, attempt: &_| {
            format!("  {}", render::attempt::line(view, attempt))
        };
        let (result, text, view) = match watch.settled(line).await? {
            Ended::Delivered(view) => {
                let inbox = inbox(&reach, &view).await;
                let note = render::dlq::delivered_again(resent.generation, inbox);
                (
                    "delivered",
                    format!("{} {note}", paint.good("DELIVERED")),
                    Some(view),
                )
            }
            Ended::Dead(view) => {
                let end = render::ending(&tx_no);
                (
                    "dead",
                    format!("{} again.\nSee: ringback dlq show {end}", paint.bad("DEAD")),
                    Some(view),
                )
            }
            Ended::StillTrying(view) => {
                let (now, waited) = (
                    service::clock::now_ms(),
                    i64::try_from(args.timeout.as_millis()).unwrap_or(i64::MAX),
                );
                let text =
                    render::transfer::still_trying(&tx_no, view.as_ref(), waited, now, paint);
                ("still_trying", text, view)
            }
        };
        (report.result, report.notification) = (result, view);
        if format == Format::Text {
            screen::line(&text);
        }
    }
    if format == Format::Json {
        screen::json(&report)?;
    }
    let good = matches!(report.result, "resent" | "delivered");
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What bank2 itself says of the number; absent if it does not answer.
async fn inbox(reach: &Reach, view: &NotificationView) -> Option<InboxState> {
    let (source, tx_no) = (view.notification.source.clone(), view.notification.tx_no);
    let request = InboxStatesRequest {
        source,
        tx_nos: vec![tx_no],
    };
    let states: InboxStates = reach
        .post(Who::Bank2, "/inbox/states", &request)
        .await
        .ok()?;
    states.states.get(&tx_no).copied()
}

async fn discard(args: &DiscardArgs) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let detail = letter(&reach, &args.ending).await?;
    let tx_no = detail.letter.tx_no;
    let request = DiscardRequest {
        reason: args.reason.clone(),
    };
    let path = format!("/v1/dead-letters/{tx_no}/discard");
    let _answer: serde_json::Value = reach
        .post(Who::Notifier, &path, &request)
        .await
        .map_err(|error| refused(error, &detail))?;
    match args.output.format() {
        Format::Text => {
            screen::line(&render::dlq::discarded(
                &render::ending(&tx_no),
                detail.letter.died_ms,
                &now(),
            ));
        }
        Format::Json => {
            screen::json(&serde_json::json!({ "tx_no": tx_no, "result": "discarded" }))?
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn no_such_letter(error: AskError) -> Failure {
    match error {
        AskError::Refused(problem) if problem.status == 404 => {
            crate::reach::refusal(&problem).help("See the dead letters: ringback dlq list")
        }
        error => error.into(),
    }
}

/// Why a letter was not resent or discarded, and what to do first.
fn refused(error: AskError, detail: &LetterDetail) -> Failure {
    let AskError::Refused(problem) = error else {
        return error.into();
    };
    let failure = Failure::refused(format!("{}.", problem.detail.trim_end_matches('.')));
    match problem.status {
        412 if detail.letter.endpoint.as_str() == "bank2" => {
            failure.help("Repair it (ringback bank2 repair), or pass --anyway.")
        }
        412 => failure.help("Repair it, or pass --anyway."),
        409 => failure.help(format!(
            "See: ringback status {}",
            render::ending(&detail.letter.tx_no)
        )),
        _ => crate::reach::refusal(&problem),
    }
}
