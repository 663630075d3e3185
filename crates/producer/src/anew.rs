//! One message sent anew: claimed, then half and commit at once, under a fresh message id.

use database::DatabaseError;
use notification::{Group, Outcome};
use rocketmq::{Error, ErrorKind};
use service::traces::Kind;
use tokio::time::{Instant, sleep_until};

use crate::due::{self, Claimed, Due};
use crate::initiator::Shared;
use crate::lost::{self, Lost};
use crate::sending;

/// When a loss is tried again whose sending was not seen to its end.
const AGAIN_AFTER_MS: i64 = 10 * 60 * 1000;

/// What became of a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    Done,
    /// Another relay has the row, or the feed has moved it.
    Gone,
    /// The row's own trouble: it waits for its next rung, and holds up no other.
    Refused,
    /// Whether the half message is stored is not known: the row has used its rung, lest it goes out
    /// with each pass; the others wait for the next one.
    Unanswered,
    /// Nothing was sent: the row gets its rung back.
    BrokerAway,
}

/// What is committed and was not accepted in time.
pub(crate) async fn committed(
    shared: &Shared,
    due: &Due,
    next_send_ms: i64,
) -> Result<Sending, DatabaseError> {
    sleep_until(shared.pace.slot(Instant::now())).await;
    let database = &shared.database;
    let taken = database.in_time(due::take(database, due, next_send_ms));
    if taken.await? == Claimed::Gone {
        return Ok(Sending::Gone);
    }
    let sent = send(shared, &due.tx_no, None).await?;
    match sent {
        Sending::BrokerAway => {
            let given_back = due::give_back(database, due, next_send_ms);
            database.in_time(given_back).await?;
        }
        Sending::Done => {
            let (tx_no, sends) = (&due.tx_no, due.sends + 1);
            tracing::info!(event = "relay_sent", tx_no, sends);
        }
        Sending::Gone | Sending::Refused | Sending::Unanswered => {}
    }
    Ok(sent)
}

/// What a subscription's queue has lost, for that subscription alone.
pub(crate) async fn lost(
    shared: &Shared,
    lost: &Lost,
    now_ms: i64,
) -> Result<Sending, DatabaseError> {
    let database = &shared.database;
    let claimed_ms = now_ms.saturating_add(AGAIN_AFTER_MS);
    let taken = database.in_time(lost::take(database, lost, claimed_ms));
    if taken.await? == Claimed::Gone {
        return Ok(Sending::Gone);
    }
    // The whole tells of those that must accept, and of no others.
    let counts = shared.config.accepted_by.contains(&lost.group);
    if counts && matches!(lost.outcome, Outcome::Delivered | Outcome::Cancelled) {
        let done = lost::done(database, lost, claimed_ms);
        return database.in_time(done).await.map(|()| Sending::Gone);
    }
    sleep_until(shared.pace.slot(Instant::now())).await;
    let resent = Some((lost.generation, lost.group.clone()));
    let sent = send(shared, &lost.tx_no, resent).await?;
    match sent {
        Sending::BrokerAway => {
            let given_back = lost::give_back(database, lost, claimed_ms);
            database.in_time(given_back).await?;
        }
        Sending::Done => {
            let done = lost::done(database, lost, claimed_ms);
            database.in_time(done).await?;
            let (tx_no, group, generation) = (&lost.tx_no, &lost.group, lost.generation);
            tracing::warn!(event = "lost_sent_anew", tx_no, %group, generation);
        }
        Sending::Gone | Sending::Refused | Sending::Unanswered => {}
    }
    Ok(sent)
}

/// Half and commit at once. `resent` names the generation and the one subscription that it is for.
async fn send(
    shared: &Shared,
    tx_no: &str,
    resent: Option<(u32, Group)>,
) -> Result<Sending, DatabaseError> {
    let database = &shared.database;
    let loaded = database.in_time(due::load(database, &shared.config.source, tx_no));
    let (notification, first) = loaded.await?;
    let (generation, for_group) = match resent {
        Some((generation, group)) => (generation, Some(group)),
        None => (first, None),
    };
    let message = shared.message_of(&notification, generation, for_group);
    let trace = sending::traced(notification.traceparent.as_deref());
    let mut span = trace.open("send_anew", Kind::Producer, || shared.clock.now_ms());
    span.note("ringback.tx_no", tx_no);
    span.note("ringback.generation", generation);
    let begun = shared.producer.begin(message).await;
    match &begun {
        Ok(_) => span.ended(|| shared.clock.now_ms()),
        Err(_) => span.failed("not sent", || shared.clock.now_ms()),
    }
    let half = match begun {
        Ok(half) => half,
        Err(error) => {
            let sending = not_begun(&error);
            if sending == Sending::Refused {
                tracing::warn!(event = "relay_refused", tx_no, %error);
            } else {
                tracing::info!(event = "relay_not_sent", tx_no, %error);
            }
            return Ok(sending);
        }
    };
    if let Err(error) = half.commit().await {
        // The check-back finds the committed row.
        tracing::info!(event = "end_unconfirmed", tx_no, %error);
    }
    Ok(Sending::Done)
}

/// What a half message's failure means for the pass.
fn not_begun(error: &Error) -> Sending {
    match error.kind() {
        // A connection that broke while the request was on its way leaves open what became of it.
        ErrorKind::Unreachable { .. } | ErrorKind::Timeout { .. } => {
            if error.may_have_been_stored() {
                Sending::Unanswered
            } else {
                Sending::BrokerAway
            }
        }
        // A topic that is gone or a broker that refuses this message says nothing about the others.
        _ => Sending::Refused,
    }
}
