//! The notifier killed between receive and POST, and the broker killed behind what was delivered.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

mod at_random;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use demo::{Posted, World, eventually};
use notification::{NotificationState, TxNo};
use ringback_tests::settings::effort;
use ringback_tests::{Behaviour, FakeReceiver, PATIENCE, Setting, TestStage, under_test};

async fn commit(world: &World, many: usize) -> Vec<TxNo> {
    let mut committed = Vec::new();
    for _ in 0..many {
        let tx_no = world.fresh_tx_no();
        assert_eq!(
            world.transfer(&tx_no, 1_001).await.unwrap(),
            Posted::Committed
        );
        committed.push(tx_no);
    }
    committed
}

/// Waits until all are delivered, and gives the attempts each used.
async fn delivered(world: &World, all: &[TxNo]) -> BTreeMap<String, u32> {
    let mut attempts = BTreeMap::new();
    for tx_no in all {
        let view = world.settled(tx_no, PATIENCE).await.unwrap();
        assert_eq!(
            view.notification.state,
            NotificationState::Delivered,
            "{tx_no}"
        );
        assert_eq!(
            view.attempts.len(),
            usize::try_from(view.notification.attempts).unwrap(),
            "{tx_no}"
        );
        attempts.insert(tx_no.to_string(), view.notification.attempts);
    }
    attempts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notifier_killed_between_receive_and_post_uses_no_rung() {
    let kills = effort().choose(20, 100);
    let receiver = FakeReceiver::start().await;
    receiver.otherwise(Behaviour::Hold);
    let mut on = TestStage::raise(under_test!(), Setting::one_at_a_time_to(receiver.url())).await;
    let mut all = Vec::new();
    for kill in 1..=kills {
        // What commits while no notifier runs is taken in one batch by the next one: the first is POSTed and
        // held, the rest stands in the lane behind it.
        on.stage.notifier.kill9().await.unwrap();
        all.extend(commit(&on.world, 3).await);
        on.stage.notifier.start().await.unwrap();
        receiver.rung(kill, PATIENCE).await;
    }
    on.stage.notifier.kill9().await.unwrap();
    let cut_off = receiver.count();
    receiver.otherwise(Behaviour::Answer(200, String::new()));
    receiver.release();
    on.stage.notifier.start().await.unwrap();

    for (tx_no, attempts) in delivered(&on.world, &all).await {
        assert_eq!(attempts, 1, "{tx_no}");
        let before = cut_off.get(&tx_no).copied().unwrap_or_default();
        assert_eq!(
            receiver.count()[&tx_no],
            before + 1,
            "{tx_no}: rung {before} times before it could answer"
        );
    }
    assert_eq!(cut_off.values().sum::<usize>(), kills);
    assert!(
        cut_off.len() < all.len(),
        "some were killed without ever having been POSTed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_delivered_while_the_broker_is_dead_is_not_rung_again_when_it_comes_back() {
    let receiver = FakeReceiver::start().await;
    let setting = Setting::one_at_a_time_to(receiver.url());
    let mut on = TestStage::raise(under_test!(), setting).await;
    let mut all = Vec::new();
    for _ in 0..effort().choose(2, 20) {
        // Taken in one batch: the first is held at the receiver, the rest stands behind it in the lane.
        receiver.otherwise(Behaviour::Hold);
        on.stage.notifier.kill9().await.unwrap();
        let fresh = commit(&on.world, 10).await;
        on.stage.notifier.start().await.unwrap();
        receiver.rung(all.len() + 1, PATIENCE).await;
        let broker = on.stage.broker.as_mut().unwrap();
        broker.kill9().await.unwrap();
        receiver.otherwise(Behaviour::Answer(200, String::new()));
        receiver.release();
        // On record, with nobody there to take the acknowledgements.
        delivered(&on.world, &fresh).await;
        broker.start().await.unwrap();
        all.extend(fresh);
        // What was not acknowledged is back when its lease has run out, and then it is seen to.
        tokio::time::sleep(demo::Timings::DEMO.lease + Duration::from_secs(3)).await;
        rung_once(&receiver, &all);
    }
    on.stage.broker.as_mut().unwrap().kill9().await.unwrap();
    let folder = on.folder.path().join("broker");
    assert_eq!(
        left(&folder).await,
        0,
        "all of it has been acknowledged by now"
    );
}

/// Apache RocketMQ flushes its offsets late, so after a kill it hands out again what was settled
/// long before. The embedded broker forgets nothing; here its folder is set back.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_delivered_is_not_rung_again_when_the_broker_replays_all_of_it() {
    let receiver = FakeReceiver::start().await;
    let setting = Setting::one_at_a_time_to(receiver.url());
    let mut on = TestStage::raise(under_test!(), setting).await;
    on.stage.notifier.kill9().await.unwrap();
    let mut all = commit(&on.world, 40).await;
    let (folder, earlier) = (
        on.folder.path().join("broker"),
        tempfile::tempdir().unwrap(),
    );
    on.stage.broker.as_mut().unwrap().kill9().await.unwrap();
    copy(&folder, earlier.path());
    assert_eq!(left(&folder).await, 40, "none is received yet");
    on.stage.broker.as_mut().unwrap().start().await.unwrap();
    on.stage.notifier.start().await.unwrap();
    delivered(&on.world, &all).await;

    for _ in 0..effort().choose(2, 10) {
        let broker = on.stage.broker.as_mut().unwrap();
        broker.kill9().await.unwrap();
        copy(earlier.path(), &folder);
        broker.start().await.unwrap();
        // It lies behind the forty, on the broker and in the lane: when it is delivered they have been seen.
        let behind = commit(&on.world, 1).await;
        delivered(&on.world, &behind).await;
        all.extend(behind);
        rung_once(&receiver, &all);
    }
    on.stage.notifier.stop(PATIENCE).await.unwrap();
    on.stage.broker.as_mut().unwrap().kill9().await.unwrap();
    assert_eq!(
        left(&folder).await,
        0,
        "all that was replayed has been acknowledged"
    );
}

#[track_caller]
fn rung_once(receiver: &FakeReceiver, all: &[TxNo]) {
    let count = receiver.count();
    for tx_no in all {
        assert_eq!(count[&tx_no.to_string()], 1, "{tx_no}");
    }
}

/// How many messages of the demo's topic its group has not settled, as a stopped broker's folder says.
async fn left(folder: &Path) -> u64 {
    let data = tempfile::tempdir().unwrap();
    copy(folder, data.path());
    let config = broker::Config {
        data: data.path().to_path_buf(),
        listen: "127.0.0.1:0".parse().unwrap(),
        ..broker::Config::default()
    };
    let broker = broker::Broker::start(config).await.unwrap();
    let stats = broker.stats();
    broker.stop().await.unwrap();
    stats.ready("bank2", "topic_txmsg") + stats.invisible("bank2", "topic_txmsg")
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_attempt_that_was_recorded_stays_recorded_over_a_kill() {
    let receiver = FakeReceiver::start().await;
    receiver.next([Behaviour::Answer(500, "not yet".to_owned())]);
    let setting = Setting {
        ladder: "3s,3s,3s",
        ..Setting::one_at_a_time_to(receiver.url())
    };
    let mut on = TestStage::raise(under_test!(), setting).await;
    let tx_no = commit(&on.world, 1).await[0];
    let world = on.world.clone();
    let refused = eventually("the first attempt on record", PATIENCE, || async {
        Ok(world
            .notification(&tx_no)
            .await?
            .filter(|view| view.notification.attempts == 1))
    });
    refused.await.unwrap();
    on.stage.notifier.kill9().await.unwrap();
    on.stage.notifier.start().await.unwrap();
    assert_eq!(delivered(&on.world, &[tx_no]).await[&tx_no.to_string()], 2);
    let rings = receiver.rings();
    assert_eq!(rings.len(), 2);
    let waited = rings[1].at - rings[0].at;
    assert!(
        waited >= Duration::from_millis(2_900),
        "the rung was cut short: {waited:?}"
    );
}
