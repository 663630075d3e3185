//! What has to be done so that what is wanted is there: a pure comparison.

use std::collections::BTreeSet;
use std::time::Duration;

use rocketmq::{GroupSpec, TopicKind, TopicSpec};
use serde::Serialize;

use super::Found;
use super::wanted::{Wanted, WantedGroup};
use crate::failure::Failure;

/// Queues of a topic that is made.
const QUEUES: u32 = 8;
/// Rungs of a policy that are written out; of a longer one the first three and the last.
const WRITTEN_OUT: usize = 4;

/// One line of what `init` does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `topic topic_txmsg`, `group bank2`.
    pub subject: String,
    /// What is done about it.
    pub action: Action,
    /// In which way, or how it is already.
    pub detail: String,
    /// What carries it out.
    #[serde(skip)]
    pub step: Option<Step>,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It was not there.
    Created,
    /// It was there and otherwise.
    Changed,
    /// A group was given its place in a topic.
    Begun,
    /// A database's tables were brought up to date.
    Migrated,
    /// It was there as it should be.
    Unchanged,
}

impl Action {
    /// The word for a reader.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Begun => "begun",
            Self::Migrated => "migrated",
            Self::Unchanged => "unchanged",
        }
    }
}

/// What has to be asked of the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// On every master.
    CreateTopic(TopicSpec),
    /// On every master.
    CreateGroup(GroupSpec),
    /// Gives the group its place in every queue where it has none.
    Begin {
        /// Who.
        group: String,
        /// Where.
        topic: String,
        /// What becomes of the messages that lie there.
        history: History,
    },
}

/// What becomes of messages that lie in a topic when a group begins there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// The group receives them.
    Received,
    /// It begins behind them.
    Skipped,
}

/// Compares. `history` is for groups that begin.
///
/// # Errors
/// Something is there that can't be changed without a risk: every such thing is named, with what to do.
pub fn plan(wanted: &Wanted, found: &Found, history: History) -> Result<Vec<Change>, Failure> {
    let mut changes = Vec::new();
    let mut refused = Vec::new();
    for (name, kind) in &wanted.topics {
        match topic(name, *kind, found) {
            Ok(change) => changes.push(change),
            Err(why) => refused.push(why),
        }
    }
    for (name, group) in &wanted.groups {
        match self::group(name, group, found) {
            Ok(change) => changes.push(change),
            Err(why) => refused.push(why),
        }
    }
    if !refused.is_empty() {
        return Err(Failure::operation(refused.join("\n")));
    }
    for (group, wanted) in &wanted.groups {
        for topic in &wanted.topics {
            changes.push(begin(group, topic, found, history));
        }
    }
    Ok(changes)
}

fn topic(name: &str, kind: TopicKind, found: &Found) -> Result<Change, String> {
    let here: Vec<_> = found
        .topics
        .iter()
        .filter(|topic| topic.name == name)
        .collect();
    let unfit = |found: TopicKind| found != kind && found != TopicKind::Mixed;
    if let Some(other) = here.iter().find(|topic| unfit(topic.kind)) {
        let or = if found.embedded {
            String::new()
        } else {
            format!(
                ", or, if nothing uses this one, delete it (mqadmin deleteTopic -c <cluster> -t {name}) and run init \
                 again"
            )
        };
        return Err(format!(
            "topic {name} exists as {} on {}, and {} is needed. A type is not changed under messages that were sent \
             with another: name another topic in [initiator] and [[subscription]]{or}.",
            other.kind, other.broker, kind,
        ));
    }
    let subject = format!("topic {name}");
    let queues = here.iter().map(|topic| topic.queues).max();
    let missing = missing(found, here.iter().map(|topic| topic.broker.as_str()));
    let queues_now = queues.unwrap_or(QUEUES);
    let kind_now = here.first().map_or(kind, |topic| topic.kind);
    let detail = format!(
        "{kind_now}, {}",
        crate::render::count(queues_now.into(), "queue")
    );
    if missing.is_empty() && queues.is_some() {
        return Ok(Change {
            subject,
            action: Action::Unchanged,
            detail,
            step: None,
        });
    }
    Ok(Change {
        subject,
        action: Action::Created,
        detail: detail + &on(&missing, here.is_empty()),
        step: Some(Step::CreateTopic(TopicSpec {
            name: name.to_owned(),
            kind: kind_now,
            // Making it again on a broker that has it must not take queues away.
            queues: queues_now,
        })),
    })
}

fn group(name: &str, wanted: &WantedGroup, found: &Found) -> Result<Change, String> {
    let here: Vec<_> = found
        .groups
        .iter()
        .filter(|group| group.name == name)
        .collect();
    if let Some(off) = here.iter().find(|group| !group.consume_enabled) {
        return Err(format!(
            "group {name} is switched off on {} (consumeEnable=false): nothing is delivered to it. Whoever did that \
             had a reason; switch it on again (mqadmin updateSubGroup -c <cluster> -g {name} -s true) and run init again.",
            off.broker
        ));
    }
    let subject = format!("group {name}");
    // Who allows more redeliveries than needed knows why; on each broker as on the one that allows most, so that a
    // message fares alike wherever it lies.
    let most = here
        .iter()
        .map(|group| group.retry_max_times)
        .max()
        .unwrap_or(0);
    let retry_max_times = wanted.retry_max_times.max(most);
    let step = Step::CreateGroup(GroupSpec {
        name: name.to_owned(),
        retry_max_times,
        delays: wanted.delays.clone(),
    });
    let differing = here
        .iter()
        .find(|group| group.delays != wanted.delays || group.retry_max_times < retry_max_times);
    if let Some(other) = differing {
        let mut details = Vec::new();
        if other.delays != wanted.delays {
            details.push(format!(
                "policy {} -> {}",
                policy(&other.delays),
                policy(&wanted.delays)
            ));
        }
        if other.retry_max_times < retry_max_times {
            details.push(format!(
                "retryMaxTimes {} -> {retry_max_times}",
                other.retry_max_times
            ));
        }
        return Ok(Change {
            subject,
            action: Action::Changed,
            detail: details.join("; "),
            step: Some(step),
        });
    }
    let missing = missing(found, here.iter().map(|group| group.broker.as_str()));
    let detail = format!(
        "policy {}, retryMaxTimes {retry_max_times}",
        policy(&wanted.delays)
    );
    let there = missing.is_empty() && !here.is_empty();
    Ok(Change {
        subject,
        action: if there {
            Action::Unchanged
        } else {
            Action::Created
        },
        detail: if there {
            detail
        } else {
            detail + &on(&missing, here.is_empty())
        },
        step: (!there).then_some(step),
    })
}

fn begin(group: &str, topic: &str, found: &Found, history: History) -> Change {
    let of = (group.to_owned(), topic.to_owned());
    let place = found.places.get(&of).copied();
    let subject = format!("group {group}");
    if place.is_some_and(|place| place.open == 0) {
        return Change {
            subject,
            action: Action::Unchanged,
            detail: format!("has its place in every queue of {topic}"),
            step: None,
        };
    }
    let lie = crate::render::count(place.unwrap_or_default().history, "message");
    let detail = match (place.unwrap_or_default().history, history) {
        (0, _) => format!("begins in {topic} with the first message that comes"),
        (_, History::Received) => {
            format!("begins in {topic} before the {lie} there: receives them, too")
        }
        (_, History::Skipped) => {
            format!("begins in {topic} behind the {lie} there: never receives them")
        }
    };
    Change {
        subject,
        action: Action::Begun,
        detail,
        step: Some(Step::Begin {
            group: group.to_owned(),
            topic: topic.to_owned(),
            history,
        }),
    }
}

/// The masters that lack it.
fn missing<'a>(found: &'a Found, here: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let here: BTreeSet<&str> = here.collect();
    found
        .brokers
        .iter()
        .map(String::as_str)
        .filter(|broker| !here.contains(broker))
        .collect()
}

/// ` on broker-b`, where not all brokers lack it.
fn on(missing: &BTreeSet<&str>, everywhere: bool) -> String {
    if everywhere {
        return String::new();
    }
    let names: Vec<&str> = missing.iter().copied().collect();
    format!(", on {}", names.join(" and "))
}

/// `1s 2s 3s`, `10s 30s 1m … 2h (16 rungs)`, `none`.
pub fn policy(delays: &[Duration]) -> String {
    let written = |delay: &Duration| {
        humantime::format_duration(*delay)
            .to_string()
            .replace(' ', "")
    };
    match delays {
        [] => "none (the broker's own)".to_owned(),
        few if few.len() <= WRITTEN_OUT => few.iter().map(written).collect::<Vec<_>>().join(" "),
        [first, second, third, .., last] => format!(
            "{} {} {} … {} ({} rungs)",
            written(first),
            written(second),
            written(third),
            written(last),
            delays.len()
        ),
        // Fewer than four were written out above.
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
