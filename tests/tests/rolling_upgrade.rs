//! An older release and this one side by side over a change of the schema, until nothing of the older is
//! left: transfers go on all the while, nobody is rung twice, and money is conserved.
//!
//! `RINGBACK_OLDER` names the older program; `just rolling-upgrade` builds it.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use database::Database;
use demo::{ServiceKind, eventually};
use notification::{NotificationState, Verdict};
use ringback_tests::settings::older;
use ringback_tests::{
    BankRun, Behaviour, FakeReceiver, Load, PATIENCE, Replica, Setting, TestStage, arguments,
    longest_gap, run, under_test,
};
use tokio::time::Instant;

/// What the older release does not know in a configuration.
const NEWER_KEYS: [&str; 4] = ["admin = ", "remoting_listen = ", "[egress]", "allow = "];

/// What this release has to be told, because the receivers of this test are on this machine.
const EGRESS: &str = "\n[egress]\nallow = [\"127.0.0.0/8\"]\n";

/// As the older release takes it, and with the notifications going through `url`.
fn setting(url: String) -> Setting {
    let config = move |text: String| {
        let lines = text.lines().filter_map(|line| {
            let is_newer = NEWER_KEYS.iter().any(|key| line.starts_with(key));
            let line = if line.starts_with("url = ") {
                format!("url = \"{url}\"")
            } else {
                line.to_owned()
            };
            (!is_newer).then_some(line + "\n")
        });
        lines.collect()
    };
    Setting {
        config: Box::new(config),
        ..Setting::default()
    }
}

/// Waits until so many of what was asked for from now on are committed.
async fn goes_on(load: &Load, many: usize) {
    let from = Instant::now();
    let what = format!("{many} transfers more");
    let went_on = eventually(&what, PATIENCE, || async {
        Ok((load.committed_since(from) >= many).then_some(()))
    });
    went_on.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_service_is_replaced_by_a_newer_one_and_nobody_notices() {
    let Some(older) = older() else {
        println!(
            "skipped: RINGBACK_OLDER names no older program (`just rolling-upgrade` builds one)"
        );
        return;
    };
    let counter = FakeReceiver::start().await;
    let mut on = TestStage::raise(&older, setting(counter.url())).await;
    let to_bank2 = format!("http://{}/notifications", on.stage.addresses.bank2);
    counter.otherwise(Behaviour::Forward(to_bank2));
    let record = database::Config::sqlite(on.folder.path().join("notifier.sqlite"));
    let record = Database::open(&record).await.unwrap();
    let before = record.schema(&notifier::MIGRATIONS).await.unwrap();
    assert!(
        !before.pending.is_empty(),
        "the schema has not changed since the older release: there is nothing to try"
    );
    let older_pid = on.stage.notifier.pid().unwrap();
    let load = Load::begin(&on.world, 3);
    goes_on(&load, 10).await;

    // What both read from now on; the older ones have read theirs.
    let file = on.folder.path().join("ringback.toml");
    let older_text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{older_text}{EGRESS}")).unwrap();

    // A newer notifier beside the older one: it changes the schema under it, and both go on.
    let beside = Replica::beside(&on, under_test!(), ServiceKind::Notifier).await;
    let together = Instant::now();
    let after = record.schema(&notifier::MIGRATIONS).await.unwrap();
    assert!(after.pending.is_empty() && after.version > before.version);
    goes_on(&load, 60).await;
    let together = together.elapsed();

    // One by one the older ones end in good order, and newer ones take their places.
    on.stage.notifier.stop(PATIENCE).await.unwrap();
    let notifier = on.stage.addresses.notifier;
    let notifier = Replica::at(&on, under_test!(), ServiceKind::Notifier, notifier).await;
    goes_on(&load, 10).await;
    on.stage.bank2.stop(PATIENCE).await.unwrap();
    let bank2 = on.stage.addresses.bank2;
    let bank2 = Replica::at(&on, under_test!(), ServiceKind::Bank2, bank2).await;
    goes_on(&load, 10).await;
    on.stage.bank1.stop(PATIENCE).await.unwrap();
    let bank1 = on.stage.addresses.bank1;
    let bank1 = Replica::at(&on, under_test!(), ServiceKind::Bank1, bank1).await;
    goes_on(&load, 10).await;
    on.stage
        .broker
        .as_mut()
        .unwrap()
        .stop(PATIENCE)
        .await
        .unwrap();
    let broker = on.stage.addresses.broker_listen.unwrap();
    let broker = Replica::at(&on, under_test!(), ServiceKind::Broker, broker).await;
    goes_on(&load, 10).await;

    std::fs::write(&file, older_text).unwrap();
    // Whoever starts the older one now is told why it cannot be.
    let args = arguments(&on, ServiceKind::Notifier, ([127, 0, 0, 1], 0).into());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let refused = run(&older, on.folder.path(), &args).await;
    // It names the first that it does not know.
    let version = format!("it has migration {} of \"notifier\"", before.version + 1);
    let said = [
        "the database is newer than this program",
        &version,
        "run the newer program",
    ];
    refused.refuses(1, &said);

    let mut account = BankRun::default();
    let decided = load.end(&mut account).await;
    let gap = longest_gap(&decided, decided[0].decided, Instant::now());
    account.balances(&on.world, PATIENCE).await;
    let mut by_worker = BTreeMap::<String, usize>::new();
    let rung = counter.count();
    for transfer in on.world.committed().await.unwrap() {
        let settled = on.world.settled(&transfer.tx_no, PATIENCE).await.unwrap();
        assert_eq!(settled.notification.state, NotificationState::Delivered);
        let delivered = settled
            .attempts
            .iter()
            .filter(|attempt| attempt.verdict == Verdict::Delivered);
        let delivered: Vec<_> = delivered.collect();
        assert_eq!(delivered.len(), 1, "{}", transfer.tx_no);
        // Refused attempts are those that found bank2 away; each ring is an attempt on record.
        assert_eq!(
            rung[&transfer.tx_no.to_string()],
            settled.attempts.len(),
            "{} was rung without a record of it",
            transfer.tx_no
        );
        *by_worker.entry(delivered[0].worker.clone()).or_default() += 1;
    }
    println!(
        "schema {} -> {}, {} transfers, side by side for {together:?}, longest without a commit {gap:?}; delivered by {by_worker:?}",
        before.version,
        after.version,
        decided.len(),
    );
    for pid in [older_pid, beside.pid] {
        // Older releases sign as `notifier-pid`.
        let names = [service::worker::of(pid), format!("notifier-{pid}")];
        let many: usize = names.iter().filter_map(|name| by_worker.get(name)).sum();
        assert!(many >= 5, "{pid}: {by_worker:?}");
    }
    assert!(gap < Duration::from_secs(30));
    for service in [beside, notifier, bank1, bank2, broker] {
        service.stop().await;
    }
}
