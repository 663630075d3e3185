//! What there is: this broker alone, its topics, groups and settings.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use rocketmq_wire::limits::MAX_BODY;
use rocketmq_wire::remoting::{
    BrokerData, ClusterAnswer, Frame, GroupEntry, GroupList, QueueData, READ_WRITE, RouteAnswer,
    RouteRequest, RuntimeInfo, TOPIC_NOT_FOUND, TopicEntry, TopicKind as WireKind, TopicList,
    VERSION, settings_body,
};

use super::{Refused, Remoting, with_body};
use crate::clock::millis;
use crate::names::{BROKER, CLUSTER, HALF_TOPIC};
use crate::{Config, TopicKind};

/// Each topic has one queue.
const QUEUES: u32 = 1;

/// This broker alone, at the address where it was asked.
pub(super) fn cluster(request: &Frame, itself: SocketAddr) -> Result<Frame, Refused> {
    let cluster = ClusterAnswer {
        broker_addr_table: [(BROKER.to_owned(), broker(itself))].into(),
        cluster_addr_table: [(CLUSTER.to_owned(), vec![BROKER.to_owned()])].into(),
    };
    Ok(with_body(request, cluster.to_body()?))
}

fn broker(itself: SocketAddr) -> BrokerData {
    BrokerData {
        cluster: CLUSTER.to_owned(),
        broker_name: BROKER.to_owned(),
        broker_addrs: [(0, itself.to_string())].into(),
    }
}

/// The state: there is little that anyone asks for.
pub(super) fn state(request: &Frame) -> Result<Frame, Refused> {
    let version = env!("CARGO_PKG_VERSION").replace('.', "_");
    let info = RuntimeInfo {
        table: [
            (VERSION.to_owned(), format!("EMBEDDED_{version}")),
            ("brokerActive".to_owned(), "true".to_owned()),
        ]
        .into(),
    };
    Ok(with_body(request, info.to_body()?))
}

/// How long messages are kept, to the millisecond; Apache RocketMQ has no such setting.
const RETENTION_MS: &str = "retentionMs";

/// The configuration, under the names of Apache RocketMQ's.
pub(super) fn settings(config: &Config) -> BTreeMap<String, String> {
    let retention_ms = millis(config.retention);
    [
        ("brokerClusterName", CLUSTER.to_owned()),
        ("brokerName", BROKER.to_owned()),
        ("brokerId", "0".to_owned()),
        ("brokerRole", "ASYNC_MASTER".to_owned()),
        // Nothing is answered before it is on disk.
        ("flushDiskType", "SYNC_FLUSH".to_owned()),
        // Whole hours, rounded up: [`RETENTION_MS`] is exact.
        (
            "fileReservedTime",
            retention_ms.div_ceil(3_600_000).to_string(),
        ),
        (RETENTION_MS, retention_ms.to_string()),
        ("transactionTimeOut", millis(config.check_after).to_string()),
        (
            "transactionCheckInterval",
            millis(config.check_interval).to_string(),
        ),
        ("transactionCheckMax", config.check_max.to_string()),
        ("maxMessageSize", MAX_BODY.to_string()),
        ("autoCreateTopicEnable", "false".to_owned()),
        ("autoCreateSubscriptionGroup", "true".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

impl Remoting {
    pub(super) fn broker_settings(&self, request: &Frame, itself: SocketAddr) -> Frame {
        let mut settings = BTreeMap::clone(&self.settings);
        settings.insert("brokerIP1".to_owned(), itself.ip().to_string());
        settings.insert("listenPort".to_owned(), itself.port().to_string());
        with_body(request, settings_body(&settings))
    }

    pub(super) fn route(&self, request: &Frame, itself: SocketAddr) -> Result<Frame, Refused> {
        let asked = RouteRequest::from_frame(request)?;
        if asked.topic != HALF_TOPIC && self.catalog.topic(&asked.topic).is_none() {
            return Err(Refused {
                code: TOPIC_NOT_FOUND,
                why: format!(
                    "No topic route info in name server for the topic: {}",
                    asked.topic
                ),
            });
        }
        let queues = QueueData {
            broker_name: BROKER.to_owned(),
            read_queue_nums: QUEUES,
            write_queue_nums: QUEUES,
            perm: READ_WRITE,
            topic_sys_flag: 0,
        };
        let route = RouteAnswer {
            queue_datas: vec![queues],
            broker_datas: vec![broker(itself)],
        };
        Ok(with_body(request, route.to_body()?))
    }

    pub(super) fn topics(&self, request: &Frame) -> Result<Frame, Refused> {
        let topics = self.catalog.topics().into_iter();
        let topics = topics.map(|(name, topic)| (name, wire_kind(topic.kind)));
        let halves = (HALF_TOPIC.to_owned(), WireKind::Normal);
        let entries = topics
            .chain(std::iter::once(halves))
            .map(|(topic, kind)| TopicEntry {
                topic,
                read_queues: QUEUES,
                write_queues: QUEUES,
                permission: READ_WRITE,
                kind,
            });
        let list = TopicList {
            topics: entries.collect(),
        };
        Ok(with_body(request, list.to_body()?))
    }

    pub(super) fn groups(&self, request: &Frame) -> Result<Frame, Refused> {
        let groups = self.catalog.groups().into_iter();
        let entries = groups.map(|(name, group)| GroupEntry {
            group: name,
            retry_max_times: group.policy.retry_max_times,
            delays: group.policy.own_delays(),
            consume_enabled: true,
        });
        let list = GroupList {
            groups: entries.collect(),
        };
        Ok(with_body(request, list.to_body()?))
    }
}

fn wire_kind(kind: TopicKind) -> WireKind {
    match kind {
        TopicKind::Normal => WireKind::Normal,
        TopicKind::Transaction => WireKind::Transaction,
        TopicKind::Delay => WireKind::Delay,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn retention_is_told_in_hours_rounded_up_and_to_the_millisecond() {
        for (minutes, hours) in [(30, "1"), (60, "1"), (90, "2"), (72 * 60, "72")] {
            let config = Config {
                retention: Duration::from_secs(minutes * 60),
                ..Config::default()
            };
            let settings = settings(&config);
            assert_eq!(settings["fileReservedTime"], hours, "{minutes} min");
            assert_eq!(settings[RETENTION_MS], (minutes * 60_000).to_string());
        }
    }
}
