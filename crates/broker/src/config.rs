//! What the embedded broker is told at start: where it listens, where it keeps its messages, which
//! topics and groups exist, and the timings that Apache RocketMQ has in `broker.conf` and
//! `rmq-proxy.json`.
//!
//! Every field has a default but `data`. Unknown keys are refused, so that a misspelt timing is an
//! error and not a silent default.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{StartError, names};

/// The broker's configuration. `Config { data, ..Config::default() }` is enough for a test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The folder that holds the messages; made if absent. One process owns it at a time.
    pub data: PathBuf,
    /// Where the gRPC service listens. Port 0 takes any free port: see [`crate::Broker::address`].
    pub listen: SocketAddr,
    /// Where remoting (administration and browsing) listens; `None`: nowhere.
    pub remoting_listen: Option<SocketAddr>,
    /// `host:port` that routes tell clients to use; `None`: the address that is listened on.
    pub advertise: Option<String>,
    /// First check-back of a half message that carries no recovery duration of its own, after it
    /// was stored (Apache RocketMQ's `transactionTimeOut`).
    #[serde(with = "humantime_serde")]
    pub check_after: Duration,
    /// From one check-back to the next.
    #[serde(with = "humantime_serde")]
    pub check_interval: Duration,
    /// Check-backs before a half message goes to `TRANS_CHECK_MAX_TIME_TOPIC`.
    pub check_max: u32,
    /// How long after a half message was sent, or last checked, its transaction may be ended
    /// (the proxy's `transactionDataExpireMillis`).
    #[serde(with = "humantime_serde")]
    pub transaction_record: Duration,
    /// Messages older than this are removed, consumed or not.
    #[serde(with = "humantime_serde")]
    pub retention: Duration,
    /// A client that sends no heartbeat for this long is forgotten.
    #[serde(with = "humantime_serde")]
    pub client_idle: Duration,
    /// The shortest long poll, whatever was asked for.
    #[serde(with = "humantime_serde")]
    pub long_poll_min: Duration,
    /// The longest long poll.
    #[serde(with = "humantime_serde")]
    pub long_poll_max: Duration,
    /// Whether delayed messages may be taken back (Apache RocketMQ's `recallMessageEnable`, which is
    /// off by default too).
    pub recall_enabled: bool,
    /// Memory for pages of the store, in bytes; everything beyond lives on disk alone.
    pub cache_bytes: usize,
    /// Topics that exist from the start, besides those that are stored.
    #[serde(rename = "topic")]
    pub topics: Vec<TopicConfig>,
    /// Consumer groups that exist from the start, besides those that are stored.
    #[serde(rename = "group")]
    pub groups: Vec<GroupConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::new(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)),
            remoting_listen: None,
            advertise: None,
            check_after: Duration::from_secs(6),
            check_interval: Duration::from_secs(30),
            check_max: 15,
            transaction_record: Duration::from_secs(30),
            retention: Duration::from_secs(14 * 24 * 3600),
            client_idle: Duration::from_secs(120),
            long_poll_min: Duration::from_secs(5),
            long_poll_max: Duration::from_secs(20),
            recall_enabled: false,
            cache_bytes: 128 * 1024 * 1024,
            topics: Vec::new(),
            groups: Vec::new(),
        }
    }
}

impl Config {
    /// Refuses values that nothing good can come of, naming the field.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        let value = |field, value: String, limit| {
            Err(StartError::Value {
                field,
                value,
                limit,
            })
        };
        if self.data.as_os_str().is_empty() {
            return value("data", "\"\"".into(), "a folder is needed");
        }
        if self.check_interval < Duration::from_millis(100) {
            let shown = humantime::format_duration(self.check_interval).to_string();
            return value("check_interval", shown, "at least 100ms");
        }
        if self.retention < Duration::from_secs(1) {
            let shown = humantime::format_duration(self.retention).to_string();
            return value("retention", shown, "at least 1s");
        }
        if self.long_poll_min > self.long_poll_max {
            let shown = humantime::format_duration(self.long_poll_min).to_string();
            return value("long_poll_min", shown, "at most long_poll_max");
        }
        for topic in &self.topics {
            names::check_new_topic(&topic.name).map_err(|source| StartError::Name {
                field: "topic.name",
                value: topic.name.clone(),
                source,
            })?;
        }
        for group in &self.groups {
            names::check_group(&group.name).map_err(|source| StartError::Name {
                field: "group.name",
                value: group.name.clone(),
                source,
            })?;
        }
        Ok(())
    }
}

/// What kind of messages a topic takes; a send of another kind is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TopicKind {
    /// Messages that are visible at once.
    Normal,
    /// Half messages that become visible when their transaction is committed.
    Transaction,
    /// Messages that become visible at a time of their own.
    Delay,
}

/// A topic of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicConfig {
    /// `[%|a-zA-Z0-9_-]`, at most 127 characters.
    pub name: String,
    /// What it takes.
    #[serde(rename = "type", default = "normal")]
    pub kind: TopicKind,
}

fn normal() -> TopicKind {
    TopicKind::Normal
}

/// A consumer group of the configuration. It replaces the stored policy of a group of that name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupConfig {
    /// `[%|a-zA-Z0-9_-]`, at most 120 characters.
    pub name: String,
    /// Redeliveries after the first delivery; one more and the message is dead.
    #[serde(default = "sixteen")]
    pub retry_max_times: u32,
    /// The delays that Settings tell the group's clients; empty: Apache RocketMQ's default.
    #[serde(default, with = "delays")]
    pub delays: Vec<Duration>,
}

fn sixteen() -> u32 {
    16
}

/// A list of spans, each written like `10s`.
mod delays {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        delays: &[Duration],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        delays
            .iter()
            .map(|delay| humantime::format_duration(*delay).to_string())
            .collect::<Vec<_>>()
            .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Duration>, D::Error> {
        Vec::<String>::deserialize(deserializer)?
            .iter()
            .map(|text| humantime::parse_duration(text).map_err(serde::de::Error::custom))
            .collect()
    }
}
