//! Half messages whose transaction is open.
//!
//! Apache RocketMQ never removes a half message: it writes another message that names the offset of
//! the one that ended, and each check-back puts a fresh copy of the half at the end of the queue.
//! Its own checker keeps its place in both queues as the group [`CHECKER`]. What is open is what
//! lies behind that place and is not named as ended, newest copy only. On the embedded broker what
//! lies in the topic is what is open.

use std::collections::{BTreeMap, HashSet};

use rocketmq_wire::StoredMessage;
use rocketmq_wire::properties::{HALF_OFFSET, HALF_TOPIC, OP_TOPIC};

use super::{Admin, QueueRef};
use crate::error::{Error, ErrorKind};

/// The group as which the broker's checker keeps its places.
const CHECKER: &str = "CID_RMQ_SYS_TRANS";
/// Messages asked for at a time.
const PAGE: u32 = 32;

impl Admin {
    /// Half messages whose transaction is open, at most `most` of them, the oldest first:
    /// [`StoredMessage::origin`] is the topic that each is meant for, and the property
    /// `TRANSACTION_CHECK_TIMES` how often it was checked back.
    ///
    /// Apache RocketMQ 5.5.0 goes on checking some halves that were committed (those whose end it
    /// took note of only after a check had begun): until their checks are used up they are listed
    /// too. The initiator's own record knows better.
    ///
    /// # Errors
    /// When a broker cannot be asked.
    pub async fn open_halves(&self, most: usize) -> Result<Vec<StoredMessage>, Error> {
        let mut open = Vec::new();
        for ends in self.queues(HALF_TOPIC).await? {
            let queue = ends.queue();
            let from = self.group_offset(CHECKER, &queue).await?;
            let from = from.unwrap_or_default().max(ends.min);
            // Read before the halves: what ends in between is listed, rather than a half missed.
            let ended = self.ended(&queue).await?;
            let mut newest = BTreeMap::new();
            let mut offset = from;
            while offset < ends.max && newest.len() < most {
                let pulled = self.pull(&queue, offset, PAGE).await?;
                for half in pulled.messages {
                    if is_open(&half, &ended) {
                        let id = half.message_id().unwrap_or_default().to_owned();
                        newest.insert(id, half);
                    }
                }
                if pulled.next_offset <= offset {
                    break;
                }
                offset = pulled.next_offset;
            }
            open.extend(newest.into_values());
        }
        open.sort_by_key(|half: &StoredMessage| half.born_ms);
        open.truncate(most);
        Ok(open)
    }

    /// The offsets of the queue's halves that have ended and that the checker did not pass yet.
    async fn ended(&self, halves: &QueueRef) -> Result<HashSet<i64>, Error> {
        let queue = QueueRef {
            topic: OP_TOPIC.to_owned(),
            ..halves.clone()
        };
        let mut ended = HashSet::new();
        let mut offset = self
            .group_offset(CHECKER, &queue)
            .await?
            .unwrap_or_default();
        loop {
            let pulled = match self.pull(&queue, offset, PAGE).await {
                Ok(pulled) => pulled,
                // The embedded broker needs none.
                Err(error) if matches!(error.kind(), ErrorKind::TopicNotFound { .. }) => break,
                Err(error) => return Err(error),
            };
            for marker in &pulled.messages {
                ended.extend(offsets(&marker.body));
            }
            if pulled.next_offset <= offset {
                break;
            }
            offset = pulled.next_offset;
        }
        Ok(ended)
    }
}

fn is_open(half: &StoredMessage, ended: &HashSet<i64>) -> bool {
    let first = half.properties.get(HALF_OFFSET);
    let first = first.and_then(|offset| offset.parse().ok());
    !ended.contains(&half.queue_offset) && !first.is_some_and(|first| ended.contains(&first))
}

/// The offsets in a marker's body: `12,15,`.
fn offsets(body: &[u8]) -> impl Iterator<Item = i64> {
    let parts = body.split(|byte| *byte == b',');
    parts.filter_map(|part| std::str::from_utf8(part).ok()?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_is_ended_by_its_own_offset_or_that_of_its_first_copy() {
        let ended: HashSet<i64> = offsets(b"12,15,").collect();
        assert_eq!(ended, [12, 15].into());
        let half = |queue_offset, first: Option<&str>| StoredMessage {
            queue_offset,
            properties: first
                .map(|first| (HALF_OFFSET.to_owned(), first.to_owned()))
                .into_iter()
                .collect(),
            ..StoredMessage::default()
        };
        assert!(!is_open(&half(12, None), &ended));
        assert!(!is_open(&half(20, Some("15")), &ended));
        assert!(is_open(&half(20, Some("14")), &ended));
        assert!(is_open(&half(20, None), &ended));
    }
}
