//! The alarms: which events they are, how bad, about whom, and what ends them.
//!
//! An event of level WARN or ERROR whose name is in [`ALARMS`] is an alarm. Names and fields are stable; whoever adds
//! an event of that level adds it here, or to [`ONLY_LOGGED`]: a test reads the sources and asks for it.

use serde::{Deserialize, Serialize};

/// How soon somebody must look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// In working hours.
    Warning,
    /// At night too: notifications are held up or lost, or money is at stake.
    Critical,
}

/// When an alarm is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// With the event of this name about the same subject.
    With(&'static str),
    /// Once it was not heard for a while: [`crate::Config::quiet`].
    Quiet,
}

/// One kind of alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alarm {
    /// The event's name.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The fields whose values say about whom it is; the event that ends it has them too.
    pub about: &'static [&'static str],
    /// What ends it.
    pub ends: Ends,
    /// What it means and what to do, in one line.
    pub meaning: &'static str,
}

const fn alarm(
    name: &'static str,
    severity: Severity,
    about: &'static [&'static str],
    ends: Ends,
    meaning: &'static str,
) -> Alarm {
    Alarm {
        name,
        severity,
        about,
        ends,
        meaning,
    }
}

use Ends::{Quiet, With};
use Severity::{Critical, Warning};

const ENDPOINT: &[&str] = &["endpoint"];
const GROUP: &[&str] = &["group"];
const QUEUE: &[&str] = &["group", "broker", "queue_id"];
const ALL: &[&str] = &[];

/// Every alarm there is.
#[rustfmt::skip]
pub const ALARMS: &[Alarm] = &[
    // Receivers.
    alarm("dead_letter_receiver", Warning, ENDPOINT, Quiet, "a receiver refused to the end of the ladder, or rejected: see `ringback dlq list`"),
    alarm("endpoint_failing", Warning, ENDPOINT, With("endpoint_recovered"), "every attempt has failed for a while: ask the receiver, or pause the endpoint"),
    alarm("breaker_opened", Warning, ENDPOINT, With("breaker_closed"), "an endpoint is left alone for a while: its notifications are parked and use no rung"),
    alarm("notifications_lost", Critical, ENDPOINT, Quiet, "notifications slept far beyond their time: their initiators send them anew; look for what the broker dropped"),
    alarm("letter_job_paused", Warning, &["job"], Quiet, "a bulk resend stopped because its endpoint fails again: resume it once the receiver is well"),
    alarm("letter_job_failed", Warning, ALL, Quiet, "a bulk resend could not be carried on: it is tried again, see its error"),
    alarm("oldest_waiting", Warning, ENDPOINT, With("oldest_waiting_over"), "something was accepted longer ago than notifier.oldest_waiting and is not delivered: see `ringback pending`"),
    alarm("endpoint_disabled", Critical, ENDPOINT, With("endpoint_enabled"), "its messages are parked and die when they were parked too long: enable it once the receiver wants them"),
    alarm("endpoint_unknown", Critical, ENDPOINT, Quiet, "messages name an endpoint that there is not: add it, or mend the subscription"),
    alarm("endpoint_gone", Critical, ENDPOINT, With("endpoint_enabled"), "the receiver answered 410 for minutes: the endpoint was disabled"),
    alarm("endpoint_unusable", Critical, ENDPOINT, Quiet, "its settings in the table can't be used: mend them by `ringback endpoint edit`"),
    alarm("endpoint_defined_twice", Warning, ENDPOINT, Quiet, "it stands in ringback.toml and in the table: the file is obeyed"),
    alarm("endpoints_unread", Warning, ALL, Quiet, "the table of endpoints can't be read: changes have no effect until it can"),
    alarm("no_endpoint_named", Critical, ALL, Quiet, "messages name no endpoint though their subscription leaves it to them: they are parked"),
    alarm("notify_url_outside", Warning, ENDPOINT, Quiet, "messages name a URL outside of the endpoint's notify_url_pattern: they are parked"),
    alarm("address_refused", Critical, ENDPOINT, Quiet, "the egress rules refuse the address: mend the URL, or allow it in [egress]"),
    alarm("clock_skew", Warning, ENDPOINT, Quiet, "the receiver's clock and ours are far apart: signatures will be refused as too old or too new"),
    // Ourselves.
    alarm("dead_letter_pipeline", Critical, ENDPOINT, Quiet, "a notification died through our own fault: see `ringback dlq list --class pipeline`"),
    alarm("record_store_down", Critical, ALL, With("record_store_up"), "the notifier's database does not answer: receiving stops when the buffer is full"),
    alarm("record_refused", Critical, ALL, Quiet, "the record takes other results but refuses one: the log names it and why"),
    alarm("record_behind", Critical, ALL, Quiet, "messages are newer than the record: was a backup restored?"),
    alarm("unknown_format", Warning, ALL, Quiet, "messages of a newer format are parked: upgrade the notifier"),
    alarm("forward_failed", Warning, ALL, Quiet, "a dead message could not be moved to the dead-letter topic; it is tried again"),
    alarm("resend_failed", Warning, ALL, Quiet, "an operator's resend could not be sent; it is tried again"),
    alarm("resend_pass_failed", Warning, ALL, Quiet, "operators' resends can't be read from the record; tried again every second"),
    alarm("resend_without_letter", Warning, ALL, Quiet, "a resend was asked for, but its letter is gone"),
    alarm("worker_died", Critical, ALL, Quiet, "a task ended by a panic: report the log"),
    alarm("dlq_not_watched", Warning, ALL, Quiet, "without [broker] admin, what the broker itself moves to dead-letter topics stays unseen"),
    alarm("dlq_unread", Warning, GROUP, Quiet, "a dead-letter topic can't be read, or not put on record; it is tried again"),
    alarm("dlq_unreadable", Warning, QUEUE, Quiet, "a message in a dead-letter topic can't be read: it has no letter"),
    alarm("dlq_position_lost", Critical, QUEUE, Quiet, "the broker dropped messages of a dead-letter topic before they were read"),
    alarm("dlq_shorter", Warning, QUEUE, Quiet, "a dead-letter topic's queue is shorter than what was read: was the broker's store replaced?"),
    // The initiator.
    alarm("foreign_initiator", Critical, ALL, Quiet, "check-backs of another initiator's messages arrive here: one transactional topic per initiator database"),
    alarm("half_of_another_request", Critical, ALL, Quiet, "a half message under a known tx_no has another content: it was rolled back"),
    alarm("check_backs_running_out", Critical, ALL, Quiet, "check-backs stay unanswered and the broker will soon give them up: see `ringback half list`"),
    alarm("never_accepted", Critical, ALL, Quiet, "a committed notification was not accepted within the relay's maximum age, and is sent no more"),
    alarm("feed_unreadable", Warning, ALL, With("feed_readable_again"), "the notifier's outcome feed can't be read: nothing is sent anew until it can"),
    alarm("feed_epoch_changed", Warning, ALL, Quiet, "the notifier's database is another one: its feed is read from the start"),
    alarm("relay_failed", Warning, ALL, Quiet, "the relay can't read or claim what is to be sent anew; it is tried again"),
    alarm("relay_refused", Critical, ALL, Quiet, "the broker refuses a notification that is to be sent anew"),
    alarm("malformed_half", Warning, ALL, Quiet, "a check-back asks about a half message that is none of ours"),
    // The embedded broker.
    alarm("store_failed", Critical, ALL, Quiet, "the embedded broker's store failed: it ends, and is to be started anew"),
    alarm("sleeping_messages_expired", Critical, ALL, Quiet, "the embedded broker dropped messages by age while they slept: lengthen its retention"),
    alarm("unread_messages_expired", Critical, ALL, Quiet, "the embedded broker dropped messages by age that no group had read"),
    // Any process.
    alarm("database_awaited", Critical, ALL, Quiet, "a service waits for its database and refuses requests meanwhile"),
    alarm("spans_not_taken", Warning, ALL, With("spans_taken_again"), "the collector of spans is away: spans are left out, and nothing else waits for it"),
    alarm("alarms_not_heard", Warning, ALL, Quiet, "alarms came faster than they could be heard: the log has them all"),
];

/// Events of these levels that wake nobody: each is answered by what follows it.
pub const ONLY_LOGGED: &[&str] = &[
    "alarm",
    "alarm_resolved",
    "alarm_not_sent",
    "rollback_unconfirmed",
    "inbox_rollback_unconfirmed",
    "commit_unknown",
    "api_commit_unknown",
    "api_store_error",
    "check_back_lost",
    "result_unreadable",
    "remoting_accept_failed",
    "message_unreadable",
    "half_unreadable",
    "meanwhile_not_served",
    "grpc_server_failed",
    "not_applied",
    "lost_sent_anew",
    "inbox_not_forgotten",
    "database_unreadable",
    "simulated_death",
    "ready_line_not_read",
    "check_back_dropped",
    "check_back_unreadable",
    "check_panicked",
    "check_too_slow",
    "check_answer_failed",
    "check_left_running",
    "check_back_body_unreadable",
    "topic_missing",
    "group_missing",
    "assignment_unknown",
    "lease_lost",
    "receive_failed",
    "message_without_handle_or_permit",
    "telemetry_lost",
    "route_unknown",
];

/// The alarm of that name.
pub fn find(name: &str) -> Option<&'static Alarm> {
    ALARMS.iter().find(|alarm| alarm.name == name)
}

/// The alarms that an event of that name ends.
pub fn ended_by(name: &str) -> impl Iterator<Item = &'static Alarm> {
    ALARMS
        .iter()
        .filter(move |alarm| matches!(alarm.ends, With(end) if end == name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_name_stands_once_and_has_a_meaning() {
        let names: BTreeSet<&str> = ALARMS.iter().map(|alarm| alarm.name).collect();
        assert_eq!(names.len(), ALARMS.len());
        for alarm in ALARMS {
            assert!(!ONLY_LOGGED.contains(&alarm.name), "{}", alarm.name);
            assert!(alarm.meaning.len() > 20, "{}", alarm.name);
        }
    }

    #[test]
    fn an_end_is_found_by_its_event() {
        let ended: Vec<&str> = ended_by("record_store_up")
            .map(|alarm| alarm.name)
            .collect();
        assert_eq!(ended, ["record_store_down"]);
        assert_eq!(ended_by("notifier_started").count(), 0);
    }
}
