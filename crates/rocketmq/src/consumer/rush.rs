//! Whether a broker has more than its polls bring: then more of them poll.
//!
//! A server makes its leases durable before it hands messages out, so a poll takes as long as a disk takes
//! to be synced and brings 32 messages at most. Polls side by side share that; when there is little to
//! receive they would only hold permits.

use std::sync::Arc;

use tokio::sync::watch;

/// What an assignment's polls found last; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Rush(Arc<watch::Sender<bool>>);

impl Rush {
    pub(super) fn none() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// A poll brought all that it had room for, or less.
    pub(super) fn found(&self, full: bool) {
        self.0.send_if_modified(|rush| {
            let changed = *rush != full;
            *rush = full;
            changed
        });
    }

    /// Waits until a poll is full.
    pub(super) async fn is_on(&self) {
        let mut rush = self.0.subscribe();
        // It fails only when the sender is gone, which `self` holds.
        let _held = rush.wait_for(|rush| *rush).await.is_err();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn it_is_on_from_a_full_poll_to_the_next_that_is_not() {
        let rush = Rush::none();
        let clone = rush.clone();
        let is_on = || clone.is_on().now_or_never().is_some();
        assert!(!is_on());
        rush.found(true);
        assert!(is_on());
        rush.found(false);
        assert!(!is_on());
    }
}
