//! The embedded broker killed by SIGKILL 20 times under load: every promise it made must hold.
//!
//! [`process`] runs the broker as the process it is in earnest; [`load`] sends, holds, ends and
//! receives all the while through the client crate, and notes what was acknowledged; after the last
//! kill an auditor with a group of its own reads everything there is, and [`account`] compares.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

mod account;
mod load;
mod process;

use std::sync::Arc;
use std::time::Duration;

use load::{Load, Notes};
use process::BrokerProcess;

const NORMAL: &str = "kill_normal";
const TRANSACTIONAL: &str = "kill_transactional";
/// Its members ack, defer and drop.
const WORKER: &str = "worker";
/// It reads everything once, at the end.
const AUDITOR: &str = "auditor";

const KILLS: usize = 20;
const SENDS: usize = 5_000;
const HALVES: usize = 500;
const LEASES: usize = 500;
/// For whatever has to happen, on a machine with other things to do.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_broker_acknowledged_outlives_twenty_kills() {
    let seed = ringback_tests::settings::seed("broker_kill");
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut broker = BrokerProcess::start(ringback_tests::under_test!(), &mut rng).await;
    let notes = Arc::new(Notes::default());
    let load = Load::start(&broker.address(), Arc::clone(&notes), &mut rng).await;

    for kill in 1..=KILLS {
        // Each kill comes when its share of the load is done, in the middle of the rest.
        let share = |whole: usize| whole * kill / KILLS;
        let enough = |notes: &Notes| {
            let so_far = notes.counts();
            so_far.sent >= share(SENDS)
                && so_far.held >= share(HALVES)
                && so_far.left_leased >= share(LEASES)
        };
        notes.until(enough, PATIENCE).await;
        broker.kill().await;
        broker.restart().await;
    }
    // What was asked about in an earlier life counts for nothing: each open half must be asked about
    // in the last one.
    notes.book().asked_about.clear();
    let witness = load.stop().await;
    let found = account::audit(&broker.address()).await;
    witness.close().await;
    broker.kill().await;
    let counts = notes.counts();
    println!("{counts:?}");
    assert!(counts.sent >= SENDS && counts.held >= HALVES && counts.left_leased >= LEASES);
    account::check(&notes, &found);
}
