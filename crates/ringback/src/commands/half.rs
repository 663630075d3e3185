//! `ringback half`: half messages at the broker, and what will become of each.

use std::process::ExitCode;

use notification::api::ResultView;

use crate::administer::{BrokerSide, failed};
use crate::cli::{Output, ServiceUrls, Services};
use crate::config::usual;
use crate::failure::Outcome;
use crate::half::{self, HalfMessage, Said};
use crate::reach::{Reach, Who};
use crate::render;
use crate::render::half::Told;
use crate::render::moment::Now;
use crate::screen::{self, Format};

const EXAMPLES: &str = "\
Example:
  ringback half list

A half message is one that the broker holds back until its transaction is ended. bank1's record says what will become
of each; those that ran out of check-backs lie in TRANS_CHECK_MAX_TIME_TOPIC. Nothing is changed by looking.";

/// `half` and its action.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What to do with half messages.
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with half messages.
#[derive(Debug, clap::Subcommand)]
pub enum Action {
    /// List those in flight and those that ran out of check-backs
    List(ListArgs),
}

/// Flags of `half list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// bank1's URL [default: as the configuration says]
    #[arg(long, env = "RINGBACK_BANK1", value_name = "URL")]
    pub bank1: Option<String>,
    /// Where the broker is.
    #[command(flatten)]
    pub broker: BrokerSide,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

impl Args {
    /// Whether JSON was asked for.
    pub fn json(&self) -> bool {
        let Action::List(args) = &self.action;
        args.output.json
    }
}

/// Does what was asked.
pub async fn run(args: Args) -> Outcome {
    let Action::List(args) = args.action;
    let file = args.broker.read()?;
    let admin = args.broker.admin(&file)?;
    let halves = admin.halves().await.map_err(|error| failed(&error))?;
    let at_bank1 = file.bank1.listen.unwrap_or(usual::BANK1);
    let reach = Reach::find(&Services {
        data: args.broker.data.clone(),
        urls: ServiceUrls {
            bank1: Some(args.bank1.unwrap_or_else(|| usual::url(at_bank1))),
            ..ServiceUrls::default()
        },
        token: None,
    })?;
    let ours = file
        .initiator
        .as_ref()
        .map(|initiator| initiator.source.to_string());
    let deadline = file
        .initiator
        .as_ref()
        .map(|initiator| initiator.transaction_deadline);
    let deadline_ms = deadline.map_or(0, service::clock::millis);
    let now = Now::here();
    let mut told = Vec::new();
    for half in HalfMessage::all(&halves) {
        let said = ask(&reach, &half, ours.as_deref()).await;
        let fate = half::fate(&half, said, now.ms - half.born_ms, deadline_ms);
        told.push(Told { half, fate });
    }
    match args.output.format() {
        Format::Text => screen::line(&render::half::text(&told, halves.unreadable, &now)),
        Format::Json => {
            screen::json(&serde_json::json!({ "halves": told, "unreadable": halves.unreadable }))?
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn ask(reach: &Reach, half: &HalfMessage, ours: Option<&str>) -> Said {
    let Some(tx_no) = half
        .tx_no
        .as_ref()
        .filter(|_| half.source.as_deref() == ours)
    else {
        return Said::NotOurs;
    };
    let path = format!("/results/{tx_no}");
    match reach.get::<ResultView>(Who::Bank1, &path, &()).await {
        Ok(result) => Said::Result(result.state, result.outcome),
        Err(_silent) => Said::Nothing,
    }
}
