//! bank1's simulated exceptions and barriers, hooked into the named steps of a sending.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notification::TxNo;
use producer::{Step, Steps};

use crate::hold::Holds;
use crate::simulated::{Simulated, die};

/// The steps at which bank1 can be held.
const STEPS: &[&str] = &[
    "before_half",
    "after_half",
    "after_insert",
    "before_commit",
    "after_commit",
    "after_end",
];

/// Barriers, and which running transfers are to die at a step.
#[derive(Debug)]
pub(crate) struct Simulation {
    pub(crate) holds: Arc<Holds>,
    doomed: Mutex<HashMap<TxNo, Step>>,
}

impl Simulation {
    pub(crate) fn new() -> Self {
        Self {
            holds: Arc::new(Holds::at(STEPS)),
            doomed: Mutex::default(),
        }
    }

    /// Notes at which step the process dies for this transfer, if it does.
    pub(crate) fn doom(&self, tx_no: TxNo, simulated: Option<Simulated>) {
        let step = match simulated {
            Some(Simulated::Bank1DiesAfterHalf) => Step::AfterHalf,
            Some(Simulated::Bank1DiesAfterCommit) => Step::AfterCommit,
            _ => return,
        };
        self.doomed().insert(tx_no, step);
    }

    /// Forgets a transfer that ended without dying: its half message was not taken, or its debit refused.
    pub(crate) fn spare(&self, tx_no: &TxNo) {
        self.doomed().remove(tx_no);
    }

    fn doomed(&self) -> MutexGuard<'_, HashMap<TxNo, Step>> {
        // Every change is one insertion or removal: a panic elsewhere leaves the map whole.
        self.doomed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Steps for Simulation {
    fn reached<'a>(
        &'a self,
        step: Step,
        tx_no: &'a TxNo,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            self.holds.reached(step.as_str(), *tx_no).await;
            let dies = self.doomed().get(tx_no) == Some(&step);
            if dies {
                die();
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_of_a_sending_can_be_held() {
        assert_eq!(STEPS, Step::ALL.map(Step::as_str));
    }
}
