//! Reads the broker's topics of half messages, without moving anything.

use std::collections::BTreeSet;

use rocketmq::{Admin, Error, ErrorKind, QueueOffsets, StoredMessage};

use super::{HalfMessage, Stage, ended, in_flight};

const HALVES: &str = "RMQ_SYS_TRANS_HALF_TOPIC";
const OPS: &str = "RMQ_SYS_TRANS_OP_HALF_TOPIC";
const GIVEN_UP: &str = "TRANS_CHECK_MAX_TIME_TOPIC";
/// The broker's own group, whose place says what it is done with.
const CHECKER: &str = "CID_RMQ_SYS_TRANS";
/// Op messages before the checker's place that are read all the same: a half that was put back is ended by an older one.
const OPS_BEFORE: i64 = 1_000;
/// Messages of one pull.
const PULL: u32 = 32;

/// All halves that are in flight or were given up and are still kept.
///
/// # Errors
/// The broker refuses or is away.
pub async fn halves(admin: &Admin) -> Result<Vec<HalfMessage>, Error> {
    let mut found = Vec::new();
    let ops = queues(admin, OPS).await?;
    for queue in queues(admin, HALVES).await? {
        let from = admin
            .group_offset(CHECKER, &queue.queue())
            .await?
            .unwrap_or(queue.min);
        let halves = read(admin, &queue, from).await?;
        let mut over = BTreeSet::new();
        let same = |op: &&QueueOffsets| op.broker == queue.broker && op.queue_id == queue.queue_id;
        for op in ops.iter().filter(same) {
            let done = admin
                .group_offset(CHECKER, &op.queue())
                .await?
                .unwrap_or(op.min);
            for message in read(admin, op, done - OPS_BEFORE).await? {
                over.extend(ended(&message));
            }
        }
        found.extend(in_flight(&queue.broker, &halves, &over));
    }
    for queue in queues(admin, GIVEN_UP).await? {
        let given_up = read(admin, &queue, queue.min).await?;
        let read = |half| HalfMessage::read(Stage::OutOfChecks, &queue.broker, half);
        found.extend(given_up.iter().map(read));
    }
    Ok(found)
}

async fn queues(admin: &Admin, topic: &str) -> Result<Vec<QueueOffsets>, Error> {
    match admin.queues(topic).await {
        Err(error) if matches!(error.kind(), ErrorKind::TopicNotFound { .. }) => Ok(Vec::new()),
        other => other,
    }
}

/// What lies in a queue from `from` on.
async fn read(admin: &Admin, queue: &QueueOffsets, from: i64) -> Result<Vec<StoredMessage>, Error> {
    let mut messages = Vec::new();
    let mut at = from.max(queue.min);
    while at < queue.max {
        let pulled = admin.pull(&queue.queue(), at, PULL).await?;
        messages.extend(pulled.messages);
        at = pulled.next_offset.max(at + 1);
    }
    Ok(messages)
}
