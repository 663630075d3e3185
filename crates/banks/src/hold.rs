//! Barriers for the demo and the chaos tests: a process waits at a named step until it is released.
//!
//! A test that kills a bank "after the half message" must know that the bank *is* after the half message. So it
//! arms a step, starts a transfer, sees the step listed as held, and only then kills or releases. What waits is
//! whatever reached the step, in this process; nothing here outlives the process, and a request that is dropped
//! while it waits is no longer listed.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use notification::{Invalid, TxNo};
use tokio::sync::watch;

/// The barriers of one bank.
#[derive(Debug)]
pub struct Holds {
    steps: &'static [&'static str],
    state: Mutex<State>,
    releases: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    armed: Vec<(&'static str, Option<TxNo>)>,
    held: BTreeMap<u64, (&'static str, TxNo)>,
    next: u64,
}

impl Holds {
    /// Barriers at any of `steps`, none of them armed.
    pub fn at(steps: &'static [&'static str]) -> Self {
        Self {
            steps,
            state: Mutex::default(),
            releases: watch::Sender::new(0),
        }
    }

    /// From now on whoever reaches `step` (with this `tx_no`, if one is given) waits.
    pub fn arm(&self, step: &str, tx_no: Option<TxNo>) -> Result<(), Invalid> {
        let Some(step) = self.steps.iter().find(|known| **known == step) else {
            return Err(Invalid::new(
                "step",
                step,
                format!("one of {}", self.steps.join(", ")),
            ));
        };
        self.state().armed.push((step, tx_no));
        Ok(())
    }

    /// Waits here if the step is armed, until [`Holds::release`].
    pub async fn reached(&self, step: &'static str, tx_no: TxNo) {
        // Subscribed before the listing: whoever releases what is listed reaches this waiter.
        let mut releases = self.releases.subscribe();
        let Some(_listed) = self.list_if_armed(step, tx_no) else {
            return;
        };
        tracing::info!(event = "held", step, %tx_no);
        // The sender lives in `self`, so the channel can't close while this borrows it.
        if releases.changed().await.is_ok() {
            tracing::info!(event = "released", step, %tx_no);
        }
    }

    /// Who waits, and where.
    pub fn held(&self) -> Vec<(&'static str, TxNo)> {
        self.state().held.values().copied().collect()
    }

    /// Lets go everybody who waits, and disarms every step.
    pub fn release(&self) {
        self.state().armed.clear();
        self.releases.send_modify(|count| *count += 1);
    }

    fn list_if_armed(&self, step: &'static str, tx_no: TxNo) -> Option<Listed<'_>> {
        let mut state = self.state();
        let armed = |(at, which): &(&str, Option<TxNo>)| {
            *at == step && which.is_none_or(|which| which == tx_no)
        };
        if !state.armed.iter().any(armed) {
            return None;
        }
        let key = state.next;
        state.next += 1;
        state.held.insert(key, (step, tx_no));
        Some(Listed { holds: self, key })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is one plain insertion or removal: a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An entry in the list of the held; gone when its waiter goes on or is dropped.
struct Listed<'a> {
    holds: &'a Holds,
    key: u64,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.holds.state().held.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    const STEPS: &[&str] = &["before", "after"];

    fn tx_no(n: u8) -> TxNo {
        TxNo::from_parts(1_700_000_000_000, [n; 10])
    }

    async fn until_held(holds: &Holds, count: usize) {
        let waited = async {
            while holds.held().len() != count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), waited)
            .await
            .expect("the step was reached");
    }

    #[tokio::test]
    async fn an_unarmed_step_holds_nobody() {
        let holds = Holds::at(STEPS);
        holds.arm("after", None).unwrap();
        holds.reached("before", tx_no(1)).await;
        assert!(holds.held().is_empty());
    }

    #[tokio::test]
    async fn an_armed_step_holds_until_released_and_is_then_open() {
        let holds = Arc::new(Holds::at(STEPS));
        holds.arm("before", None).unwrap();
        let waiting = tokio::spawn({
            let holds = holds.clone();
            async move { holds.reached("before", tx_no(1)).await }
        });
        until_held(&holds, 1).await;
        assert_eq!(holds.held(), [("before", tx_no(1))]);
        holds.release();
        waiting.await.unwrap();
        holds.reached("before", tx_no(2)).await;
    }

    #[tokio::test]
    async fn a_barrier_for_one_transaction_lets_the_others_pass() {
        let holds = Holds::at(STEPS);
        holds.arm("before", Some(tx_no(1))).unwrap();
        holds.reached("before", tx_no(2)).await;
    }

    #[tokio::test]
    async fn a_waiter_that_is_dropped_is_no_longer_listed() {
        let holds = Arc::new(Holds::at(STEPS));
        holds.arm("after", None).unwrap();
        let waiting = tokio::spawn({
            let holds = holds.clone();
            async move { holds.reached("after", tx_no(1)).await }
        });
        until_held(&holds, 1).await;
        waiting.abort();
        until_held(&holds, 0).await;
    }

    #[test]
    fn an_unknown_step_is_refused_with_the_known_ones() {
        let error = Holds::at(STEPS).arm("later", None).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"step: "later" is refused: one of before, after"#
        );
    }
}
