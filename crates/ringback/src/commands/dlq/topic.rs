//! `ringback dlq topic`: the broker's dead-letter topics themselves, read by pulling: nothing is consumed or moved.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use notification::{EndpointId, EventType, Group};
use rocketmq::Admin;
use serde::Serialize;

use super::sink::Sink;
use crate::administer::{BrokerSide, failed};
use crate::browse::dead::DLQ;
use crate::browse::{Cursor, DeadMessage, Filter, Walk, when};
use crate::cli::Output;
use crate::config::File;
use crate::failure::{Failure, Outcome};
use crate::render;
use crate::render::moment::Now;
use crate::screen::{self, Format};

const EXAMPLES: &str = "\
Examples:
  ringback dlq topic list --since 2h
  ringback dlq topic show 9f52
  ringback dlq topic export --since '2026-03-04 14:00' --output dead.jsonl

`dlq list` shows the notifier's record of dead letters; this shows what lies in %DLQ%<group> at the broker.";

/// `dlq topic` and its action.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct TopicArgs {
    /// What to do with the dead-letter topics.
    #[command(subcommand)]
    pub action: TopicAction,
}

/// What can be done with the dead-letter topics.
#[derive(Debug, clap::Subcommand)]
pub enum TopicAction {
    /// List messages, oldest first, page by page
    List(ListArgs),
    /// Show one message: all properties, and its body
    Show(ShowArgs),
    /// Write messages as JSON lines, for other programs
    Export(ExportArgs),
}

/// Which messages.
#[derive(Debug, clap::Args)]
pub struct Chosen {
    /// Only those that died at this time or later: 2h (ago), 14:03, '2026-03-04 14:03'
    #[arg(long, env = "RINGBACK_SINCE", value_name = "TIME")]
    pub since: Option<String>,
    /// Only those that died before this time
    #[arg(long, env = "RINGBACK_UNTIL", value_name = "TIME")]
    pub until: Option<String>,
    /// Only this endpoint's
    #[arg(long, env = "RINGBACK_ENDPOINT", value_name = "ID")]
    pub endpoint: Option<EndpointId>,
    /// Only this group's; it need not be in the configuration
    #[arg(long, env = "RINGBACK_GROUP", value_name = "NAME")]
    pub group: Option<Group>,
    /// Only with this ending of the tx_no or message id, or this business key
    #[arg(long, env = "RINGBACK_KEY", value_name = "KEY")]
    pub key: Option<String>,
    /// Only of this event type
    #[arg(long, env = "RINGBACK_EVENT_TYPE", value_name = "TYPE")]
    pub event_type: Option<EventType>,
}

/// Flags of `dlq topic list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Which.
    #[command(flatten)]
    pub chosen: Chosen,
    /// How many at most
    #[arg(long, env = "RINGBACK_LIMIT", value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Go on where a page ended: what it said after --after
    #[arg(long, env = "RINGBACK_AFTER", value_name = "CURSOR")]
    pub after: Option<Cursor>,
    /// Where the broker is.
    #[command(flatten)]
    pub broker: BrokerSide,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `dlq topic show`.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// The ending of the tx_no or of the message id, or the business key
    #[arg(value_name = "KEY")]
    pub key: String,
    /// Only this group's
    #[arg(long, env = "RINGBACK_GROUP", value_name = "NAME")]
    pub group: Option<Group>,
    /// Where the broker is.
    #[command(flatten)]
    pub broker: BrokerSide,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `dlq topic export`.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// Which.
    #[command(flatten)]
    pub chosen: Chosen,
    /// The file to write; it must not exist yet [default: standard output]
    #[arg(long, env = "RINGBACK_OUTPUT", value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Go on where a page ended: what `list` said after --after
    #[arg(long, env = "RINGBACK_AFTER", value_name = "CURSOR")]
    pub after: Option<Cursor>,
    /// Where the broker is.
    #[command(flatten)]
    pub broker: BrokerSide,
}

/// A page of a dead-letter topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The topics that were read.
    pub topics: Vec<String>,
    /// Those of them that exist.
    pub queues: usize,
    /// How many messages lie in them, chosen or not.
    pub lie: u64,
    /// Messages that can't be decoded and were stepped over on the way through this page.
    pub unreadable: u64,
    /// Oldest first.
    pub messages: Vec<DeadMessage>,
    /// What to go on with; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl TopicArgs {
    /// Whether JSON was asked for.
    pub fn json(&self) -> bool {
        match &self.action {
            TopicAction::List(args) => args.output.json,
            TopicAction::Show(args) => args.output.json,
            TopicAction::Export(_) => false,
        }
    }
}

/// Does what was asked.
pub(super) async fn run(args: &TopicArgs) -> Outcome {
    match &args.action {
        TopicAction::List(args) => list(args).await,
        TopicAction::Show(args) => show(args).await,
        TopicAction::Export(args) => export(args).await,
    }
}

async fn list(args: &ListArgs) -> Outcome {
    let reading = Reading::new(&args.broker, &args.chosen)?;
    let after = args.after.clone().unwrap_or_default();
    let page = reading.page(&after, args.limit).await?;
    match args.output.format() {
        Format::Text => screen::line(&render::dlq_topic::list(&page, &Now::here())),
        Format::Json => screen::json(&page)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(args: &ShowArgs) -> Outcome {
    let chosen = Chosen {
        since: None,
        until: None,
        endpoint: None,
        group: args.group.clone(),
        key: Some(args.key.clone()),
        event_type: None,
    };
    let reading = Reading::new(&args.broker, &chosen)?;
    let found = reading.page(&Cursor::default(), u32::MAX).await?.messages;
    let numbers: BTreeSet<&str> = found.iter().map(DeadMessage::number).collect();
    if numbers.len() > 1 {
        let numbers: Vec<&str> = numbers.into_iter().take(10).collect();
        return Err(
            Failure::refused(format!("{} is not one message's alone", args.key))
                .help(format!("Give more of the number: {}", numbers.join(", "))),
        );
    }
    let Some(newest) = found.last() else {
        return Err(Failure::refused(format!(
            "no message with {} in {}",
            args.key,
            reading.topics.join(" or ")
        ))
        .help("See what is there: ringback dlq topic list"));
    };
    match args.output.format() {
        Format::Text => {
            screen::line(&render::dlq_topic::show(
                newest,
                &found[..found.len() - 1],
                &Now::here(),
            ));
        }
        Format::Json => screen::json(&found)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn export(args: &ExportArgs) -> Outcome {
    let reading = Reading::new(&args.broker, &args.chosen)?;
    let after = args.after.clone().unwrap_or_default();
    let mut sink = Sink::open(args.output.as_deref())?;
    let mut walk = reading.walk(&after).await?;
    let mut written = 0_u64;
    while let Some(found) = walk.next().await.map_err(|error| failed(&error))? {
        let message = DeadMessage::read(&found.broker, &found.message);
        if reading.filter.takes(&message) {
            sink.write(&message)?;
            written += 1;
        }
    }
    sink.finish()?;
    let place = args
        .output
        .as_ref()
        .map_or("standard output".to_owned(), |path| {
            path.display().to_string()
        });
    screen::notice(&format!(
        "{} written to {place}",
        render::count(written, "message")
    ));
    Ok(ExitCode::SUCCESS)
}

/// What is read, and what of it is wanted.
struct Reading {
    admin: Admin,
    topics: Vec<String>,
    filter: Filter,
}

impl Reading {
    fn new(broker: &BrokerSide, chosen: &Chosen) -> Result<Self, Failure> {
        let file = match broker.read() {
            Ok(file) => file,
            // Who names both the broker and the group needs no configuration.
            Err(_) if !broker.broker_admin.is_empty() && chosen.group.is_some() => File::default(),
            Err(failure) => return Err(failure),
        };
        let time = |flag: &str, text: &Option<String>| {
            text.as_deref()
                .map(|text| when::moment(text, &Now::here()))
                .transpose()
                .map_err(|why| Failure::usage(format!("--{flag}: {why}")))
        };
        let mut filter = Filter {
            since_ms: time("since", &chosen.since)?,
            until_ms: time("until", &chosen.until)?,
            key: chosen.key.clone(),
            event_type: chosen.event_type.as_ref().map(ToString::to_string),
            subscriptions: None,
        };
        let of_endpoint = |id: &EndpointId| {
            let theirs = file
                .subscription
                .iter()
                .filter(|s| s.endpoint.one().is_none_or(|one| one == id));
            let pairs: BTreeSet<_> = theirs
                .map(|s| (s.group.to_string(), s.topic.to_string()))
                .collect();
            if pairs.is_empty() {
                return Err(Failure::usage(format!(
                    "--endpoint {id}: no [[subscription]] of {} goes there",
                    broker.path().display()
                )));
            }
            Ok(pairs)
        };
        if let Some(id) = &chosen.endpoint {
            filter.subscriptions = Some(of_endpoint(id)?);
        }
        let groups: BTreeSet<String> = match (&chosen.group, &filter.subscriptions) {
            (Some(group), _) => [group.to_string()].into(),
            (None, Some(pairs)) => pairs.iter().map(|(group, _)| group.clone()).collect(),
            (None, None) => file
                .subscription
                .iter()
                .map(|s| s.group.to_string())
                .collect(),
        };
        if groups.is_empty() {
            return Err(Failure::usage(
                "no group is named: neither --group nor a [[subscription]]",
            ));
        }
        Ok(Self {
            admin: broker.admin(&file)?,
            topics: groups
                .into_iter()
                .map(|group| format!("{DLQ}{group}"))
                .collect(),
            filter,
        })
    }

    async fn walk(&self, after: &Cursor) -> Result<Walk<'_>, Failure> {
        Walk::begin(&self.admin, &self.topics, after)
            .await
            .map_err(|error| failed(&error))
    }

    async fn page(&self, after: &Cursor, limit: u32) -> Result<Page, Failure> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut walk = self.walk(after).await?;
        let (lie, queues) = walk.size();
        let mut messages = Vec::new();
        let mut page_end = None;
        let mut more = false;
        while let Some(found) = walk.next().await.map_err(|error| failed(&error))? {
            let message = DeadMessage::read(&found.broker, &found.message);
            if !self.filter.takes(&message) {
                continue;
            }
            if messages.len() == limit {
                more = true;
                break;
            }
            messages.push(message);
            page_end = Some(walk.cursor());
        }
        Ok(Page {
            topics: self.topics.clone(),
            queues,
            lie,
            unreadable: walk.unreadable(),
            messages,
            after: page_end.filter(|_| more).map(|cursor| cursor.to_string()),
        })
    }
}
