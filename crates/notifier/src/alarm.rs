//! Every event that should wake somebody: one named WARN each.
//!
//! The name is the field `event`; names and fields are stable, because alerts are written against
//! them. No line holds a secret or a body.

use std::fmt::Display;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use notification::{DeadReason, EndpointId, Group, LetterClass, TxNo};

use crate::copy::Key;
use crate::record::dlq::Position;

/// The record store does not answer: results wait, receiving stops when the buffer is full.
pub(crate) fn record_store_down(error: &dyn Display) {
    tracing::warn!(event = "record_store_down", %error);
}

/// The end of that.
pub(crate) fn record_store_up() {
    tracing::info!(event = "record_store_up");
}

/// The record refuses one result, again and again, while it takes others: it is tried anew until
/// somebody has mended the cause.
pub(crate) fn record_refused(key: &Key, error: &dyn Display) {
    tracing::warn!(event = "record_refused", %key, %error);
}

/// A dead letter was written: `dead_letter_receiver` or `dead_letter_pipeline`.
pub(crate) fn dead_letter(key: &Key, generation: u32, endpoint: &EndpointId, reason: DeadReason) {
    let (class, reason) = (reason.class(), reason.as_str());
    match class {
        LetterClass::Receiver => {
            tracing::warn!(event = "dead_letter_receiver", %key, generation, %endpoint, reason);
        }
        LetterClass::Pipeline => {
            tracing::warn!(event = "dead_letter_pipeline", %key, generation, %endpoint, reason);
        }
    }
}

/// Every attempt of an endpoint has failed for so long.
pub(crate) fn endpoint_failing(endpoint: &EndpointId, for_ms: i64, attempts: u32) {
    let minutes = for_ms / 60_000;
    tracing::warn!(event = "endpoint_failing", %endpoint, minutes, attempts);
}

/// The end of that.
pub(crate) fn endpoint_recovered(endpoint: &EndpointId, after_ms: i64) {
    let minutes = after_ms / 60_000;
    tracing::info!(event = "endpoint_recovered", %endpoint, minutes);
}

/// A message of a generation that the record does not know: a backup was restored.
pub(crate) fn record_behind(key: &Key, generation: u32, on_record: u32) {
    tracing::warn!(event = "record_behind", %key, generation, on_record);
}

/// A message of a newer format: this notifier should be upgraded.
pub(crate) fn unknown_format(key: &Key) {
    tracing::warn!(event = "unknown_format", %key);
}

/// A message names an endpoint that there is not: it is parked. Add the endpoint, or mend the
/// subscription.
pub(crate) fn endpoint_unknown(endpoint: &EndpointId, key: &Key) {
    tracing::warn!(event = "endpoint_unknown", %endpoint, %key);
}

/// A message names no endpoint, and its subscription leaves that to messages: it is parked.
pub(crate) fn no_endpoint_named(key: &Key) {
    tracing::warn!(event = "no_endpoint_named", %key);
}

/// A message names a URL outside of its endpoint's `notify_url_pattern`: it is parked.
pub(crate) fn notify_url_outside(endpoint: &EndpointId, key: &Key, why: &dyn Display) {
    tracing::warn!(event = "notify_url_outside", %endpoint, %key, %why);
}

/// Several answers of 410 over minutes: the endpoint was disabled.
pub(crate) fn endpoint_gone(endpoint: &EndpointId, why: &str) {
    tracing::warn!(event = "endpoint_gone", %endpoint, why);
}

/// The table of endpoints can't be read: what was known last goes on.
pub(crate) fn endpoints_unread(error: &dyn Display) {
    tracing::warn!(event = "endpoints_unread", %error);
}

/// An endpoint of the table can't be used: what was known of it last goes on; without that its
/// messages are parked.
pub(crate) fn endpoint_unusable(endpoint: &EndpointId, error: &dyn Display) {
    tracing::warn!(event = "endpoint_unusable", %endpoint, %error);
}

/// An endpoint stands in ringback.toml and in the table: the file is obeyed.
pub(crate) fn endpoint_defined_twice(endpoint: &EndpointId) {
    tracing::warn!(event = "endpoint_defined_twice", %endpoint);
}

/// There are messages for a disabled endpoint: they are parked, and die when they were parked too
/// long.
pub(crate) fn endpoint_disabled(endpoint: &EndpointId, key: &Key) {
    tracing::warn!(event = "endpoint_disabled", %endpoint, %key);
}

/// The end of that, and of `endpoint_gone`: somebody has enabled it, or taken it away.
pub(crate) fn endpoint_enabled(endpoint: &EndpointId) {
    tracing::info!(event = "endpoint_enabled", %endpoint);
}

/// An endpoint leads to where nobody may be rung: its messages are parked if its URL says so itself, and refused if its
/// name does.
pub(crate) fn address_refused(endpoint: &EndpointId, why: &dyn Display) {
    tracing::warn!(event = "address_refused", %endpoint, %why);
}

/// At most one alarm of a kind a minute, for what every attempt would repeat.
#[derive(Debug, Default)]
pub(crate) struct Seldom {
    last_ms: AtomicI64,
}

impl Seldom {
    const GAP_MS: i64 = 60_000;

    /// Whether it is time for another.
    pub(crate) fn is_due(&self, now_ms: i64) -> bool {
        // A clock that was set back must not silence it for that long.
        let due =
            |last_ms| (!(last_ms..last_ms + Self::GAP_MS).contains(&now_ms)).then_some(now_ms);
        let moved = self
            .last_ms
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, due);
        moved.is_ok()
    }
}

/// The endpoint's clock and ours are far apart: receivers refuse old signatures.
pub(crate) fn clock_skew(endpoint: &EndpointId, skew_s: i64) {
    tracing::warn!(event = "clock_skew", %endpoint, skew_s);
}

/// An endpoint does not answer, or refuses everything: it is left alone but for a probe now and then.
pub(crate) fn breaker_opened(endpoint: &EndpointId, probe_in: Duration) {
    let probe_in_ms = u64::try_from(probe_in.as_millis()).unwrap_or(u64::MAX);
    tracing::warn!(event = "breaker_opened", %endpoint, probe_in_ms);
}

/// The end of that.
pub(crate) fn breaker_closed(endpoint: &EndpointId, after: Duration) {
    let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    tracing::info!(event = "breaker_closed", %endpoint, after_ms);
}

/// Of an endpoint, so many were accepted long ago and are not delivered, the first of them so long ago.
pub(crate) fn oldest_waiting(endpoint: &EndpointId, count: u64, oldest_ms: i64) {
    let hours = oldest_ms / 3_600_000;
    tracing::warn!(event = "oldest_waiting", %endpoint, count, hours);
}

/// The end of that.
pub(crate) fn oldest_waiting_over(endpoint: &EndpointId) {
    tracing::info!(event = "oldest_waiting_over", %endpoint);
}

/// A message could not be moved to the dead-letter topic; it is tried again when it comes back.
pub(crate) fn forward_failed(key: &Key, generation: u32, error: &dyn Display) {
    tracing::warn!(event = "forward_failed", %key, generation, %error);
}

/// An operator's resend could not be sent; it is tried again.
pub(crate) fn resend_failed(key: &Key, generation: u32, error: &dyn Display) {
    tracing::warn!(event = "resend_failed", %key, generation, %error);
}

/// A send request without a letter to send: it is dropped.
pub(crate) fn resend_without_letter(key: &Key, generation: u32) {
    tracing::warn!(event = "resend_without_letter", %key, generation);
}

/// Send requests could not be read or claimed; they are looked at again in a second.
pub(crate) fn resend_pass_failed(error: &dyn Display) {
    tracing::warn!(event = "resend_pass_failed", %error);
}

/// A job on dead letters could not be carried on; it is tried again in a second, from where it stands.
pub(crate) fn letter_job_failed(error: &dyn Display) {
    tracing::warn!(event = "letter_job_failed", %error);
}

/// A job stopped by itself, because its endpoint fails again: an operator resumes it.
pub(crate) fn letter_job_paused(job: &TxNo, why: &str) {
    tracing::warn!(event = "letter_job_paused", %job, why);
}

/// These should be awake and are not: nobody has received them for long. Their initiators are told,
/// and send them anew.
pub(crate) fn notifications_lost(endpoint: &EndpointId, count: usize, longest_ms: i64) {
    tracing::warn!(event = "notifications_lost", %endpoint, count, longest_ms);
}

/// Without administration these topics are not read: what the broker moves there by itself gets no
/// letter.
pub(crate) fn dlq_not_watched(topics: &str) {
    tracing::warn!(
        event = "dlq_not_watched",
        topics,
        "broker.admin is not set: what the broker itself moves to these topics stays unseen",
    );
}

/// A dead-letter topic can't be read, or not put on record; it is tried again.
pub(crate) fn dlq_unread(group: &Group, error: &dyn Display) {
    tracing::warn!(event = "dlq_unread", %group, %error);
}

/// What lies there in a dead-letter topic is no message that can be read: it was passed over, and
/// has no letter.
pub(crate) fn dlq_unreadable(position: &Position, offset: i64, error: &dyn Display) {
    let Position {
        group,
        broker,
        queue_id,
    } = position;
    tracing::warn!(event = "dlq_unreadable", %group, broker, queue_id, offset, %error);
}

/// The broker dropped messages of a dead-letter topic before they were read: `missed` of them.
pub(crate) fn dlq_position_lost(position: &Position, from: i64, first: i64, missed: i64) {
    let Position {
        group,
        broker,
        queue_id,
    } = position;
    tracing::warn!(event = "dlq_position_lost", %group, broker, queue_id, from, first, missed);
}

/// The same at a start, of earlier: `missed` in all, until somebody sets it to 0 in `dlq_position`.
pub(crate) fn dlq_missed(position: &Position, missed: i64) {
    let Position {
        group,
        broker,
        queue_id,
    } = position;
    tracing::warn!(event = "dlq_position_lost", %group, broker, queue_id, missed, earlier = true);
}

/// A queue of a dead-letter topic ends before what was read of it: it is read again from its
/// beginning.
pub(crate) fn dlq_shorter(position: &Position, from: i64, first: i64) {
    let Position {
        group,
        broker,
        queue_id,
    } = position;
    tracing::warn!(event = "dlq_shorter", %group, broker, queue_id, from, first);
}

/// The record refuses one message of a dead-letter topic, again and again: its letter is written
/// without what its sender wrote, and the topic keeps the whole.
pub(crate) fn dlq_record_refused(position: &Position, offset: i64, error: &dyn Display) {
    let Position {
        group,
        broker,
        queue_id,
    } = position;
    tracing::warn!(event = "record_refused", %group, broker, queue_id, offset, %error);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_told_once_a_minute() {
        let seldom = Seldom::default();
        let told: Vec<bool> = [100_000, 100_001, 159_999, 160_000, 160_001]
            .map(|now_ms| seldom.is_due(now_ms))
            .into();
        assert_eq!(told, [true, false, false, true, false]);
    }
}
