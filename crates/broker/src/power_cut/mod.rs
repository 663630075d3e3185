//! The lights go out in the middle of a write, 200 times over: what was answered must hold.
//!
//! [`storage`] is a disk that keeps apart what was written and what was synced, and loses the
//! unsynced part at a chosen write: all of it, or all but a random part, torn. [`load`] keeps the
//! writer busy until then and notes what it was told. [`account`] opens the store again and goes
//! through the notes.

mod account;
mod load;
mod storage;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::catalog::{Catalog, Policy};
use crate::clock::Clock;
use crate::store::Store;
use crate::writer::half::HalfRules;
use crate::writer::op::{Op, Orphan};
use crate::writer::queue::Queue;
use crate::writer::thread::{Rules, Writer};
use crate::{StoreError, TopicKind};
use storage::{Disk, Survives};

const NORMAL: &str = "normal";
const TRANSACTIONAL: &str = "transactional";
const GROUP: &str = "group";
/// Every lease and every check-back is due after this.
const LONG_MS: u64 = 3_600_000;
/// Writes of a load until the cut, at most.
const WRITES: usize = 400;

/// How far something came that was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Asked {
    #[default]
    No,
    /// The answer never came: it may have happened.
    Unanswered,
    /// It was answered: it must hold.
    Done,
}

/// What is known of one message.
#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    sent: Asked,
    held: Asked,
    committed: Asked,
    rolled_back: Asked,
    acked: Asked,
    buried: Asked,
    /// The number of its last delivery that arrived; 0: none did.
    handed: u32,
}

type Notes = HashMap<String, Fate>;

/// A writer on a disk.
struct Running {
    queue: Queue,
    thread: std::thread::JoinHandle<()>,
    orphans: mpsc::Receiver<Orphan>,
    catalog: Arc<Catalog>,
    failure: watch::Receiver<Option<StoreError>>,
}

impl Running {
    fn start(disk: &Disk, clock: &Clock) -> Self {
        let store = Arc::new(Store::open(disk.clone(), 8 << 20, None).unwrap());
        let halves = HalfRules {
            check_interval_ms: LONG_MS,
            check_max: 15,
            record_ms: 10 * LONG_MS,
        };
        let rules = Rules {
            halves,
            retention_ms: 100 * LONG_MS,
        };
        let catalog = Arc::new(Catalog::default());
        let (orphans_in, orphans) = mpsc::channel(10_000);
        let (failure_in, failure) = watch::channel(None);
        let (queue, thread) = Writer::spawn(
            store,
            Arc::clone(&catalog),
            clock.clone(),
            rules,
            orphans_in,
            Arc::default(),
            failure_in,
        )
        .unwrap();
        Self {
            queue,
            thread,
            orphans,
            catalog,
            failure,
        }
    }

    async fn create(&self) {
        for (name, kind) in [
            (NORMAL, TopicKind::Normal),
            (TRANSACTIONAL, TopicKind::Transaction),
        ] {
            let name = name.to_owned();
            self.queue
                .ask(|reply| Op::CreateTopic { name, kind, reply })
                .await
                .unwrap();
        }
        let (name, policy) = (GROUP.to_owned(), Policy::new(10_000, &[]));
        self.queue
            .ask(|reply| Op::CreateGroup {
                name,
                policy,
                reply,
            })
            .await
            .unwrap();
    }

    fn topic(&self, name: &str) -> Option<u32> {
        self.catalog.topic(name).map(|topic| topic.id)
    }

    fn stop(self) {
        self.queue.stop();
        self.thread.join().unwrap();
    }
}

/// One life, one cut, one account; answers how many promises were kept.
async fn cut(seed: u64, survives: Survives) -> usize {
    let (disk, clock) = (Disk::default(), Clock::system());
    let running = Running::start(&disk, &clock);
    running.create().await;
    let mut rng = fastrand::Rng::with_seed(seed);
    disk.cut_after(rng.usize(1..WRITES));
    let notes = load::until_the_cut(&running, &mut rng).await;
    assert!(running.failure.borrow().is_some(), "a failed store is told");
    running.stop();
    disk.power_up(survives, &mut rng);

    clock.advance(LONG_MS + 1);
    let running = Running::start(&disk, &clock);
    let kept = account::check(running, &notes).await;
    kept.unwrap_or_else(|broken| panic!("seed {seed}, {survives:?}: {broken}"))
}

async fn cuts(cuts: u64, survives: Survives) {
    let mut kept = 0;
    for seed in 0..cuts {
        kept += cut(seed, survives).await;
    }
    assert!(
        kept > 2_000,
        "too little was promised to prove anything: {kept}"
    );
}

#[tokio::test]
async fn what_was_answered_holds_when_nothing_unsynced_survives() {
    cuts(200, Survives::Nothing).await;
}

#[tokio::test]
async fn what_was_answered_holds_when_a_torn_part_of_the_unsynced_survives() {
    cuts(100, Survives::RandomPart).await;
}
