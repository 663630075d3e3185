//! Which ladder a message climbs: its endpoint's own, or its group's retry policy as the broker
//! tells it.
//!
//! The policy's delays are the rungs. Its maximum of attempts is only a far safety net of the
//! broker's; where it is set lower than the delays reach, it cuts them off, because the broker
//! would move the message to the dead-letter topic by itself.

use std::sync::Arc;

use notification::Ladder;
use rocketmq::BackoffPolicy;
use tokio::sync::watch;

/// The policy of a subscription's group; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Ladders(watch::Receiver<Option<BackoffPolicy>>);

impl Ladders {
    /// What the broker tells of the group.
    pub(crate) fn new(policy: watch::Receiver<Option<BackoffPolicy>>) -> Self {
        Self(policy)
    }

    /// Waits until the group's policy is known.
    pub(crate) async fn known(&self) {
        // An error means that the consumer is gone; then nothing is received either.
        let _gone = self.0.clone().wait_for(Option::is_some).await.is_err();
    }

    /// The endpoint's own ladder, else the group's as it is now.
    pub(crate) fn of(&self, own: Option<&Arc<Ladder>>) -> Arc<Ladder> {
        match own {
            Some(ladder) => ladder.clone(),
            None => Arc::new(from_policy(self.0.borrow().as_ref())),
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
        let own: Arc<Ladder> = Arc::new("1s,2s".parse().unwrap());
        let (_teller, told) = watch::channel(Some(policy(1001, &[7])));
        let ladders = Ladders::new(told);
        assert_eq!(ladders.of(Some(&own)), own);
        assert_eq!(ladders.of(None).rungs(), [Duration::from_secs(7)]);
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
        let ladders = Ladders::new(told);
        let mut known = Box::pin(ladders.known());
        assert!(futures::poll!(&mut known).is_pending());
        teller.send(Some(policy(3, &[1, 2]))).unwrap();
        known.await;
        assert_eq!(ladders.of(None).attempts(), 3);
    }
}
