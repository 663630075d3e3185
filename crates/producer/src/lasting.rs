//! Keeps the initiator's background work alive: a panic ends one run of it, not the work.
//!
//! A relay that has silently ended would break "committed implies visible", and nobody would know.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// The time from a panic to the next run.
pub(crate) const PAUSE: Duration = Duration::from_secs(5);

/// Runs `work` until it returns by itself, which it does at `stop`. Each panic is the alarm
/// `worker_died`, and begins it anew after `pause`.
pub(crate) async fn lasting<F: Future<Output = ()>>(
    worker: &str,
    pause: Duration,
    stop: &CancellationToken,
    mut work: impl FnMut() -> F,
) {
    // What the runs share are a database, atomics, and a pace that survives its lock's poisoning.
    while let Err(panic) = AssertUnwindSafe(async { work().await })
        .catch_unwind()
        .await
    {
        let why = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("a panic without words");
        tracing::error!(event = "worker_died", worker, why);
        if stop.run_until_cancelled(sleep(pause)).await.is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_begins_the_work_anew() {
        let mut runs = 0;
        lasting("tester", Duration::ZERO, &CancellationToken::new(), || {
            runs += 1;
            let run = runs;
            async move { assert!(run == 3, "run {run} has a bug") }
        })
        .await;
        assert_eq!(runs, 3);
    }

    #[tokio::test]
    async fn it_is_not_begun_anew_after_the_stop() {
        let stop = CancellationToken::new();
        stop.cancel();
        let mut runs = 0;
        lasting("tester", PAUSE, &stop, || {
            runs += 1;
            async { panic!("a bug") }
        })
        .await;
        assert_eq!(runs, 1);
    }
}
