//! What the broker is told, once the record is durable.
//!
//! A delivery owns its lease: each function here consumes it. When the lease is lost nothing is
//! said, because the message comes back by itself and the record then says what to do. A failed
//! settlement is therefore never an error, only a copy more. The calls are boxed, so that a task
//! that waits in a lane is small.

use std::time::Duration;

use rocketmq::{Deferral, Delivery, SettleError};

use crate::alarm;
use crate::copy::Key;
use crate::metrics::{Meters, Settled, Told};
use crate::record::Record;

/// Less lease than this is renewed before a message is forwarded: a forward that outlives its
/// lease leaves the message in both places.
const LEASE_TO_FORWARD: Duration = Duration::from_secs(5);

/// Done with it.
pub(crate) async fn acknowledge(delivery: Delivery, key: &Key, meters: &Meters) {
    log(Told::Ack, key, Box::pin(delivery.ack()).await, meters);
}

/// An attempt was refused: back at the next rung. The broker's counter shows it.
pub(crate) async fn next_rung(delivery: Delivery, key: &Key, delay: Duration, meters: &Meters) {
    let (told, counted) = (Told::NextRung, Deferral::CountsAttempt);
    defer(told, counted, delivery, key, delay, meters).await;
}

/// Back after this long without an attempt having been made.
pub(crate) async fn rest(delivery: Delivery, key: &Key, delay: Duration, meters: &Meters) {
    let (told, suspended) = (Told::Rest, Deferral::Suspended);
    defer(told, suspended, delivery, key, delay, meters).await;
}

/// Back after this long without an attempt having been made, and as a delivery more by the broker's counter.
pub(crate) async fn rest_counted(delivery: Delivery, key: &Key, delay: Duration, meters: &Meters) {
    let (told, counted) = (Told::Rest, Deferral::CountsAttempt);
    defer(told, counted, delivery, key, delay, meters).await;
}

async fn defer(
    told: Told,
    deferral: Deferral,
    delivery: Delivery,
    key: &Key,
    delay: Duration,
    meters: &Meters,
) {
    let result = Box::pin(delivery.defer(delay, deferral)).await;
    log(told, key, result, meters);
}

/// Moves a dead message to the dead-letter topic and notes that in its letter.
pub(crate) async fn forward(
    mut delivery: Delivery,
    key: &Key,
    generation: u32,
    record: &Record,
    meters: &Meters,
) {
    if is_short(delivery.lease_left()) && Box::pin(delivery.renew()).await.is_err() {
        return;
    }
    let told = Box::pin(delivery.dead_letter()).await;
    meters.settled(Told::Forward, settled(&told));
    match told {
        Ok(()) => {
            if record.forwarded(key.clone(), generation).await.is_err() {
                tracing::debug!(event = "closed_before_forwarded_was_noted", %key, generation);
            }
        }
        Err(SettleError::LeaseLost) => tracing::debug!(event = "lease_lost", %key),
        Err(SettleError::Failed(error)) => alarm::forward_failed(key, generation, &error),
    }
}

/// Whether a lease may not outlive a forward.
fn is_short(left: Duration) -> bool {
    left < LEASE_TO_FORWARD
}

fn settled(result: &Result<(), SettleError>) -> Settled {
    match result {
        Ok(()) => Settled::Ok,
        Err(SettleError::LeaseLost) => Settled::LeaseLost,
        Err(SettleError::Failed(_)) => Settled::Failed,
    }
}

fn log(told: Told, key: &Key, result: Result<(), SettleError>, meters: &Meters) {
    meters.settled(told, settled(&result));
    let what = told.as_str();
    match result {
        Ok(()) => {}
        Err(SettleError::LeaseLost) => tracing::debug!(event = "lease_lost", what, %key),
        Err(SettleError::Failed(error)) => {
            tracing::info!(event = "settlement_failed", what, %key, %error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_of_a_few_seconds_is_renewed_before_a_forward() {
        for left in 0..=4 {
            assert!(is_short(Duration::from_secs(left)), "{left} s");
        }
        assert!(!is_short(Duration::from_secs(5)));
        assert!(!is_short(Duration::from_secs(9)));
    }
}
