//! Reads the notifier's outcome feed: the only proof that a notification was accepted.
//!
//! The broker's OK to an end proves nothing. A page's row updates and the move of the cursor are one
//! transaction, so that none is lost and none is needed twice. When the end of the feed was read last
//! is kept in memory: the relay resends only while that is fresh, because a notifier that is away is
//! no reason to send a backlog again.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use database::{CommitError, DatabaseError};
use notification::api::notifier::{OutcomeLine, OutcomesPage};
use notification::{Group, OutcomeKind};
use sqlx::{AnyConnection, Row as _};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::initiator::Shared;
use crate::position::{OVERLAP_MS, Position, Turn, overlapped, turn};
use crate::{groups, lost, outgoing};

/// How often the feed is read to its end.
const READ_EVERY: Duration = Duration::from_secs(1);
/// The outcomes asked for at once.
const PAGE: u32 = 1_000;
/// How old the last reading to the end may be for the relay to resend, in milliseconds.
const FRESH_MS: i64 = 60_000;

/// When the feed was last read to its end.
#[derive(Debug, Default)]
pub(crate) struct Freshness(AtomicI64);

impl Freshness {
    fn read_at(&self, now_ms: i64) {
        self.0.store(now_ms, Ordering::Release);
    }

    /// When that was, UTC milliseconds; `None` before the first time.
    pub(crate) fn read_ms(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Acquire)).filter(|ms| *ms != 0)
    }

    /// Whether the feed was read to its end within the last minute.
    pub(crate) fn holds(&self, now_ms: i64) -> bool {
        let read_ms = self.0.load(Ordering::Acquire);
        // A clock that was set back says nothing: not fresh, until the next reading.
        read_ms != 0 && (0..=FRESH_MS).contains(&now_ms.saturating_sub(read_ms))
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum FeedError {
    #[error("the notifier can't be reached: {0}")]
    Http(#[from] reqwest::Error),
    #[error("the notifier answered {0}")]
    Status(reqwest::StatusCode),
    #[error("the feed stands still at {0:?} without being at its end")]
    Stuck(String),
    #[error("the feed has two epochs at once, {0} and {1}: two notifiers with different records")]
    TwoEpochs(String, String),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Reads the feed again and again until `stop`.
pub(crate) async fn run(shared: &Shared, stop: CancellationToken) {
    let mut ticks = interval(READ_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut overlapped_at: Option<Instant> = None;
    let mut readable = true;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        let overlap =
            overlapped_at.is_none_or(|at| at.elapsed() >= Duration::from_millis(OVERLAP_MS));
        let start = if overlap {
            Start::Overlap
        } else {
            Start::Position
        };
        // Cut off anywhere, it has applied whole pages only.
        let Some(read) = stop.run_until_cancelled(read_to_end(shared, start)).await else {
            return;
        };
        match read {
            Ok(()) => {
                if overlap {
                    overlapped_at = Some(Instant::now());
                }
                if !readable {
                    tracing::info!(event = "feed_readable_again");
                }
                readable = true;
            }
            Err(error) => {
                if readable {
                    tracing::warn!(event = "feed_unreadable", %error);
                }
                readable = false;
            }
        }
    }
}

/// Where a reading starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// After the last outcome applied.
    Position,
    /// A little before it, for outcomes that were written late.
    Overlap,
}

/// Reads and applies pages until the feed says that it has no more.
async fn read_to_end(shared: &Shared, start: Start) -> Result<(), FeedError> {
    let mut position = shared.database.in_time(stored(shared)).await?;
    let mut restarted: Option<String> = None;
    let mut after = match start {
        Start::Position => position.last_id.clone(),
        Start::Overlap => overlapped(&position.last_id),
    };
    loop {
        // Taken before the page was: what it doesn't show is younger than this.
        let asked_ms = shared.clock.now_ms();
        let page = fetch(shared, &after).await?;
        match turn(&position, &page.epoch, &page.next) {
            Turn::Restart(beginning) => {
                if let Some(epoch) = restarted.replace(beginning.epoch.clone()) {
                    return Err(FeedError::TwoEpochs(epoch, beginning.epoch));
                }
                if !position.epoch.is_empty() {
                    tracing::warn!(
                        event = "feed_epoch_changed",
                        old = position.epoch,
                        new = beginning.epoch
                    );
                }
                let stored = store(shared, &beginning, &[], asked_ms);
                shared.database.in_time(stored).await?;
                after = String::new();
                position = beginning;
            }
            Turn::Advance(next) => {
                if next != position || !page.outcomes.is_empty() {
                    let stored = store(shared, &next, &page.outcomes, asked_ms);
                    shared.database.in_time(stored).await?;
                }
                if page.at_end {
                    shared.freshness.read_at(asked_ms);
                    return Ok(());
                }
                if page.next <= after {
                    return Err(FeedError::Stuck(after));
                }
                after = page.next;
                position = next;
            }
        }
    }
}

async fn fetch(shared: &Shared, after: &str) -> Result<OutcomesPage, FeedError> {
    let response = shared
        .http
        .get(format!(
            "{}/v1/outcomes",
            shared.config.notifier.trim_end_matches('/')
        ))
        .query(&[
            ("source", shared.config.source.as_str()),
            ("after", after),
            ("limit", &PAGE.to_string()),
        ])
        .bearer_auth(shared.config.token.expose())
        .send()
        .await?;
    if !response.status().is_success() {
        return Err(FeedError::Status(response.status()));
    }
    Ok(response.json().await?)
}

async fn stored(shared: &Shared) -> Result<Position, DatabaseError> {
    let row = sqlx::query("SELECT epoch, last_id FROM feed_position WHERE feed = ?")
        .bind(shared.config.feed())
        .fetch_optional(&mut *shared.database.read().await?)
        .await?;
    Ok(match row {
        Some(row) => Position {
            epoch: row.try_get("epoch")?,
            last_id: row.try_get("last_id")?,
        },
        None => Position::default(),
    })
}

/// Applies outcomes and moves the cursor, both or neither.
async fn store(
    shared: &Shared,
    position: &Position,
    outcomes: &[OutcomeLine],
    read_ms: i64,
) -> Result<(), DatabaseError> {
    let mut tx = shared.database.begin().await?;
    // Another source's tx_no is not ours.
    let ours = outcomes
        .iter()
        .filter(|line| line.source == shared.config.source);
    for line in ours {
        apply(&mut tx, &shared.config.accepted_by, line, read_ms).await?;
    }
    move_cursor(&mut tx, &shared.config.feed(), position, read_ms).await?;
    tx.commit().await.map_err(|error| match error {
        // Unknown is as good as undone: what was applied is applied again, to no effect.
        CommitError::RolledBack(error) | CommitError::Unknown(error) => error,
    })
}

/// What one line changes. A loss is made good for any subscription; of the rest the word of those counts
/// that must accept.
async fn apply(
    tx: &mut AnyConnection,
    required: &[Group],
    line: &OutcomeLine,
    now_ms: i64,
) -> Result<(), DatabaseError> {
    if line.kind == OutcomeKind::Lost {
        return lost::note(tx, line, now_ms).await;
    }
    if !required.contains(&line.group) {
        return Ok(());
    }
    let (tx_no, kind, at_ms) = (&line.tx_no, line.kind, line.at_ms);
    if required.len() == 1 {
        outgoing::apply_outcome(tx, tx_no, kind, at_ms).await?;
        return Ok(());
    }
    groups::apply(tx, required, &line.group, tx_no, kind, at_ms).await
}

async fn move_cursor(
    tx: &mut AnyConnection,
    feed: &str,
    position: &Position,
    read_ms: i64,
) -> Result<(), DatabaseError> {
    let moved =
        sqlx::query("UPDATE feed_position SET epoch = ?, last_id = ?, read_ms = ? WHERE feed = ?")
            .bind(&position.epoch)
            .bind(&position.last_id)
            .bind(read_ms)
            .bind(feed)
            .execute(&mut *tx)
            .await?;
    if moved.rows_affected() > 0 {
        return Ok(());
    }
    // The first reading. A replica that is first makes this a Duplicate: all is rolled back and read again.
    sqlx::query("INSERT INTO feed_position (feed, epoch, last_id, read_ms) VALUES (?, ?, ?, ?)")
        .bind(feed)
        .bind(&position.epoch)
        .bind(&position.last_id)
        .bind(read_ms)
        .execute(tx)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_feed_is_fresh_for_a_minute_after_its_end_was_read() {
        let freshness = Freshness::default();
        assert!(!freshness.holds(5), "never read");
        freshness.read_at(1_000_000);
        assert!(freshness.holds(1_000_000));
        assert!(freshness.holds(1_060_000));
        assert!(!freshness.holds(1_060_001));
        assert!(!freshness.holds(999_999), "the clock was set back");
    }
}
