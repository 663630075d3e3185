//! Finds what should be awake and is not: its time came long ago, and nobody has received it.
//!
//! A queue can lose a message that sleeps (its disk is gone, its data were set back), and the record is
//! then all that knows of it. So what waits and was due long ago is looked for, told as an alarm, and
//! told to its initiator by the outcome `lost`, which sends the same generation anew.
//!
//! The rule has to be sure of one thing: that the notifier is not itself behind. A sleeper is lost when
//! its time is longer ago than `overdue_after`, and for at least as long
//! - its group was received without a gap: every broker has, at least once a minute, given fewer
//!   messages than a poll had room for, so whatever was visible had been handed out, to this replica or
//!   another;
//! - the record store answered;
//! - its endpoint was open, and this replica neither carries it nor has a crowd before that endpoint.
//!
//! A replica that has just started, comes out of an outage or works off a backlog therefore tells of
//! nothing yet; a paused or disabled endpoint's sleepers are no loss. What is told wrongly all the same
//! costs a copy, which the record recognises.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use notification::{EndpointId, Group, Operation};
use rocketmq::Lookout;
use service::shutdown::Shutdown;

use crate::alarm;
use crate::directory::Directory;
use crate::in_hand::InHand;
use crate::parking;
use crate::record::Record;
use crate::record::failure::Failure;
use crate::record::overdue::{self, Sleeper};

/// The longest time between two looks.
const INTERVAL: Duration = Duration::from_secs(15);

/// The rows of one statement, and of one transaction.
const PAGE: usize = 256;

/// The most pages of one look: what is lost is sent anew at fifty a second at most.
const PAGES: usize = 4;

/// A group's queues count as drained for so long.
const DRAINED_FOR: Duration = Duration::from_secs(60);

/// Looks for sleepers that nobody wakes.
pub(crate) struct Overdue {
    pub record: Record,
    pub directory: Directory,
    pub in_hand: InHand,
    pub groups: Vec<(Group, Lookout)>,
    /// See [`crate::Settings::overdue_after`].
    pub after: Duration,
}

/// Since when each group has been received without a gap.
type Calm = HashMap<Group, Instant>;

impl Overdue {
    /// Runs until the soft phase begins.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let soft = shutdown.soft();
        let (mut calm, mut behind) = (Calm::new(), None);
        let interval = (self.after / 4).min(INTERVAL);
        while soft
            .run_until_cancelled(tokio::time::sleep(interval))
            .await
            .is_some()
        {
            self.watch(&mut calm, Instant::now());
            let sure = calm.values().any(|since| since.elapsed() >= self.after);
            if !sure {
                continue;
            }
            match self.look(&calm, behind.take()).await {
                Ok(reached) => behind = reached,
                // From the beginning next time.
                Err(error) => tracing::info!(event = "overdue_not_looked_for", %error),
            }
        }
    }

    /// Notes which groups are received without a gap.
    fn watch(&self, calm: &mut Calm, now: Instant) {
        let store_is_up = self.record.health().reason().is_none();
        for (group, lookout) in &self.groups {
            if store_is_up && lookout.drained_within(DRAINED_FOR) {
                calm.entry(group.clone()).or_insert(now);
            } else {
                calm.remove(group);
            }
        }
    }

    /// Goes on behind the last look's last row, for as many as one look may read. Gives its own last,
    /// if there are more.
    async fn look(
        &self,
        calm: &Calm,
        mut behind: Option<Sleeper>,
    ) -> Result<Option<Sleeper>, Failure> {
        let database = self.record.database();
        for _ in 0..PAGES {
            let now_ms = self.record.now_ms();
            let due_before_ms = now_ms.saturating_sub(service::clock::millis(self.after));
            let page = database.in_time(async {
                let mut db = database.read().await?;
                overdue::page(&mut db, behind.as_ref(), due_before_ms, PAGE).await
            });
            let page = page.await?;
            self.tell(&page, calm, now_ms).await?;
            if page.len() < PAGE {
                return Ok(None);
            }
            behind = page.into_iter().last();
        }
        Ok(behind)
    }

    /// Tells of those that are lost.
    async fn tell(&self, page: &[Sleeper], calm: &Calm, now_ms: i64) -> Result<(), Failure> {
        let is_lost = |sleeper: &&Sleeper| {
            let since = calm.get(&sleeper.key.group);
            sleeper.seen
                && since.is_some_and(|since| since.elapsed() >= self.after)
                && self.is_open(&sleeper.endpoint, now_ms)
                && self.in_hand.take(&sleeper.key).is_some()
        };
        let lost: Vec<(Sleeper, u32)> = page
            .iter()
            .filter(is_lost)
            .filter_map(|sleeper| Some((sleeper.clone(), sleeper.telling(self.after, now_ms)?)))
            .collect();
        if lost.is_empty() {
            return Ok(());
        }
        let mut by_endpoint: BTreeMap<EndpointId, (usize, i64)> = BTreeMap::new();
        for told in self.record.tell_lost(&lost).await? {
            let (count, longest_ms) = by_endpoint.entry(told.endpoint).or_default();
            *count += 1;
            *longest_ms = (*longest_ms).max(now_ms - told.next_due_ms);
        }
        for (endpoint, (count, longest_ms)) in by_endpoint {
            alarm::notifications_lost(&endpoint, count, longest_ms);
        }
        Ok(())
    }

    /// Whether the endpoint has been open for long enough that nothing rests for a pause any more,
    /// and nothing waits here for its turn.
    fn is_open(&self, endpoint: &EndpointId, now_ms: i64) -> bool {
        let Some(line) = self.directory.line(endpoint) else {
            return false;
        };
        let settings = line.endpoint();
        let settled = self.after.saturating_add(parking::LONGEST_HOLD);
        settings.operation == Operation::Open
            && now_ms.saturating_sub(settings.operation_since_ms) >= service::clock::millis(settled)
            && !line.lane.is_busy()
    }
}
