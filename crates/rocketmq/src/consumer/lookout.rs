//! Whether a consumer is ahead of its queues: when each broker last had less than was asked for.
//!
//! A broker that gives fewer messages than a poll has room for had no more that were visible. Whoever
//! wonders why something has not come can thereby tell "it is behind others" from "it is not there".

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What a consumer's polls found last; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Lookout(Arc<Mutex<HashMap<String, Option<Instant>>>>);

impl Lookout {
    /// Whether every broker that is polled now has, within this span, given all that was visible. False
    /// also while no broker is known.
    #[must_use]
    pub fn drained_within(&self, span: Duration) -> bool {
        let polled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let drained = |at: &Option<Instant>| at.is_some_and(|at| at.elapsed() <= span);
        !polled.is_empty() && polled.values().all(drained)
    }

    /// These are polled from now on, and no others.
    pub(super) fn watch<'a>(&self, names: impl Iterator<Item = &'a String>) {
        let mut polled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let names: HashMap<String, Option<Instant>> = names
            .map(|name| (name.clone(), polled.get(name).copied().flatten()))
            .collect();
        *polled = names;
    }

    /// A poll of this one had room left.
    pub(super) fn drained(&self, name: &str) {
        let mut polled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = polled.get_mut(name) {
            *at = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn it_is_ahead_only_while_every_broker_has_lately_had_no_more() {
        let lookout = Lookout::default();
        assert!(!lookout.drained_within(MINUTE), "nobody is polled");
        let (a, b) = ("a/-1".to_owned(), "b/-1".to_owned());
        lookout.watch([&a, &b].into_iter());
        lookout.drained(&a);
        assert!(!lookout.drained_within(MINUTE), "b has said nothing");
        lookout.drained(&b);
        assert!(lookout.drained_within(MINUTE));
        tokio::time::advance(MINUTE + Duration::from_secs(1)).await;
        lookout.drained(&a);
        assert!(
            !lookout.drained_within(MINUTE),
            "b has been full, or silent"
        );
        lookout.watch([&a].into_iter());
        assert!(lookout.drained_within(MINUTE), "b is polled no more");
        lookout.drained(&b);
        lookout.watch([&a, &b].into_iter());
        assert!(!lookout.drained_within(MINUTE), "who is new has to say so");
    }
}
