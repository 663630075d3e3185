//! `Steps` that a test closes and opens, and by which it loses a COMMIT.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use notification::TxNo;
use producer::{CommitFate, Step, Steps};
use tokio::sync::watch;
use tokio::time::timeout;

/// Every step is open until a test closes it.
pub(crate) struct Barrier {
    gates: Mutex<HashMap<Step, Gate>>,
    fate: CommitFate,
}

impl Barrier {
    pub(crate) fn open() -> Arc<Barrier> {
        Barrier::with_fate(CommitFate::Heard)
    }

    pub(crate) fn with_fate(fate: CommitFate) -> Arc<Barrier> {
        Arc::new(Barrier {
            gates: Mutex::default(),
            fate,
        })
    }

    /// Holds whatever reaches `step` from now on.
    pub(crate) fn close(&self, step: Step) -> Gate {
        let gate = Gate {
            arrived: watch::Sender::new(0),
            open: watch::Sender::new(false),
        };
        self.gates
            .lock()
            .expect("no test panics in here")
            .insert(step, gate.clone());
        gate
    }
}

impl Steps for Barrier {
    fn reached<'a>(&'a self, step: Step, _tx_no: &'a TxNo) -> BoxFuture<'a, ()> {
        let gate = self
            .gates
            .lock()
            .expect("no test panics in here")
            .get(&step)
            .cloned();
        Box::pin(async move {
            if let Some(gate) = gate {
                gate.pass().await;
            }
        })
    }

    fn commit_fate(&self, _tx_no: &TxNo) -> CommitFate {
        self.fate
    }
}

/// A closed step.
#[derive(Clone)]
pub(crate) struct Gate {
    arrived: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Gate {
    /// Waits until so many sendings stand here.
    pub(crate) async fn arrived(&self, count: usize) {
        let mut arrived = self.arrived.subscribe();
        timeout(
            Duration::from_secs(60),
            arrived.wait_for(|now| *now >= count),
        )
        .await
        .expect("the step is reached in time")
        .expect("the gate lives");
    }

    /// Lets everyone go on, now and later.
    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    async fn pass(&self) {
        self.arrived.send_modify(|count| *count += 1);
        let mut open = self.open.subscribe();
        open.wait_for(|open| *open).await.expect("the gate lives");
    }
}
