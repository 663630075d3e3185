//! The notifier killed at random instants under load, while its database and the broker are restarted:
//! every notification ends delivered or dead, every attempt is on record but those that a kill cut off,
//! nothing is applied twice.

use std::collections::BTreeMap;
use std::time::Duration;

use database::Dialect;
use database::testing::Databases;
use demo::{Bank, eventually};
use notification::api::notifier::NotificationView;
use notification::{NotificationState, TxNo};
use ringback_tests::settings::{effort, seed};
use ringback_tests::{
    Behaviour, FakeReceiver, Load, MariaDb, PATIENCE, Ring, Setting, TestStage, under_test,
};
use tokio::time::Instant;

/// Attempts under way at a time.
const CONCURRENCY: usize = 8;

/// The record's transaction takes at most this, and an answer comes at once: what was rung longer
/// before a kill is on record, unless the record could not be written.
const ON_RECORD_WITHIN: Duration = Duration::from_secs(6);

/// How long the record is kept from being written.
const STORE_AWAY: Duration = Duration::from_secs(1);

/// Rungs for refusals, then leases of what the last kill cut off, on a machine with other work.
const SETTLED: Duration = Duration::from_secs(180);

/// What is done with a notification, by the last digit of its number: one in sixteen is rejected, one
/// refused to the end, two refused once.
fn treat(tx_no: &str, before: usize) -> Option<Behaviour> {
    let refuse = |status| Some(Behaviour::Answer(status, "not this one".to_owned()));
    match tx_no.as_bytes().last()? {
        b'0' => refuse(422),
        b'1' => refuse(500),
        b'2' | b'3' if before == 0 => refuse(500),
        _ => None,
    }
}

/// What a kill may cut off: what is under way, and what the flush that is under way and the one that
/// gathers hold.
const CUT_OFF: usize = 16 * CONCURRENCY;

/// What it may cut off while the record can't be written: a result for each permit.
const CUT_OFF_UNWRITTEN: usize = 1024;

/// One kill of the notifier.
#[derive(Debug, Clone, Copy)]
struct Kill {
    at: Instant,
    store: Store,
}

/// Whether the record could be written when the notifier was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Store {
    There,
    Away,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notifier_killed_at_random_loses_no_notification_and_no_attempt_but_those_in_flight() {
    let kills = effort().choose(50, 200);
    let mut random = fastrand::Rng::with_seed(seed("notifier killed at random"));
    let server = match Databases::new().dialect() {
        Dialect::MariaDb => MariaDb::start("").await,
        Dialect::Sqlite => None,
    };
    let receiver = FakeReceiver::start().await;
    receiver.treats(treat);
    let mut on = stage(&receiver, server.as_ref()).await;
    let to_bank2 = format!("http://{}/notifications", on.stage.addresses.bank2);
    receiver.otherwise(Behaviour::Forward(to_bank2));

    let load = Load::begin(&on.world, 4);
    let (mut done, mut brokers) = (Vec::new(), 0);
    while done.len() < kills {
        // The instant is what is random here.
        tokio::time::sleep(Duration::from_millis(random.u64(20..600))).await;
        let store = match random.u8(0..10) {
            0 | 1 => Some(take_the_store_away(&on, server.as_ref()).await),
            2 => {
                brokers += 1;
                let broker = on.stage.broker.as_mut().unwrap();
                broker.kill9().await.unwrap();
                broker.start().await.unwrap();
                None
            }
            _ => None,
        };
        tokio::time::sleep(Duration::from_millis(random.u64(0..300))).await;
        on.stage.notifier.kill9().await.unwrap();
        done.push(Kill {
            at: Instant::now(),
            store: store.as_ref().map_or(Store::There, |_| Store::Away),
        });
        if let Some(store) = store {
            store.await.unwrap();
        }
        on.stage.notifier.start().await.unwrap();
    }
    let mut asked = ringback_tests::BankRun::default();
    load.end(&mut asked).await;

    let views = all_settled(&on).await;
    let account = Account::of(&views, &receiver.rings(), &done);
    let away = done.iter().filter(|kill| kill.store == Store::Away).count();
    println!(
        "{kills} kills of the notifier, {away} of them with the record away, {brokers} of the broker; \
         {} notifications, {account}",
        views.len(),
    );
    assert!(views.len() > kills, "too few to tell anything");
    for (kill, cut_off) in done.iter().zip(&account.cut_off) {
        let bound = match kill.store {
            Store::There => CUT_OFF,
            Store::Away => CUT_OFF_UNWRITTEN,
        };
        assert!(*cut_off <= bound, "{kill:?} cut off {cut_off}");
    }
    applied_once(&on, &views).await;
}

async fn stage(receiver: &FakeReceiver, server: Option<&MariaDb>) -> TestStage {
    let url = receiver.url();
    let config = move |text: String| {
        let bank2 = text.lines().find(|line| line.starts_with("url = "));
        // Without a breaker: in the end only what is always refused is left, and would be probed for minutes.
        let ours = format!("url = \"{url}\"\nconcurrency = {CONCURRENCY}\nbreaker = \"off\"");
        text.replace(bank2.unwrap(), &ours)
    };
    let databases = match server {
        Some(server) => Some(server.databases().await),
        None => None,
    };
    let setting = Setting {
        ladder: "500ms 1s 1s 2s 2s 4s",
        config: Box::new(config),
        databases,
        ..Setting::default()
    };
    TestStage::raise(under_test!(), setting).await
}

/// For a moment the record can't be written: its server is killed and started again, or, where it is a
/// file, somebody else holds its lock.
async fn take_the_store_away(
    on: &TestStage,
    server: Option<&MariaDb>,
) -> tokio::task::JoinHandle<()> {
    if let Some(server) = server {
        server.kill9().await;
        server.start_again().await;
        return tokio::spawn(async {});
    }
    let config = Databases::within(on.folder.path()).config("notifier");
    let database = database::Database::open(&config).await.unwrap();
    let held = database.begin().await.unwrap();
    tokio::spawn(async move {
        tokio::time::sleep(STORE_AWAY).await;
        held.rollback().await.unwrap();
        database.close().await;
    })
}

/// Waits until whatever was committed is delivered or dead.
async fn all_settled(on: &TestStage) -> BTreeMap<TxNo, NotificationView> {
    let mut views = BTreeMap::new();
    for transfer in on.world.committed().await.unwrap() {
        let view = on.world.settled(&transfer.tx_no, SETTLED).await.unwrap();
        let state = view.notification.state;
        match state {
            NotificationState::Delivered => assert!(view.letters.is_empty(), "{view:?}"),
            NotificationState::Dead => assert_eq!(view.letters.len(), 1, "{view:?}"),
            _ => panic!("{}: {state}", transfer.tx_no),
        }
        views.insert(transfer.tx_no, view);
    }
    views
}

/// The receiver's log beside the record.
#[derive(Debug, Default)]
struct Account {
    delivered: usize,
    dead: usize,
    rung: usize,
    on_record: usize,
    /// For each kill, what was rung before it and is not on record.
    cut_off: Vec<usize>,
}

impl std::fmt::Display for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            delivered,
            dead,
            rung,
            on_record,
            cut_off,
        } = self;
        let (all, most) = (cut_off.iter().sum::<usize>(), cut_off.iter().max());
        write!(
            f,
            "{delivered} delivered, {dead} dead; {rung} POSTs, {on_record} attempts on record, {all} cut \
             off by a kill, at most {} by one",
            most.unwrap_or(&0)
        )
    }
}

impl Account {
    /// Compares the two, one by one.
    fn of(views: &BTreeMap<TxNo, NotificationView>, rings: &[Ring], kills: &[Kill]) -> Self {
        let mut account = Self {
            cut_off: vec![0; kills.len()],
            ..Self::default()
        };
        let mut by_number: BTreeMap<&str, Vec<Instant>> = BTreeMap::new();
        for ring in rings {
            by_number.entry(&ring.tx_no).or_default().push(ring.at);
        }
        let (now, now_ms) = (Instant::now(), service::clock::now_ms());
        for (tx_no, view) in views {
            let mut unrecorded = by_number
                .remove(tx_no.to_string().as_str())
                .unwrap_or_default();
            account.rung += unrecorded.len();
            account.on_record += view.attempts.len();
            match view.notification.state {
                NotificationState::Delivered => account.delivered += 1,
                _ => account.dead += 1,
            }
            let numbers: Vec<u32> = view.attempts.iter().map(|attempt| attempt.number).collect();
            let expected: Vec<u32> = (1..).take(numbers.len()).collect();
            assert_eq!(numbers, expected, "{tx_no}: one rung for each attempt");
            for attempt in &view.attempts {
                // The POST that this row is of: the first that came after it began.
                let began = now
                    - Duration::from_millis(u64::try_from(now_ms - attempt.started_ms).unwrap());
                let near = began - Duration::from_millis(50);
                let found = unrecorded.iter().position(|at| *at >= near);
                let found =
                    found.unwrap_or_else(|| panic!("{tx_no}: a row without a POST: {attempt:?}"));
                unrecorded.remove(found);
            }
            for at in unrecorded {
                let next = kills.iter().position(|kill| kill.at >= at);
                let next = next.filter(|kill| kills[*kill].at - at < ON_RECORD_WITHIN);
                let next = next
                    .unwrap_or_else(|| panic!("{tx_no}: rung, and no kill kept it off the record"));
                account.cut_off[next] += 1;
            }
        }
        assert!(by_number.is_empty(), "rung without a commit: {by_number:?}");
        account
    }
}

/// What is delivered is applied, and bank2 holds that much more and not a fen besides.
async fn applied_once(on: &TestStage, views: &BTreeMap<TxNo, NotificationView>) {
    let committed = on.world.committed().await.unwrap();
    let mut credited = 0;
    for transfer in &committed {
        let applied = on.world.is_applied(&transfer.tx_no).await.unwrap();
        let delivered = views[&transfer.tx_no].notification.state == NotificationState::Delivered;
        assert!(
            applied || !delivered,
            "{}: delivered, not applied",
            transfer.tx_no
        );
        credited += if applied { transfer.amount_fen } else { 0 };
    }
    let world = &on.world;
    eventually("bank2's accounts", PATIENCE, || async move {
        let accounts = world.accounts(Bank::Bank2).await?;
        let more = accounts
            .iter()
            .map(|account| account.balance_fen - account.opening_fen);
        let more: i64 = more.sum();
        anyhow::ensure!(more == credited, "{more} more, {credited} were credited");
        Ok(Some(()))
    })
    .await
    .unwrap();
}
