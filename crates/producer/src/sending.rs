//! One sending: half message, local transaction, end.
//!
//! It runs in a task of its own, so that a caller that goes away cancels nothing. Whatever ends the
//! task early (a panic, the process's death) sends nothing to the broker: the check-back then reads
//! what the database says. An end that fails is no error either, for the same reason.

use notification::{BusinessState, Notification, TraceParent, TxNo};
use rocketmq::Half;
use service::traces::{Kind, Trace};
use tokio::time::Instant;

use crate::answer::{Business, SendError, SendOutcome, Took};
use crate::initiator::Shared;
use crate::local::{self, Local, Why};
use crate::outgoing;
use crate::steps::Step;

/// Sends one notification together with its business change.
pub(crate) async fn run(
    shared: &Shared,
    notification: &Notification,
    business: Business,
) -> Result<SendOutcome, SendError> {
    let tx_no = notification.tx_no;
    shared.steps.reached(Step::BeforeHalf, &tx_no).await;
    let started = Instant::now();
    let deadline = started + shared.config.transaction_deadline;
    let last_word = started + shared.config.check_back_after;
    let trace = traced(notification.traceparent.as_deref());
    let begun = shared.producer.begin(shared.message(notification));
    let unavailable = |begun: &Result<_, _>| begun.is_err().then_some("unavailable");
    let begun = trace
        .around(("half", Kind::Producer), &shared.clock, begun, unavailable)
        .await;
    shared.meters.half(&begun);
    let half = begun.map_err(SendError::Unavailable)?;
    let held = Instant::now();

    let local = local::transact(shared, notification, business, deadline, last_word);
    let local = trace.around(
        ("local_transaction", Kind::Internal),
        &shared.clock,
        Box::pin(local),
        Local::failure,
    );
    match local.await {
        Local::Committed { debited, committed } => {
            shared.steps.reached(Step::AfterCommit, &tx_no).await;
            let ended = end(shared, half, End::Commit, &tx_no, trace).await;
            shared.steps.reached(Step::AfterEnd, &tx_no).await;
            Ok(SendOutcome::Committed {
                took: Took {
                    half: held - started,
                    debited: debited - started,
                    committed: committed - started,
                    ended: ended.map(|at| at - started),
                },
            })
        }
        Local::RolledBack(why) => {
            end(shared, half, End::Rollback, &tx_no, trace).await;
            explain(shared, notification, why).await
        }
        // Here `half` is dropped, which sends nothing: the check-back decides.
        Local::Abandoned(why) => explain(shared, notification, why).await,
        Local::Unknown => Ok(SendOutcome::Unknown),
    }
}

enum End {
    Commit,
    Rollback,
}

/// The trace that a notification belongs to, if its spans are wanted.
pub(crate) fn traced(traceparent: Option<&str>) -> Trace {
    Trace::of(|| TraceParent::parse(traceparent?)?.wanted())
}

/// Tells the broker; says when it confirmed, if it did.
async fn end(shared: &Shared, half: Half, end: End, tx_no: &TxNo, trace: Trace) -> Option<Instant> {
    let name = match end {
        End::Commit => "commit",
        End::Rollback => "rollback",
    };
    let telling = async {
        match end {
            End::Commit => half.commit().await,
            End::Rollback => half.rollback().await,
        }
    };
    let unconfirmed = |told: &Result<_, _>| told.is_err().then_some("unconfirmed");
    let telling = trace.around((name, Kind::Client), &shared.clock, telling, unconfirmed);
    let told = telling.await;
    shared.meters.end(&told);
    match told {
        Ok(()) => Some(Instant::now()),
        Err(error) => {
            tracing::info!(event = "end_unconfirmed", %tx_no, %error);
            None
        }
    }
}

/// What the caller is told of a transaction that didn't commit.
async fn explain(
    shared: &Shared,
    notification: &Notification,
    why: Why,
) -> Result<SendOutcome, SendError> {
    match why {
        Why::Duplicate => earlier(shared, notification).await,
        Why::NotBegun(reason) => Err(SendError::NotBegun(reason)),
        Why::Refused(reason) => Err(SendError::Refused(reason)),
        Why::Database(error) => Err(SendError::Database(error)),
        Why::DeadlinePassed => Err(SendError::DeadlinePassed(
            shared.config.transaction_deadline,
        )),
    }
}

/// What became of this `tx_no` before, read on a fresh connection: the snapshot of the transaction
/// that met the duplicate need not show it.
async fn earlier(shared: &Shared, notification: &Notification) -> Result<SendOutcome, SendError> {
    let tx_no = notification.tx_no;
    let read = shared
        .database
        .in_time(async { outgoing::standing(&mut *shared.database.read().await?, &tx_no).await });
    let Some(standing) = read
        .await
        .map_err(|error| SendError::NotBegun(error.into()))?
    else {
        // Rows are never deleted; whoever restored an old database meanwhile must ask again.
        return Ok(SendOutcome::Unknown);
    };
    match standing.state {
        BusinessState::RolledBack => Err(SendError::RolledBack(tx_no)),
        _ if standing.request_hash != notification.request_hash() => {
            Err(SendError::OtherRequest(tx_no))
        }
        state => Ok(SendOutcome::Already {
            state,
            outcome: standing.outcome,
        }),
    }
}
