//! bank1 killed at any moment of a transfer: bank2's credits are bank1's committed debits.
//!
//! `RINGBACK_SOAK=1` runs what a night has time for, `RINGBACK_SEED=<n>` repeats a run.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use std::time::Duration;

use demo::{Bank, Posted, eventually};
use notification::{BusinessState, TxNo};
use ringback_tests::settings::{effort, seed};
use ringback_tests::{BankRun, PATIENCE, Setting, TestStage, under_test};

/// The steps of a transfer, and what a kill there must leave behind.
const STEPS: [(&str, BusinessState); 6] = [
    ("before_half", BusinessState::Unknown),
    ("after_half", BusinessState::RolledBack),
    ("after_insert", BusinessState::RolledBack),
    ("before_commit", BusinessState::RolledBack),
    ("after_commit", BusinessState::Committed),
    ("after_end", BusinessState::Committed),
];

/// Kills bank1 while it stands at `step`, and starts it again. Gives the pid of the dead one.
async fn kill_at(on: &mut TestStage, run: &mut BankRun, step: &str) -> (TxNo, u32) {
    let tx_no = on.world.fresh_tx_no();
    let amount_fen = 1_000 + i64::try_from(run.len()).unwrap();
    run.asks(tx_no, amount_fen);
    on.world.hold(Bank::Bank1, step, &tx_no).await.unwrap();
    let world = on.world.clone();
    let asking = tokio::spawn(async move { world.transfer(&tx_no, amount_fen).await });
    let stands_in = on
        .world
        .held(Bank::Bank1, step, &tx_no, PATIENCE)
        .await
        .unwrap();
    let dead = on.stage.bank1.kill9().await.unwrap().unwrap();
    assert_eq!(stands_in, dead, "{step} was reached in another process");
    let answer = asking.await.unwrap().unwrap();
    assert!(matches!(answer, Posted::NoAnswer(_)), "{step}: {answer}");
    on.stage.bank1.start().await.unwrap();
    (tx_no, dead)
}

#[tokio::test(flavor = "multi_thread")]
async fn bank1_killed_at_each_step_of_a_transfer_neither_loses_nor_makes_money() {
    let times = effort().choose(3, 20);
    let mut on = TestStage::raise(under_test!(), Setting::default()).await;
    let mut run = BankRun::default();
    for _ in 0..times {
        let mut killed = Vec::new();
        for (step, leaves) in STEPS {
            let (tx_no, _) = kill_at(&mut on, &mut run, step).await;
            killed.push((step, leaves, tx_no));
        }
        for (step, leaves, tx_no) in killed {
            let what = format!("killed at {step}: {leaves}");
            let world = &on.world;
            let settled = eventually(&what, PATIENCE, || async move {
                Ok((world.result(&tx_no).await?.state == leaves).then_some(()))
            });
            settled.await.unwrap();
        }
    }
    run.balances(&on.world, PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_back_is_answered_by_another_process_than_the_one_that_sent_the_half() {
    let mut on = TestStage::raise(under_test!(), Setting::default()).await;
    let mut run = BankRun::default();
    for step in ["after_half", "after_commit"] {
        let (tx_no, dead) = kill_at(&mut on, &mut run, step).await;
        let world = &on.world;
        let checked_by = eventually("an answered check-back", PATIENCE, || async move {
            Ok(world.result(&tx_no).await?.checked_by)
        });
        let checked_by = checked_by.await.unwrap();
        let pid: u32 = checked_by.rsplit(':').next().unwrap().parse().unwrap();
        assert_ne!(pid, dead);
        assert_eq!(
            Some(pid),
            on.stage.bank1.pid(),
            "{step}: answered by {checked_by}"
        );
    }
    run.balances(&on.world, PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bank1_killed_at_random_under_load_neither_loses_nor_makes_money() {
    let kills = effort().choose(20, 200);
    let mut random = fastrand::Rng::with_seed(seed("bank1 killed at random"));
    let mut on = TestStage::raise(under_test!(), Setting::default()).await;
    let mut run = BankRun::default();
    let (mut cut_off, mut answered) = (0, 0);
    for _ in 0..kills {
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..random.usize(1..=6) {
            let tx_no = on.world.fresh_tx_no();
            let amount_fen = random.i64(1_001..2_000);
            run.asks(tx_no, amount_fen);
            let world = on.world.clone();
            asking.spawn(async move { world.transfer(&tx_no, amount_fen).await });
        }
        // The kill itself is what is random here: any instant of the transfers, which take some milliseconds.
        tokio::time::sleep(Duration::from_micros(random.u64(0..150_000))).await;
        on.stage.bank1.kill9().await.unwrap();
        on.stage.bank1.start().await.unwrap();
        while let Some(answer) = asking.join_next().await {
            match answer.unwrap().unwrap() {
                Posted::NoAnswer(_) => cut_off += 1,
                _ => answered += 1,
            }
        }
    }
    println!("{kills} kills: {cut_off} transfers cut off, {answered} answered");
    assert!(
        cut_off > 0 && answered > 0,
        "the kills came too early or too late to tell anything"
    );
    run.balances(&on.world, PATIENCE).await;
}
