//! Reads what is at the broker, and does what the plan says.

use rocketmq::{Admin, Error};

use super::found::{Found, FoundGroup, FoundTopic, Place};
use super::plan::{History, Step};
use super::wanted::Wanted;

/// What the embedded broker's version begins with.
const EMBEDDED: &str = "EMBEDDED";

/// Reads what concerns the wanted topics and groups.
///
/// # Errors
/// The broker refuses or is away.
pub async fn read(admin: &Admin, wanted: &Wanted) -> Result<Found, Error> {
    let cluster = admin.cluster().await?;
    let mut embedded = false;
    for node in cluster.masters() {
        embedded |= is_embedded(admin.broker_version(node).await?.as_deref());
    }
    let mut found = Found {
        embedded,
        brokers: cluster.masters().map(|node| node.name.clone()).collect(),
        ..Found::default()
    };
    for topic in admin.topics().await? {
        if wanted.topics.contains_key(&topic.name) {
            found.topics.push(FoundTopic {
                name: topic.name,
                kind: topic.kind,
                queues: topic.write_queues,
                broker: topic.broker,
            });
        }
    }
    for group in admin.groups().await? {
        if wanted.groups.contains_key(&group.name) {
            found.groups.push(FoundGroup {
                name: group.name,
                retry_max_times: group.retry_max_times,
                delays: group.delays,
                consume_enabled: group.consume_enabled,
                broker: group.broker,
            });
        }
    }
    for (group, wanted) in &wanted.groups {
        let is_there = found.groups.iter().any(|found| found.name == *group);
        for topic in &wanted.topics {
            if found.topics.iter().any(|found| found.name == *topic) {
                let place = place(admin, group, is_there, topic).await?;
                let of = (group.clone(), topic.clone());
                found.places.insert(of, place);
            }
        }
    }
    Ok(found)
}

/// Whether that is what the embedded broker calls itself.
pub fn is_embedded(version: Option<&str>) -> bool {
    version.is_some_and(|version| version.starts_with(EMBEDDED))
}

async fn place(admin: &Admin, group: &str, is_there: bool, topic: &str) -> Result<Place, Error> {
    let mut place = Place::default();
    for ends in admin.queues(topic).await? {
        let has_offset = is_there && admin.group_offset(group, &ends.queue()).await?.is_some();
        if !has_offset {
            place.open += 1;
            let lie = ends.max.saturating_sub(ends.min);
            place.history = place
                .history
                .saturating_add(u64::try_from(lie).unwrap_or(0));
        }
    }
    Ok(place)
}

/// Does one step.
///
/// # Errors
/// The broker refuses or is away.
pub async fn carry_out(admin: &Admin, step: &Step) -> Result<(), Error> {
    match step {
        Step::CreateTopic(spec) => admin.add_topic(spec).await,
        Step::CreateGroup(spec) => admin.adjust_group(spec).await,
        Step::Begin {
            group,
            topic,
            history,
        } => begin(admin, group, topic, *history).await,
    }
}

/// Gives the group its offset in every queue in which it has none; nothing is received for it.
async fn begin(admin: &Admin, group: &str, topic: &str, history: History) -> Result<(), Error> {
    for ends in admin.queues(topic).await? {
        let queue = ends.queue();
        if admin.group_offset(group, &queue).await?.is_some() {
            continue;
        }
        let offset = match history {
            History::Received => ends.min,
            History::Skipped => ends.max,
        };
        admin.set_group_offset(group, &queue, offset).await?;
    }
    Ok(())
}
