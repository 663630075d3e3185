//! `ringback dlq`: what could not be delivered, and what an operator does about it.

mod beside;
mod export;
mod flags;
mod follow;
mod job;
mod many;
mod resend;
mod sink;
mod topic;

use std::process::ExitCode;

use notification::api::letters::LetterFilter;
use notification::api::notifier::{
    DiscardRequest, LetterDetail, LettersPage, LettersQuery, NotificationQuery, NotificationView,
};
use serde::Serialize;

pub use self::flags::{
    Action, Chosen, DiscardArgs, ExportArgs, ListArgs, Many, ResendArgs, ShowArgs,
};
pub use self::job::JobArgs;
pub use self::topic::{Page, TopicArgs};
use crate::failure::{Failure, Outcome};
use crate::reach::{AskError, Reach, Who};
use crate::render;
use crate::render::moment::Now;
use crate::screen::{self, Format};

const EXAMPLES: &str = "\
Examples:
  ringback dlq list
  ringback dlq show 9f52
  ringback dlq resend 9f52 --wait
  ringback dlq discard 9f52 --reason 'settled by hand'
  ringback dlq resend --endpoint bank2 --since 2h --dry-run
  ringback dlq resend --endpoint bank2 --since 2h --rate 50/s
  ringback dlq job list
  ringback dlq export --endpoint bank2 --output letters.jsonl
  ringback dlq topic list            the broker's own dead-letter topics";

/// `dlq` and its action.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What to do with dead letters.
    #[command(subcommand)]
    pub action: Action,
}

/// What `show --json` writes.
#[derive(Debug, Serialize)]
struct Shown {
    letter: LetterDetail,
    notification: NotificationView,
}

impl Args {
    /// Whether JSON was asked for.
    pub fn json(&self) -> bool {
        match &self.action {
            Action::List(args) => args.output.json,
            Action::Show(args) => args.output.json,
            Action::Resend(args) => args.output.json,
            Action::Discard(args) => args.output.json,
            Action::Job(args) => args.json(),
            Action::Export(_) => false,
            Action::Topic(args) => args.json(),
        }
    }
}

/// Does what was asked.
pub async fn run(args: Args) -> Outcome {
    match args.action {
        Action::List(args) => list(&args).await,
        Action::Show(args) => show(&args).await,
        Action::Resend(args) => Box::pin(resend::run(&args)).await,
        Action::Discard(args) => Box::pin(discard(&args)).await,
        Action::Export(args) => Box::pin(export::run(&args)).await,
        Action::Job(args) => Box::pin(job::run(&args)).await,
        Action::Topic(args) => Box::pin(topic::run(&args)).await,
    }
}

async fn list(args: &ListArgs) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let query = LettersQuery {
        state: Some(args.state),
        after: args.after.clone(),
        limit: Some(args.limit),
        ..LettersQuery::of(args.chosen.filter(&Now::here())?)
    };
    let page: LettersPage = reach.get(Who::Notifier, "/v1/dead-letters", &query).await?;
    match args.output.format() {
        Format::Text => {
            let topics = beside::topics(&args.services.data.data_dir, &page).await;
            let filtered = query.filter() != LetterFilter::default() || args.after.is_some();
            let asked = render::dlq::Asked {
                state: args.state,
                filtered,
                topics: topics.as_deref(),
            };
            screen::line(&render::dlq::list(&page, asked, &Now::here()));
        }
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
        Format::Text => screen::line(&render::dlq::show(&detail, &view, &Now::here())),
        Format::Json => screen::json(&Shown {
            letter: detail,
            notification: view,
        })?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn discard(args: &DiscardArgs) -> Outcome {
    let Some(ending) = many::one(args.ending.as_deref(), &args.chosen, &args.many)? else {
        return many::discard(args).await;
    };
    let reach = Reach::find(&args.services)?;
    let detail = letter(&reach, ending).await?;
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
                &Now::here(),
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
        412 => failure.help(many::repair(detail.letter.endpoint.as_str())),
        409 => failure.help(format!(
            "See: ringback status {}",
            render::ending(&detail.letter.tx_no)
        )),
        _ => crate::reach::refusal(&problem),
    }
}
