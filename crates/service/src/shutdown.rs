//! Stopping in two phases.
//!
//! *Soft*: take nothing new, finish what was begun, settle it. *Hard*: stop now; whatever is lost
//! comes back by itself, since nothing is held only here. Soft always comes before hard.

use std::future::Future;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// The process's shutdown token. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    soft: CancellationToken,
    hard: CancellationToken,
}

/// What besides signals ends a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdin {
    /// The end of standard input: the parent that held it open is gone.
    EndsIt,
    /// Nothing.
    Ignored,
}

impl Shutdown {
    /// A token that nobody has used yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the soft phase begins.
    pub fn soft(&self) -> CancellationToken {
        self.soft.clone()
    }

    /// Cancelled when the hard phase begins.
    pub fn hard(&self) -> CancellationToken {
        self.hard.clone()
    }

    /// Begins the soft phase.
    pub fn request(&self) {
        self.soft.cancel();
    }

    /// Begins the hard phase, and the soft one if it has not begun.
    pub fn force(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }

    /// Whether the soft phase has begun.
    pub fn is_requested(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Whether the hard phase has begun.
    pub fn is_forced(&self) -> bool {
        self.hard.is_cancelled()
    }

    /// Runs a future until it ends or the hard phase begins; then it is dropped.
    pub async fn unless_forced<F: Future>(&self, work: F) -> Option<F::Output> {
        self.hard.run_until_cancelled(work).await
    }

    /// Watches SIGINT, SIGTERM and, if told so, standard input. The first of them begins the soft
    /// phase; a second signal, or `grace` having passed, the hard one. The task that watches ends
    /// with the hard phase or with the runtime.
    pub fn watch(&self, stdin: Stdin, grace: Duration) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => tracing::info!(event = "shutdown", by = "SIGINT"),
                _ = terminate.recv() => tracing::info!(event = "shutdown", by = "SIGTERM"),
                () = stdin_end(stdin) => tracing::info!(event = "shutdown", by = "parent gone"),
                () = shutdown.soft.cancelled() => {}
            }
            shutdown.request();
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = tokio::time::sleep(grace) => {}
                () = shutdown.hard.cancelled() => {}
            }
            shutdown.force();
        });
        Ok(())
    }

    /// [`Shutdown::watch`] with standard input watched.
    pub fn watch_signals_and_stdin(self, grace: Duration) -> std::io::Result<()> {
        self.watch(Stdin::EndsIt, grace)
    }
}

/// Returns when standard input has ended; never, if it is ignored.
///
/// It is read on a thread of its own, not on the runtime's: a runtime that ends waits for its
/// threads, and this one may be blocked for as long as the parent lives.
async fn stdin_end(stdin: Stdin) {
    if stdin == Stdin::Ignored {
        return std::future::pending().await;
    }
    let (ended, end) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        // An unreadable input is as good as an ended one.
        if let Err(error) = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()) {
            tracing::debug!(event = "stdin_unreadable", %error);
        }
        drop(ended);
    });
    // Dropping the sender is the message.
    let _: Result<(), oneshot::error::RecvError> = end.await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hard_implies_soft_and_soft_does_not_imply_hard() {
        let shutdown = Shutdown::new();
        shutdown.request();
        assert!(shutdown.is_requested() && !shutdown.is_forced());
        let forced = Shutdown::new();
        forced.clone().force();
        assert!(forced.is_requested() && forced.is_forced());
    }

    #[tokio::test]
    async fn grace_turns_soft_into_hard() {
        let shutdown = Shutdown::new();
        let grace = Duration::from_millis(50);
        shutdown.watch(Stdin::Ignored, grace).unwrap();
        assert!(!shutdown.is_requested());
        let begun = tokio::time::Instant::now();
        shutdown.request();
        shutdown.hard().cancelled().await;
        assert!(begun.elapsed() >= grace);
    }

    #[tokio::test]
    async fn work_ends_with_the_hard_phase_only() {
        let shutdown = Shutdown::new();
        shutdown.request();
        assert_eq!(shutdown.unless_forced(async { 7 }).await, Some(7));
        shutdown.force();
        let forever = std::future::pending::<()>();
        assert_eq!(shutdown.unless_forced(forever).await, None);
    }
}
