//! What was asked and answered: all that judging needs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use database::Schema;

use crate::setup::carry_out::is_embedded;
use crate::setup::{Found, Wanted};

/// The embedded broker's setting of how long it keeps messages, in ms.
const EXACTLY: &str = "retentionMs";
/// Apache RocketMQ's, in hours; the embedded broker tells it rounded up.
const IN_HOURS: &str = "fileReservedTime";

/// An answer, or why there is none.
pub type Asked<T> = Result<T, String>;

/// Everything that was asked.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// When it was asked (UTC, ms).
    pub now_ms: i64,
    /// The configuration's file, for the commands that are to be pasted.
    pub config: String,
    /// What it asks of the broker.
    pub wanted: Wanted,
    /// How it sets the initiator's deadlines; absent without one.
    pub initiator: Option<Deadlines>,
    /// `[notifier] crashes_workers_after`.
    pub crashes_workers_after: u32,
    /// How long a letter may be on its way between record and topic.
    pub under_way: Duration,
    /// Where gRPC is, and whether each wanted topic has a route there.
    pub grpc: (String, Asked<()>),
    /// What administration told; `None`: it is not configured.
    pub broker: Option<Asked<BrokerFacts>>,
    /// The services' databases.
    pub databases: Vec<DatabaseFacts>,
    /// The services.
    pub services: Vec<ServiceFacts>,
    /// The receivers: id, host and port, whether it takes connections.
    pub endpoints: Vec<(String, String, Result<(), Unreached>)>,
    /// Letters and the topics that should hold them; `None`: not configured.
    pub dead: Option<Asked<DeadFacts>>,
}

/// The initiator's deadlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// The longest local transaction.
    pub transaction: Duration,
    /// From the half message to its first check-back.
    pub check_back_after: Duration,
}

/// What administration told.
#[derive(Debug, Clone)]
pub struct BrokerFacts {
    /// Topics and groups.
    pub found: Found,
    /// Each broker of the cluster.
    pub nodes: Vec<NodeFacts>,
    /// Halves that ran out of check-backs and are still kept.
    pub out_of_checks: Asked<u64>,
    /// By how much the broker's clock is ahead of this machine's, as the newest message shows: a lower bound.
    pub clock_ahead_ms: Option<i64>,
}

/// One broker.
#[derive(Debug, Clone)]
pub struct NodeFacts {
    /// Its name.
    pub name: String,
    /// Where it answers administration.
    pub address: String,
    /// What it calls its version.
    pub version: Asked<Option<String>>,
    /// Its configuration.
    pub settings: Asked<BTreeMap<String, String>>,
}

/// One service's database.
#[derive(Debug, Clone)]
pub struct DatabaseFacts {
    /// Whose.
    pub service: String,
    /// How far its tables are; `None`: there is no database yet.
    pub schemas: Asked<Option<Vec<Schema>>>,
}

/// One service.
#[derive(Debug, Clone)]
pub struct ServiceFacts {
    /// Which.
    pub name: String,
    /// Where.
    pub url: String,
    /// What it says it lacks; empty if nothing.
    pub lacks: Asked<Vec<String>>,
    /// By how much its clock is ahead of this machine's.
    pub clock_ahead_ms: Option<i64>,
}

/// A dead letter, as record and topic both know it: group, source, number, generation.
pub type LetterId = (String, String, String, u32);

/// Letters and the topics that should hold them. The record was read before the topics and after them, so that what
/// happens meanwhile is in either. Times are UTC, ms.
#[derive(Debug, Clone, Default)]
pub struct DeadFacts {
    /// Open letters that say when they were forwarded, as they were before the topics were read. What is settled is
    /// nobody's concern, in the topic or not.
    pub forwarded: BTreeMap<LetterId, i64>,
    /// Open letters that were not forwarded, and when they were written.
    pub unforwarded: BTreeMap<LetterId, i64>,
    /// All letters, as they were after the topics were read.
    pub known: BTreeSet<LetterId>,
    /// What the topics hold, and since when.
    pub in_topic: BTreeMap<LetterId, i64>,
    /// Messages of the topics that are no notifications.
    pub strangers: u64,
    /// Messages of the topics that can't be decoded.
    pub unreadable: u64,
}

impl BrokerFacts {
    /// How long messages are kept where they are kept shortest; `None` if a broker does not tell it.
    pub fn keeps(&self) -> Option<Duration> {
        let each = self.nodes.iter().map(NodeFacts::keeps);
        each.collect::<Option<Vec<_>>>()?.into_iter().min()
    }
}

impl NodeFacts {
    /// How long it keeps messages, if it tells.
    pub fn keeps(&self) -> Option<Duration> {
        let settings = self.settings.as_ref().ok()?;
        let number = |name: &str| settings.get(name)?.parse::<u64>().ok();
        number(EXACTLY)
            .map(Duration::from_millis)
            .or_else(|| Some(Duration::from_secs(number(IN_HOURS)?.saturating_mul(3600))))
    }

    /// Whether it is ours, which is told its settings by `ringback.toml`.
    pub fn is_embedded(&self) -> bool {
        let version = self.version.as_ref().ok().and_then(Option::as_deref);
        is_embedded(version)
    }
}

/// Why a receiver could not be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreached {
    /// The notifier would refuse its address.
    Refused {
        /// In words.
        why: String,
        /// What would have to be allowed, if that is what is missing.
        allow: Option<String>,
    },
    /// It takes no connection.
    Silent(String),
}
