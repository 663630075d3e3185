//! Reads what is at the broker, and does what the plan says.

use std::time::Duration;

use rocketmq::{Admin, Client, Consumer, ConsumerConfig, Deferral, Delivery, Error};
use tokio::time::Instant;

use super::found::{Found, FoundGroup, FoundTopic};
use super::plan::Step;
use super::wanted::Wanted;

/// The shortest long poll that servers hold.
const LONG_POLL: Duration = Duration::from_secs(5);
/// The shortest lease that servers give.
const LEASE: Duration = Duration::from_secs(10);
/// Between two looks whether the first poll has arrived everywhere.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Why a step was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The broker refused or is away.
    #[error(transparent)]
    Broker(#[from] Error),
    /// The poll did not reach every queue in time.
    #[error("group {group} has not polled every queue of {topic} within {}: is the broker's gRPC service up?", humantime::format_duration(*.within))]
    NotPolled {
        /// Who.
        group: String,
        /// What.
        topic: String,
        /// How long was waited.
        within: Duration,
    },
}

/// Reads what concerns the wanted topics and groups.
///
/// # Errors
/// The broker refuses or is away.
pub async fn read(admin: &Admin, wanted: &Wanted) -> Result<Found, Error> {
    let cluster = admin.cluster().await?;
    let mut found = Found {
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
            let topic_is_there = found.topics.iter().any(|found| found.name == *topic);
            if is_there && topic_is_there && has_begun(admin, group, topic).await? {
                found.begun.insert((group.clone(), topic.clone()));
            }
        }
    }
    Ok(found)
}

/// Whether the group has its place in every queue of the topic.
async fn has_begun(admin: &Admin, group: &str, topic: &str) -> Result<bool, Error> {
    let queues = admin.queues(topic).await?;
    for queue in &queues {
        if admin.group_offset(group, &queue.queue()).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(!queues.is_empty())
}

/// Does one step, in at most so much time.
///
/// # Errors
/// The broker refuses or is away, or the time was not enough.
pub async fn carry_out(
    admin: &Admin,
    client: &Client,
    step: &Step,
    within: Duration,
) -> Result<(), StepError> {
    match step {
        Step::CreateTopic(spec) => Ok(admin.add_topic(spec).await?),
        Step::CreateGroup(spec) => Ok(admin.adjust_group(spec).await?),
        Step::FirstPoll { group, topic } => first_poll(admin, client, group, topic, within).await,
    }
}

/// Polls until the group's place in every queue is on record at the broker. What the poll brings goes back at once:
/// one message at a time is taken, and none of them uses an attempt.
async fn first_poll(
    admin: &Admin,
    client: &Client,
    group: &str,
    topic: &str,
    within: Duration,
) -> Result<(), StepError> {
    let until = Instant::now() + within;
    let consumer = Consumer::start(
        client,
        ConsumerConfig {
            group: group.to_owned(),
            topic: topic.to_owned(),
            lease: LEASE,
            permits: 1,
            batch: 1,
            polls: 1,
            long_poll: LONG_POLL,
            ..ConsumerConfig::default()
        },
    )
    .await?;
    let begun = loop {
        let looked = has_begun(admin, group, topic).await;
        if matches!(looked, Ok(true)) || Instant::now() >= until {
            break looked;
        }
        tokio::select! {
            Some(received) = consumer.next() => give_back(received).await,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    };
    // A poll that has begun is let finish: what it brings would stay hidden for its lease.
    consumer.stop();
    while let Some(received) = consumer.next().await {
        give_back(received).await;
    }
    consumer.close().await;
    if begun? {
        return Ok(());
    }
    Err(StepError::NotPolled {
        group: group.to_owned(),
        topic: topic.to_owned(),
        within,
    })
}

/// Hands messages back to the group, to be delivered again at once.
async fn give_back(received: Vec<Delivery>) {
    for delivery in received {
        if let Err(error) = delivery.defer(Duration::ZERO, Deferral::Suspended).await {
            // It comes back by itself when its lease is over.
            tracing::warn!(%error, "a message of the first poll comes back after its lease");
        }
    }
}
