//! Every metric of the notifier's: its name, kind, unit, labels, and what it says.
//!
//! Counting costs a message a few atomic additions: what is counted hangs at what does the work, an
//! endpoint's at its [`Line`](crate::directory::Line), a subscription's at its carrier, the record's at
//! the record. [`page`] gathers it when somebody asks, with the gauges as they are at that moment. There
//! is no registry and nothing global: several notifiers in one process count apart, and an endpoint
//! that is removed takes its series along. Labels are endpoints, groups, topics and words of ours,
//! never a `tx_no`, so that the number of series is bounded by the configuration.

mod line;
mod page;
mod spread;
mod store;
mod subscription;

pub(crate) use line::LineMeters;
pub(crate) use page::{Sources, Watched};
pub(crate) use spread::{Spread, Tally};
pub(crate) use store::RecordMeters;
pub(crate) use subscription::{Meters, Settled, Told};

service::metrics! {
    BUILD = "ringback_build", Gauge, ["version"],
        "Always 1, with the version that runs";
    STARTED = "ringback_started_timestamp_seconds", Gauge, [],
        "When this notifier started, Unix time";

    ATTEMPT = "ringback_attempt_seconds", Histogram, ["endpoint", "verdict"],
        "How long attempts took, from the name to the last byte of the answer";
    ATTEMPTS = "ringback_attempts_total", Counter, ["endpoint", "result"],
        "Attempts by what came of them: a class of status (2xx) or the failure's word (timeout)";
    DELIVERY_AGE = "ringback_delivery_age_seconds", Histogram, ["endpoint"],
        "How old notifications were when they were delivered, since the message was born";
    DELIVERY_ATTEMPTS = "ringback_delivery_attempts", Histogram, ["endpoint"],
        "Which attempt of its generation delivered a notification";
    LANE_WAITING = "ringback_lane_waiting", Gauge, ["endpoint"],
        "Messages in the endpoint's lane that wait for a turn";
    LANE_UNDER_WAY = "ringback_lane_under_way", Gauge, ["endpoint"],
        "Attempts under way";
    LANE_ASLEEP = "ringback_lane_asleep", Gauge, ["endpoint"],
        "Messages that this process parked for want of room and that are not due again yet";
    LANE_PAUSED = "ringback_lane_paused_seconds", Gauge, ["endpoint"],
        "How long the receiver still wants to be left alone (Retry-After)";
    BREAKER_OPEN = "ringback_breaker_open", Gauge, ["endpoint"],
        "1 while the endpoint is left alone but for probes, else 0";
    OPERATION = "ringback_endpoint_operation", Gauge, ["endpoint", "operation"],
        "1 for how the endpoint is operated: open, paused or disabled";

    RECEIVED = "ringback_received_total", Counter, ["group", "topic"],
        "Copies received from the broker";
    LAST_RECEIVED = "ringback_last_received_timestamp_seconds", Gauge, ["group", "topic"],
        "When the last copy was received, Unix time; absent before the first";
    PERMITS = "ringback_permits", Gauge, ["group", "topic"],
        "Messages that may be held at a time";
    PERMITS_IN_USE = "ringback_permits_in_use", Gauge, ["group", "topic"],
        "Messages that are held; at the limit, receiving stops";
    DECISIONS = "ringback_decisions_total", Counter, ["group", "topic", "decision"],
        "What was done with copies: ring, skip, rest, hold, finished, die and so on";
    PARKS = "ringback_parks_total", Counter, ["group", "topic", "reason"],
        "Copies put away without an attempt, by reason";
    SETTLEMENTS = "ringback_settlements_total", Counter, ["group", "topic", "kind", "result"],
        "What the broker was told (ack, next_rung, rest, forward) and whether it took it (ok, lease_lost, failed)";

    RECORD_UP = "ringback_record_up", Gauge, [],
        "1 while the record store answers, else 0";
    RECORD_WAITING = "ringback_record_waiting", Gauge, [],
        "Results that wait to be written";
    FLUSH = "ringback_flush_seconds", Histogram, [],
        "How long the record's transactions took that committed";
    FLUSH_RESULTS = "ringback_flush_results", Histogram, [],
        "Results in one transaction of the record's";
    FLUSH_FAILURES = "ringback_flush_failures_total", Counter, [],
        "Transactions of the record's that failed and were redone";
    OUTCOMES = "ringback_outcomes_total", Counter, ["kind"],
        "Lines written to the outcome feed by flushes";
    DEAD_LETTERS = "ringback_dead_letters_total", Counter, ["group", "class", "reason"],
        "Dead letters written: class receiver (their refusal) or pipeline (ours)";
    RESENDS = "ringback_resends_total", Counter, ["result"],
        "Messages of operators' resends sent to the broker (ok) or not (failed)";
}

#[cfg(test)]
mod tests;
