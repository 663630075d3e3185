//! Every metric of the initiator's: its name, kind, unit, labels, and what it says.
//!
//! Counting costs a sending a few atomic additions. What is counted hangs at the initiator; its page asks nobody: how much
//! is outgoing is looked up beside the relay's passes, and the page shows what was found last.

mod backlog;
mod meters;
mod page;
#[cfg(test)]
mod tests;

pub(crate) use backlog::keep;
pub(crate) use meters::Meters;
pub use page::metrics_routes;

service::metrics! {
    BUILD = "ringback_initiator_build", Gauge, ["version"],
        "Always 1, with the version that runs";
    SENDINGS = "ringback_initiator_sendings_total", Counter, ["outcome"],
        "Calls to send in a transaction by what their callers were told: committed, already, unknown, refused, unavailable and so on";
    COMMIT = "ringback_initiator_commit_seconds", Histogram, [],
        "From the call to the COMMIT that the database confirmed";
    HALVES = "ringback_initiator_halves_total", Counter, ["result"],
        "Half messages of sendings: held by the broker (ok) or not (failed)";
    ENDS = "ringback_initiator_ends_total", Counter, ["result"],
        "Ends of half messages: confirmed by the broker (ok) or not (failed), which its check-back mends";
    CHECK_BACKS = "ringback_initiator_check_backs_total", Counter, ["resolution"],
        "Check-backs by what the broker was told: commit, rollback or unknown; failed if nothing could be found out";
    RELAYED = "ringback_initiator_relayed_total", Counter, ["kind"],
        "What the relay did: sent anew because it was not accepted in time (late) or was lost by a queue (lost), or given up";
    WAITING = "ringback_initiator_outgoing_waiting", Gauge, [],
        "Committed notifications that the notifier has not accepted yet, counted up to 100000; absent before the first look";
    RELAY_LAG = "ringback_initiator_relay_lag_seconds", Gauge, [],
        "How long the longest due one of them has waited for the relay, 0 if none is due";
    FEED_READ = "ringback_initiator_feed_read_timestamp_seconds", Gauge, [],
        "When the notifier's outcome feed was last read to its end, Unix time; absent before that";
}
