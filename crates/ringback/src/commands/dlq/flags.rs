//! The flags of `dlq list|show|resend|discard|export`.

use std::path::PathBuf;
use std::time::Duration;

use notification::api::letters::{LetterFilter, ResendRate};
use notification::{DeadReason, EndpointId, EventType, Group, LetterClass, LetterState, Source};

use crate::browse::when;
use crate::cli::{Output, Services};
use crate::commands::status::ending;
use crate::failure::Failure;
use crate::render::moment::Now;

/// What can be done with dead letters.
#[derive(Debug, clap::Subcommand)]
pub enum Action {
    /// List dead letters, oldest first
    List(ListArgs),
    /// Show one dead letter: why it died, each attempt, its body
    Show(ShowArgs),
    /// Send one again, or all of a filter, as a new generation with a ladder of its own
    Resend(ResendArgs),
    /// Close one for good, or all of a filter, with a reason that stays on record
    Discard(DiscardArgs),
    /// Write whole letters as JSON lines, for other programs
    Export(ExportArgs),
    /// What deals with many letters: list, show, stop or resume jobs
    Job(super::JobArgs),
    /// The broker's dead-letter topics themselves: list, show or export their messages
    Topic(super::TopicArgs),
}

/// Which letters. Several flags narrow each other down.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Which letters")]
pub struct Chosen {
    /// Only this endpoint's
    #[arg(long, env = "RINGBACK_ENDPOINT", value_name = "ID")]
    pub endpoint: Option<EndpointId>,
    /// Only this subscription's
    #[arg(long, env = "RINGBACK_GROUP", value_name = "NAME")]
    pub group: Option<Group>,
    /// Only this initiator's
    #[arg(long, env = "RINGBACK_SOURCE", value_name = "NAME")]
    pub source: Option<Source>,
    /// Only of this class: receiver (they refused it) or pipeline (it never had a fair attempt)
    #[arg(long, env = "RINGBACK_CLASS", value_name = "CLASS")]
    pub class: Option<LetterClass>,
    /// Only what died of this: ladder_used_up, rejected, malformed, crashes_workers, …
    #[arg(long, env = "RINGBACK_DIED_OF", value_name = "REASON")]
    pub died_of: Option<DeadReason>,
    /// Only of this event type
    #[arg(long, env = "RINGBACK_EVENT_TYPE", value_name = "TYPE")]
    pub event_type: Option<EventType>,
    /// Only what died at this time or later: 2h (ago), 14:03, '2026-03-04 14:03'
    #[arg(long, env = "RINGBACK_SINCE", value_name = "TIME")]
    pub since: Option<String>,
    /// Only what died before this time
    #[arg(long, env = "RINGBACK_UNTIL", value_name = "TIME")]
    pub until: Option<String>,
    /// Only with this business key, or this ending of the tx_no
    #[arg(long, env = "RINGBACK_KEY", value_name = "KEY")]
    pub key: Option<String>,
}

impl Chosen {
    /// As the API asks for it.
    ///
    /// # Errors
    /// A time that is none.
    pub fn filter(&self, now: &Now) -> Result<LetterFilter, Failure> {
        let moment = |flag: &str, text: &Option<String>| {
            let read = text.as_deref().map(|text| when::moment(text, now));
            read.transpose()
                .map_err(|error| Failure::usage(format!("--{flag}: {error}")))
        };
        Ok(LetterFilter {
            group: self.group.clone(),
            source: self.source.clone(),
            endpoint: self.endpoint.clone(),
            class: self.class,
            reason: self.died_of,
            event_type: self.event_type.clone(),
            since_ms: moment("since", &self.since)?,
            until_ms: moment("until", &self.until)?,
            key: self.key.clone(),
        })
    }
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
    /// Which of them.
    #[command(flatten)]
    pub chosen: Chosen,
    /// How many at most
    #[arg(long, env = "RINGBACK_LIMIT", value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub limit: u32,
    /// Go on where a list ended: what it said after --after
    #[arg(long, env = "RINGBACK_AFTER", value_name = "CURSOR")]
    pub after: Option<String>,
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
    /// One letter: its tx_no, or the unique ending of 4 characters or more
    #[arg(value_name = "ENDING", value_parser = ending)]
    pub ending: Option<String>,
    /// Or which.
    #[command(flatten)]
    pub chosen: Chosen,
    /// How they are dealt with.
    #[command(flatten)]
    pub many: Many,
    /// Resend although the endpoint's last answers all failed
    #[arg(long, env = "RINGBACK_ANYWAY", value_parser = clap::builder::FalseyValueParser::new())]
    pub anyway: bool,
    /// Why, for the record
    #[arg(long, env = "RINGBACK_REASON", value_name = "TEXT")]
    pub reason: Option<String>,
    /// Wait until it is delivered (exit code 0) or dead again (1); for many, until none is on its way
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

/// How many letters are dealt with.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "For many letters")]
pub struct Many {
    /// All open letters
    #[arg(long, env = "RINGBACK_ALL", value_parser = clap::builder::FalseyValueParser::new())]
    pub all: bool,
    /// Only tell what would be done
    #[arg(long, env = "RINGBACK_DRY_RUN", value_parser = clap::builder::FalseyValueParser::new())]
    pub dry_run: bool,
    /// How fast at most: 50/s, 30/m [default: 50/s; 1000/s for a discard]
    #[arg(long, env = "RINGBACK_RATE", value_name = "RATE")]
    pub rate: Option<ResendRate>,
    /// Begin the job and do not follow it
    #[arg(long, env = "RINGBACK_DETACH", value_parser = clap::builder::FalseyValueParser::new())]
    pub detach: bool,
}

/// Flags of `dlq discard`.
#[derive(Debug, clap::Args)]
pub struct DiscardArgs {
    /// One letter: its tx_no, or the unique ending of 4 characters or more
    #[arg(value_name = "ENDING", value_parser = ending)]
    pub ending: Option<String>,
    /// Or which.
    #[command(flatten)]
    pub chosen: Chosen,
    /// How they are dealt with.
    #[command(flatten)]
    pub many: Many,
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

/// Flags of `dlq export`.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// Which letters: open, resent, discarded or closed; all if absent
    #[arg(long, env = "RINGBACK_STATE", value_name = "STATE")]
    pub state: Option<LetterState>,
    /// Which of them.
    #[command(flatten)]
    pub chosen: Chosen,
    /// The file to write; it must not exist yet [default: standard output]
    #[arg(long, env = "RINGBACK_OUTPUT", value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
}
