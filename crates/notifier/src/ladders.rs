//! Which ladder a subscription's messages climb: the endpoint's own, or the group's retry policy
//! as the broker tells it.
//!
//! The policy's delays are the rungs. Its maximum of attempts is only a far safety net of the
//! broker's; where it is set lower than the delays reach, it cuts them off, because the broker
//! would move the message to the dead-letter topic by itself.

use std::sync::Arc;

use notification::Ladder;
use rocketmq::BackoffPolicy;
use tokio::sync::watch;

/// Where a subscription's ladder comes from; clones share it.
#[derive(Debug, Clone)]
pub(crate) enum Ladders {
    /// Configured.
    Own(Arc<Ladder>),
    /// As the broker says.
    Group(watch::Receiver<Option<BackoffPolicy>>),
}

impl Ladders {
    /// The endpoint's ladder, or whatever the group's policy is or becomes.
    pub(crate) fn new(
        own: Option<&Ladder>,
        policy: watch::Receiver<Option<BackoffPolicy>>,
    ) -> Self {
        match own {
            Some(ladder) => Self::Own(Arc::new(ladder.clone())),
            None => Self::Group(policy),
        }
    }

    /// Waits until there is a ladder to climb.
    pub(crate) async fn known(&self) {
        if let Self::Group(policy) = self {
            // An error means that the consumer is gone; then nothing is received either.
            let _gone = policy.clone().wait_for(Option::is_some).await.is_err();
        }
    }

    /// The ladder as it is now.
    pub(crate) fn current(&self) -> Arc<Ladder> {
        match self {
            Self::Own(ladder) => ladder.clone(),
            Self::Group(policy) => Arc::new(from_policy(policy.borrow().as_ref())),
        }
    }
}

/// A policy that names no delay means RocketMQ's own sixteen levels.
fn from_policy(policy: Option<&BackoffPolicy>) -> Ladder {
    let Some(policy) = policy else {
        return Ladder::default();
    };
    let redeliveries = usize::try_from(policy.max_attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let rungs = policy.delays.iter().copied().take(redeliveries).collect();
    Ladder::from_delays(rungs).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn policy(max_attempts: u32, seconds: &[u64]) -> BackoffPolicy {
        BackoffPolicy {
            max_attempts,
            delays: seconds.iter().copied().map(Duration::from_secs).collect(),
        }
    }

    #[test]
    fn the_endpoints_own_ladder_comes_before_the_groups() {
        let own: Ladder = "1s,2s".parse().unwrap();
        let (_teller, told) = watch::channel(Some(policy(1001, &[7])));
        assert_eq!(*Ladders::new(Some(&own), told.clone()).current(), own);
        let groups = Ladders::new(None, told).current();
        assert_eq!(groups.rungs(), [Duration::from_secs(7)]);
    }

    #[test]
    fn the_brokers_maximum_cuts_the_delays_off() {
        let ladder = from_policy(Some(&policy(3, &[1, 2, 3, 4])));
        assert_eq!(ladder.attempts(), 3);
        let far = from_policy(Some(&policy(1001, &[1, 2, 3, 4])));
        assert_eq!(far.attempts(), 5);
    }

    #[test]
    fn without_delays_there_are_rocketmqs_levels() {
        assert_eq!(from_policy(Some(&policy(17, &[]))), Ladder::default());
    }

    #[tokio::test]
    async fn nothing_is_rung_before_the_ladder_is_known() {
        let (teller, told) = watch::channel(None);
        let ladders = Ladders::new(None, told);
        let mut known = Box::pin(ladders.known());
        assert!(futures::poll!(&mut known).is_pending());
        teller.send(Some(policy(3, &[1, 2]))).unwrap();
        known.await;
        assert_eq!(ladders.current().attempts(), 3);
    }
}
