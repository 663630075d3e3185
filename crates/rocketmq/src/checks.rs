//! Check-backs: the broker asks what became of a half message, the caller's checker answers.
//!
//! Each check runs in a task of its own, so that a slow one holds up neither the others nor the
//! telemetry stream, and a panic in one answers nothing. How many run at once is bounded; one
//! beyond that is dropped, counted and logged: the broker asks again. The answer goes to the
//! endpoint that asked, for only that one has the record that ends the transaction.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use rocketmq_wire::{limits, properties, resource, v2};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::address::Address;
use crate::body;
use crate::call::{Caller, check};
use crate::error::Error;
use crate::transaction::{OrphanedHalf, Resolution, TransactionChecker};

/// Who asked for the end of a transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source {
    /// The sender of the half message.
    Client,
    /// A check-back.
    Check,
}

/// Runs check-backs.
pub(crate) struct Checks {
    checker: Arc<dyn TransactionChecker>,
    slots: Arc<Semaphore>,
    running: TaskTracker,
    dropped: AtomicU64,
}

impl std::fmt::Debug for Checks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checks")
            .field("running", &self.running.len())
            .finish_non_exhaustive()
    }
}

impl Checks {
    pub(crate) fn new(checker: Arc<dyn TransactionChecker>, in_flight: usize) -> Self {
        Self {
            checker,
            slots: Arc::new(Semaphore::new(in_flight)),
            running: TaskTracker::new(),
            dropped: AtomicU64::new(0),
        }
    }

    /// Begins to answer one check-back.
    pub(crate) fn answer(
        checks: &Arc<Self>,
        caller: &Caller,
        asked_by: &Address,
        command: v2::RecoverOrphanedTransactionCommand,
    ) {
        let Ok(slot) = Arc::clone(&checks.slots).try_acquire_owned() else {
            let dropped = checks.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            if dropped.is_power_of_two() {
                tracing::warn!(
                    event = "check_back_dropped",
                    dropped,
                    "too many are in flight; the broker asks again"
                );
            }
            return;
        };
        let Some(half) = orphaned(command) else {
            tracing::warn!(event = "check_back_unreadable", address = %asked_by);
            return;
        };
        let (checks, caller, address) = (Arc::clone(checks), caller.clone(), asked_by.clone());
        checks.running.clone().spawn(async move {
            checks.resolve(&caller, &address, &half).await;
            drop(slot);
        });
    }

    async fn resolve(&self, caller: &Caller, address: &Address, half: &OrphanedHalf) {
        // An answer after the proxy's own memory of the check is worth nothing.
        let checking = AssertUnwindSafe(async { self.checker.check(half).await }).catch_unwind();
        let (message_id, checks) = (half.message_id.as_str(), half.checks);
        let resolution = match tokio::time::timeout(limits::TRANSACTION_RECORD, checking).await {
            Ok(Ok(resolution)) => resolution,
            Ok(Err(_panic)) => {
                tracing::error!(
                    event = "check_panicked",
                    message_id,
                    checks,
                    "nothing is answered"
                );
                return;
            }
            Err(_elapsed) => {
                tracing::warn!(
                    event = "check_too_slow",
                    message_id,
                    checks,
                    "nothing is answered"
                );
                return;
            }
        };
        let wire = match resolution {
            Resolution::Commit => v2::TransactionResolution::Commit,
            Resolution::Rollback => v2::TransactionResolution::Rollback,
            Resolution::Unknown => {
                tracing::debug!(
                    event = "check_unknown",
                    message_id,
                    checks,
                    "nothing is answered"
                );
                return;
            }
        };
        let transaction = Transaction {
            topic: &half.topic,
            message_id,
            transaction_id: &half.transaction_id,
        };
        match transaction.end(caller, address, wire, Source::Check).await {
            Ok(()) => tracing::info!(event = "check_answered", message_id, checks, ?resolution),
            Err(error) => {
                tracing::warn!(event = "check_answer_failed", message_id, checks, %error, "the broker asks again")
            }
        }
    }

    /// Waits until running checks have ended, at most for `patience`; no new ones may be begun.
    pub(crate) async fn finish(&self, patience: Duration) {
        self.slots.close();
        self.running.close();
        if tokio::time::timeout(patience, self.running.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                event = "check_left_running",
                running = self.running.len(),
                "each ends by its own deadline"
            );
        }
    }
}

/// A transaction as EndTransaction names it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transaction<'a> {
    pub(crate) topic: &'a str,
    pub(crate) message_id: &'a str,
    pub(crate) transaction_id: &'a str,
}

impl Transaction<'_> {
    /// Ends the transaction at the endpoint that has its record.
    pub(crate) async fn end(
        self,
        caller: &Caller,
        address: &Address,
        resolution: v2::TransactionResolution,
        source: Source,
    ) -> Result<(), Error> {
        const OPERATION: &str = "end transaction";
        let source = match source {
            Source::Client => v2::TransactionSource::SourceClient,
            Source::Check => v2::TransactionSource::SourceServerCheck,
        };
        let request = v2::EndTransactionRequest {
            topic: Some(resource(self.topic)),
            message_id: self.message_id.to_owned(),
            transaction_id: self.transaction_id.to_owned(),
            resolution: resolution.into(),
            source: source.into(),
            trace_context: String::new(),
        };
        let reply = caller
            .call(
                OPERATION,
                address,
                caller.timeout(),
                request,
                |mut service, request| async move { service.end_transaction(request).await },
            )
            .await?;
        check(OPERATION, reply.status.as_ref())
    }
}

/// The half message in a check-back; `None` when it lacks what an answer needs.
fn orphaned(command: v2::RecoverOrphanedTransactionCommand) -> Option<OrphanedHalf> {
    let message = command.message?;
    let system = message.system_properties?;
    let properties = message.user_properties;
    let (body, body_error) = body::unpack(message.body, system.body_encoding);
    if let Some(reason) = body_error {
        // The transaction's fate does not hang on the body.
        tracing::warn!(
            event = "check_back_body_unreadable",
            message_id = system.message_id,
            reason
        );
    }
    Some(OrphanedHalf {
        topic: message.topic?.name,
        message_id: system.message_id,
        transaction_id: command.transaction_id,
        tag: system.tag,
        keys: system.keys,
        body,
        checks: properties
            .get(properties::CHECK_TIMES)
            .and_then(|times| times.parse().ok())
            .unwrap_or(1),
        properties,
    })
}
