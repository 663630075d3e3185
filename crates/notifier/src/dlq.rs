//! Dead letters that the broker moved by itself: found in its topic, and put on record.
//!
//! The notifier ends each ladder and forwards to `%DLQ%<group>` itself, and what it forwarded has
//! its letter before. But the broker moves a message on its own as well, once it was delivered more
//! often than the group's policy allows: a worker that always dies, another consumer in the same
//! group, a policy that is too small. Nobody would ever see such a message. So each group's topic is
//! read by offset, which moves nothing there, and what has no letter gets one.
//!
//! How far a queue was read is a row ([`crate::record::dlq`]), and it moves in the transaction that
//! writes a page's letters: of several replicas one does it, and what failed is read again. Nothing
//! is passed over in silence: a topic that can't be read or put on record is tried again, with
//! growing pauses, and told once a minute; bytes that are no message are told with their place, and
//! what the broker dropped before it was read with how many that were, then and at each start.
//! A page that the record refuses is halved down to the one message at fault, and of that one a
//! letter without its body is kept ([`trouble`]), so that it holds up no other.
//!
//! In this order: [`step`] says what a pull means, [`letter`] reads a stored message as the
//! receivers of its topic would have, [`fate`] decides what it calls for. All three are pure,
//! and so is [`trouble`].

pub(crate) mod fate;
mod letter;
mod step;
mod trouble;
mod watched;

use std::time::{Duration, Instant};

use rocketmq::{Admin, ErrorKind};
use service::shutdown::Shutdown;
use tokio_util::sync::CancellationToken;

use crate::alarm;
use crate::config::Config;
use crate::record::Record;
use crate::record::dlq::{Advanced, Page};
use crate::record::failure::Failure;
use step::{Gap, Step};
use trouble::Next;
use watched::{Queue, Watched};

/// Pages of one queue in one pass; with more to read the next pass follows at once.
const PAGES: usize = 8;

/// Queues are looked for again after this many intervals, and after a minute at the latest.
const LOOK_AGAIN: u32 = 6;

/// The longest pause, after failures or before queues are looked for again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Reads the dead-letter topics of all groups, one after the other.
pub(crate) struct DlqReader {
    admin: Admin,
    record: Record,
    groups: Vec<Watched>,
    interval: Duration,
}

/// Why a queue, or a group, could not be read to its end.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error(transparent)]
    Broker(#[from] rocketmq::Error),
    #[error(transparent)]
    Record(#[from] Failure),
    #[error(
        "{broker}/{queue_id} stands at {offset}: {times} times in a row a row had changed meanwhile"
    )]
    StandsStill {
        broker: String,
        queue_id: u32,
        offset: i64,
        times: u32,
    },
}

/// What reading has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    More,
}

impl DlqReader {
    /// `None` without administration: nothing can be read then, which is told once.
    ///
    /// # Errors
    /// An address of the administration is none.
    pub(crate) fn new(config: &Config, record: &Record) -> Result<Option<Self>, rocketmq::Error> {
        let groups = Watched::all(&config.subscriptions);
        let Some(admin) = &config.admin else {
            let topics: Vec<&str> = groups.iter().map(|group| group.topic.as_str()).collect();
            alarm::dlq_not_watched(&topics.join(", "));
            return Ok(None);
        };
        Ok(Some(Self {
            admin: Admin::new(admin.clone())?,
            record: record.clone(),
            groups,
            interval: config.notifier.dlq_interval,
        }))
    }

    /// Runs until the soft phase begins. Requests are cut off then, transactions are not.
    pub(crate) async fn run(mut self, shutdown: Shutdown) {
        let soft = shutdown.soft();
        let mut groups = std::mem::take(&mut self.groups);
        let mut told = false;
        while !soft.is_cancelled() {
            told = told || self.tell_missed().await;
            let mut left = Left::Nothing;
            for group in &mut groups {
                if group.due <= Instant::now() && self.read_group(group, &soft).await == Left::More
                {
                    left = Left::More;
                }
            }
            if left == Left::Nothing {
                let pause = tokio::time::sleep(self.interval);
                let _stopping = soft.run_until_cancelled(pause).await.is_none();
            }
        }
    }

    /// Tells what was missed in earlier lives; whether it could be looked up.
    async fn tell_missed(&self) -> bool {
        let missed = self.record.dlq_missed().await;
        for (position, missed) in missed.as_ref().into_iter().flatten() {
            alarm::dlq_missed(position, *missed);
        }
        missed.is_ok()
    }

    /// Reads what is new in one group's topic. A queue that can't be read keeps no other waiting.
    async fn read_group(&self, group: &mut Watched, soft: &CancellationToken) -> Left {
        let mut failed = None;
        if group.look_at <= Instant::now() {
            failed = self.look_for_queues(group, soft).await.err();
        }
        let mut left = Left::Nothing;
        let mut queues = std::mem::take(&mut group.queues);
        for queue in &mut queues {
            match self.read_queue(group, queue, soft).await {
                Ok(Left::More) => left = Left::More,
                Ok(Left::Nothing) => {}
                Err(error) => failed = Some(error),
            }
        }
        group.queues = queues;
        let Some(error) = failed else {
            group.failures = 0;
            return left;
        };
        let pause = self.interval * 2_u32.saturating_pow(group.failures.min(16));
        group.failures += 1;
        group.due = Instant::now() + pause.min(LONGEST_PAUSE);
        if group.alarm.is_due(self.record.now_ms()) {
            alarm::dlq_unread(&group.group, &error);
        }
        Left::Nothing
    }

    /// Finds new queues, and forgets those that no broker has any more. An absent topic has none.
    async fn look_for_queues(
        &self,
        group: &mut Watched,
        soft: &CancellationToken,
    ) -> Result<(), Unread> {
        let Some(found) = soft
            .run_until_cancelled(self.admin.queues(&group.topic))
            .await
        else {
            return Ok(());
        };
        let found = match found {
            Ok(found) => found,
            Err(error) if matches!(error.kind(), ErrorKind::TopicNotFound { .. }) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        group.found(&found);
        group.look_at = Instant::now() + (self.interval * LOOK_AGAIN).min(LONGEST_PAUSE);
        Ok(())
    }

    async fn read_queue(
        &self,
        group: &Watched,
        queue: &mut Queue,
        soft: &CancellationToken,
    ) -> Result<Left, Unread> {
        for _ in 0..PAGES {
            let offset = self.offset(group, queue).await?;
            let pull = self.admin.pull(&queue.queue, offset, queue.trouble.page);
            let Some(pulled) = soft.run_until_cancelled(pull).await else {
                return Ok(Left::Nothing);
            };
            let step = step::step(offset, pulled?);
            if step == Step::AtEnd {
                return Ok(Left::Nothing);
            }
            let messages = match &step {
                Step::Page { messages, .. } => messages.clone(),
                _ => Vec::new(),
            };
            match self.take(group, queue, offset, step, false).await {
                Ok(next) => queue.offset = next,
                Err(error) => {
                    queue.offset = None;
                    if self.record.probe().await.is_err() {
                        return Err(error.into());
                    }
                    match queue.trouble.refused(error.kind(), messages.len()) {
                        Next::Pause => return Err(error.into()),
                        Next::Halve => continue,
                        Next::Bare => {
                            alarm::dlq_record_refused(&group.position(queue), offset, &error);
                            let next = messages[0].queue_offset.saturating_add(1);
                            let step = Step::Page { messages, next };
                            queue.offset = self.take(group, queue, offset, step, true).await?;
                        }
                    }
                }
            }
            if queue.offset.is_none() {
                // Another is at it.
                return match queue.trouble.elsewhere(offset) {
                    None => Ok(Left::Nothing),
                    Some(times) => Err(Unread::StandsStill {
                        broker: queue.queue.broker.clone(),
                        queue_id: queue.queue.queue_id,
                        offset,
                        times,
                    }),
                };
            }
            queue.trouble.over();
        }
        Ok(Left::More)
    }

    /// Where to read on: as remembered, else as on record, else the queue's beginning.
    async fn offset(&self, group: &Watched, queue: &mut Queue) -> Result<i64, Failure> {
        if let Some(offset) = queue.offset {
            return Ok(offset);
        }
        let position = group.position(queue);
        let offset = self
            .record
            .dlq_offset_or_begin(&position, queue.first)
            .await?;
        queue.offset = Some(offset);
        Ok(offset)
    }

    /// Puts one step on record. Says where to go on, or nothing if that is to be looked up: another
    /// replica was quicker, or somebody changed a row meanwhile. `bare`: without what senders wrote.
    async fn take(
        &self,
        group: &Watched,
        queue: &Queue,
        from: i64,
        step: Step,
        bare: bool,
    ) -> Result<Option<i64>, Failure> {
        let position = group.position(queue);
        let mut unreadable = None;
        let (messages, skipped_to, mut to) = match step {
            Step::AtEnd => return Ok(Some(from)),
            Step::Lost { next } => (Vec::new(), next, next),
            Step::Unreadable { at, reason } => {
                unreadable = Some((at, reason));
                (Vec::new(), at, at.saturating_add(1))
            }
            Step::Shorter { first } => (Vec::new(), from, first),
            Step::Page { messages, next } => {
                let first = messages
                    .first()
                    .map_or(from, |message| message.queue_offset);
                (messages, first, next)
            }
        };
        let mut dead = if bare {
            let bare = |message| group.bare(&queue.queue, message);
            messages.iter().map(bare).collect()
        } else {
            group.read(&queue.queue, &messages)
        };
        // A notification occurs once in a transaction: its second letter waits for the next.
        let once = letter::once_each(&dead);
        if let Some(second) = messages.get(once) {
            to = second.queue_offset;
            dead.truncate(once);
        }
        let gap = step::gap(from, skipped_to, to);
        let missed = match gap {
            Gap::Lost { missed } => missed,
            Gap::None | Gap::Shorter => 0,
        };
        let page = Page {
            position: &position,
            from,
            to,
            missed,
            dead: &dead,
        };
        let buried = match self.record.dlq_advance(&page).await? {
            Advanced::Elsewhere => return Ok(None),
            Advanced::Yes(buried) => buried,
        };
        // Told by whoever moved the position; what is missed also at each start, should this one die here.
        match gap {
            Gap::None => {}
            Gap::Lost { missed } => alarm::dlq_position_lost(&position, from, skipped_to, missed),
            Gap::Shorter => alarm::dlq_shorter(&position, from, to),
        }
        if let Some((at, reason)) = unreadable {
            alarm::dlq_unreadable(&position, at, &reason);
        }
        for letter in buried {
            if let Some(on_record) = letter.caught_up_from {
                alarm::record_behind(&letter.key, letter.generation, on_record);
            }
            self.record.meters().dead(&letter.key.group, letter.reason);
            alarm::dead_letter(
                &letter.key,
                letter.generation,
                &letter.endpoint,
                letter.reason,
            );
        }
        Ok(Some(to))
    }
}
