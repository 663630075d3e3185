//! What `ringback.toml` asks of the broker: topics with their types, groups with their policies.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use notification::Ladder;
use rocketmq::TopicKind;

use crate::config::File;
use crate::failure::Failure;

/// Redeliveries before the broker gives a message up by itself: far above any ladder, which the notifier ends.
pub const RETRY_MAX_TIMES: u32 = 1000;

/// What has to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// By name.
    pub topics: BTreeMap<String, TopicKind>,
    /// By name.
    pub groups: BTreeMap<String, WantedGroup>,
}

/// A consumer group that has to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedGroup {
    /// What it reads.
    pub topics: BTreeSet<String>,
    /// Its policy: the longest ladder of the endpoints that its messages go to.
    pub delays: Vec<Duration>,
    /// At least so many redeliveries.
    pub retry_max_times: u32,
}

/// Reads it out of the configuration. `ladder` is `--ladder`, which replaces every endpoint's.
///
/// # Errors
/// There is nothing to set up.
pub fn wanted(file: &File, ladder: Option<&Ladder>) -> Result<Wanted, Failure> {
    let mut wanted = Wanted {
        topics: BTreeMap::new(),
        groups: BTreeMap::new(),
    };
    let initiator = file
        .initiator
        .as_ref()
        .map(|config| config.topic.to_string());
    let read = file.subscription.iter().map(|s| s.topic.to_string());
    for topic in initiator.into_iter().chain(read) {
        // A topic that is only read takes half messages, too: a resend is one.
        wanted.topics.insert(topic, TopicKind::Transaction);
    }
    for subscription in &file.subscription {
        let endpoint = file
            .endpoint
            .iter()
            .find(|endpoint| Some(&endpoint.id) == subscription.endpoint.one());
        // One of the notifier's table brings its own ladder, or climbs the group's.
        let own = ladder
            .or(endpoint.and_then(|endpoint| endpoint.ladder.as_ref()))
            .cloned()
            .unwrap_or_default();
        let group = wanted
            .groups
            .entry(subscription.group.to_string())
            .or_insert_with(|| WantedGroup {
                topics: BTreeSet::new(),
                delays: Vec::new(),
                retry_max_times: RETRY_MAX_TIMES,
            });
        group.topics.insert(subscription.topic.to_string());
        if lasts(own.rungs()) > lasts(&group.delays) {
            group.delays = own.rungs().to_vec();
        }
    }
    if wanted.topics.is_empty() {
        return Err(Failure::usage(
            "there is nothing to set up: neither [initiator] nor a [[subscription]] names a topic",
        ));
    }
    Ok(wanted)
}

/// How long a ladder is climbed.
pub fn lasts(delays: &[Duration]) -> Duration {
    delays
        .iter()
        .fold(Duration::ZERO, |sum, delay| sum.saturating_add(*delay))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

    fn endpoint(id: &str, ladder: &str) -> String {
        format!(
            "[[endpoint]]\nid = \"{id}\"\nurl = \"http://127.0.0.1:1/\"\nsecrets = [\"{SECRET}\"]\n{ladder}\n"
        )
    }

    fn subscription(group: &str, topic: &str, endpoint: &str) -> String {
        format!(
            "[[subscription]]\ngroup = \"{group}\"\ntopic = \"{topic}\"\nendpoint = \"{endpoint}\"\n"
        )
    }

    fn read(text: &str) -> Result<Wanted, Failure> {
        wanted(
            &File::parse(text, Path::new("ringback.toml")).unwrap(),
            None,
        )
    }

    #[test]
    fn a_group_gets_the_longest_ladder_of_its_endpoints() {
        let text = [
            endpoint("quick", "ladder = \"1s,2s,3s\""),
            endpoint("slow", "ladder = \"10s,1h\""),
            subscription("bank2", "a", "quick"),
            subscription("bank2", "b", "slow"),
        ];
        let wanted = read(&text.concat()).unwrap();
        let group = &wanted.groups["bank2"];
        assert_eq!(group.delays, [10, 3600].map(Duration::from_secs));
        assert_eq!(group.topics.len(), 2);
        assert_eq!(group.retry_max_times, 1000);
        assert_eq!(wanted.topics["a"], TopicKind::Transaction);
    }

    #[test]
    fn an_endpoint_without_a_ladder_means_rocketmqs_levels() {
        let text = [endpoint("e", ""), subscription("bank2", "a", "e")].concat();
        assert_eq!(read(&text).unwrap().groups["bank2"].delays.len(), 16);
        let file = File::parse(&text, Path::new("ringback.toml")).unwrap();
        let over: Ladder = "1s,2s".parse().unwrap();
        assert_eq!(
            wanted(&file, Some(&over)).unwrap().groups["bank2"].delays,
            over.rungs()
        );
    }

    #[test]
    fn an_endpoint_of_the_table_leaves_the_group_the_usual_ladder() {
        for endpoint in ["elsewhere", "*"] {
            let groups = read(&subscription("bank2", "a", endpoint)).unwrap().groups;
            assert_eq!(groups["bank2"].delays, Ladder::default().rungs());
        }
    }

    #[test]
    fn a_file_of_nothing_is_a_usage_error() {
        let failure = read("").unwrap_err();
        assert!(failure.message.contains("nothing to set up"), "{failure}");
        assert_eq!(failure.kind, crate::failure::Kind::Usage);
    }
}
