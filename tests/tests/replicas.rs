//! Two processes of one service on one database: the work is shared, and whatever one leaves behind when
//! it is killed, the other one finishes.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use database::Database;
use demo::{Bank, Posted, ServiceKind, World, eventually};
use notification::api::notifier::NotificationView;
use notification::{BusinessState, NotificationState, TxNo};
use ringback::config::{File, compose};
use ringback_tests::settings::effort;
use ringback_tests::{
    BankRun, Behaviour, FakeReceiver, PATIENCE, Replica, Setting, Straight, TestStage, under_test,
};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The sleepers' rung: longer than what comes before the kill.
const RUNG: Duration = Duration::from_secs(12);

async fn view(world: &World, tx_no: TxNo) -> NotificationView {
    world.notification(&tx_no).await.unwrap().unwrap()
}

/// Commits one transfer, and waits for its first attempt's record. Gives who made it.
async fn commit_and_refuse(world: &World, run: &mut BankRun) -> (TxNo, String) {
    let tx_no = run.commit(world, 1_001).await;
    let tried = eventually("the first attempt on record", PATIENCE, || async {
        let view = world.notification(&tx_no).await?;
        Ok(view.and_then(|view| Some(view.attempts.first()?.worker.clone())))
    });
    (tx_no, tried.await.unwrap())
}

/// Asks for many transfers, a few at a time; all of them have to be committed.
fn load(world: &World, run: &mut BankRun, many: usize) -> JoinSet<()> {
    let mut asking = JoinSet::new();
    let mut queues = vec![Vec::new(); 4];
    for number in 0..many {
        let (tx_no, amount_fen) = (world.fresh_tx_no(), 1_100 + i64::try_from(number).unwrap());
        run.asks(tx_no, amount_fen);
        queues[number % 4].push((tx_no, amount_fen));
    }
    for queue in queues {
        let world = world.clone();
        asking.spawn(async move {
            for (tx_no, amount_fen) in queue {
                let posted = world.transfer(&tx_no, amount_fen).await.unwrap();
                assert_eq!(posted, Posted::Committed);
            }
        });
    }
    asking
}

#[tokio::test(flavor = "multi_thread")]
async fn two_notifiers_share_the_work_and_one_finishes_what_the_other_left() {
    let many = effort().choose(120, 1_000);
    let counter = FakeReceiver::start().await;
    let url = counter.url();
    let setting = Setting {
        ladder: "12s,12s,12s",
        config: Box::new(move |text| {
            let bank2 = text.lines().find(|line| line.starts_with("url = "));
            text.replace(bank2.unwrap(), &format!("url = \"{url}\"\nconcurrency = 4"))
        }),
        ..Setting::default()
    };
    let on = TestStage::raise(under_test!(), setting).await;
    let other = Replica::beside(&on, under_test!(), ServiceKind::Notifier).await;
    let of_the_stage = service::worker::of(on.stage.notifier.pid().unwrap());
    let of_the_other = service::worker::of(other.pid);
    let mut run = BankRun::default();

    // Given retries that sleep, of which the one that is going to die has recorded three.
    counter.otherwise(Behaviour::Answer(500, "not yet".to_owned()));
    let mut sleepers = BTreeMap::new();
    while sleepers.values().filter(|by| **by == of_the_other).count() < 3 {
        assert!(sleepers.len() < 40, "one notifier does all: {sleepers:?}");
        let (tx_no, by) = commit_and_refuse(&on.world, &mut run).await;
        sleepers.insert(tx_no, by);
    }

    // When one is killed in the middle of the work that both have.
    let to_bank2 = format!("http://{}/notifications", on.stage.addresses.bank2);
    counter.otherwise(Behaviour::Forward(to_bank2));
    let mut asking = load(&on.world, &mut run, many);
    counter.rung(sleepers.len() + many / 3, PATIENCE).await;
    other.kill9().await;
    let killed = Instant::now();
    while let Some(asked) = asking.join_next().await {
        asked.unwrap();
    }

    // Then everything arrives, and is applied once.
    run.balances(&on.world, PATIENCE).await;
    let mut by_worker = BTreeMap::<String, usize>::new();
    let mut repeated = 0;
    for transfer in on.world.committed().await.unwrap() {
        let tx_no = transfer.tx_no;
        let settled = on.world.settled(&tx_no, PATIENCE).await.unwrap();
        assert_eq!(settled.notification.state, NotificationState::Delivered);
        let last = settled.attempts.last().unwrap();
        *by_worker.entry(last.worker.clone()).or_default() += 1;
        let rings = counter.rings();
        let rings: Vec<_> = rings
            .iter()
            .filter(|ring| ring.tx_no == tx_no.to_string())
            .map(|ring| ring.at)
            .collect();
        let recorded = settled.attempts.len();
        assert_eq!(recorded, if sleepers.contains_key(&tx_no) { 2 } else { 1 });
        if rings.len() == recorded {
            continue;
        }
        // Rung once more than is on record: what the kill cut off, and nothing else.
        repeated += 1;
        assert_eq!(rings.len(), recorded + 1, "{tx_no}");
        assert_eq!(
            last.worker, of_the_stage,
            "{tx_no} was rung after its record"
        );
        let (before, after) = (rings[rings.len() - 2], rings[rings.len() - 1]);
        assert!(before <= killed && killed <= after, "{tx_no}");
    }
    println!("delivered by {by_worker:?}; {repeated} in flight at the kill were rung again");
    assert!(repeated <= 4 + 256, "more than a lane and a flush hold");
    for worker in [&of_the_stage, &of_the_other] {
        assert!(
            by_worker.get(worker).is_some_and(|n| *n >= many / 20),
            "{by_worker:?}"
        );
    }
    // And the retries that slept kept their rungs, also those whose first attempt the dead one made.
    for (tx_no, by) in &sleepers {
        let attempts = view(&on.world, *tx_no).await.attempts;
        assert_eq!(attempts[0].worker, *by);
        let due = attempts[0].next_due_ms.unwrap();
        let late = attempts[1].started_ms - due;
        assert!(
            (0..10_000).contains(&late),
            "{tx_no}: {late} ms after its rung"
        );
        let waited = attempts[1].started_ms - attempts[0].started_ms;
        assert!(u128::try_from(waited).unwrap() >= RUNG.as_millis());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_bank1_answers_the_check_backs_of_one_that_is_gone_for_good() {
    let mut on = TestStage::raise(under_test!(), Setting::default()).await;
    let other = Replica::beside(&on, under_test!(), ServiceKind::Bank1).await;
    let world = other.world(&on, ServiceKind::Bank1);
    let mut run = BankRun::default();
    let mut left = Vec::new();
    for (step, leaves) in [
        ("after_half", BusinessState::RolledBack),
        ("after_commit", BusinessState::Committed),
    ] {
        let (tx_no, amount_fen) = (on.world.fresh_tx_no(), 1_234);
        run.asks(tx_no, amount_fen);
        on.world.hold(Bank::Bank1, step, &tx_no).await.unwrap();
        let asked = on.world.clone();
        let asking = tokio::spawn(async move { asked.transfer(&tx_no, amount_fen).await });
        left.push((step, leaves, tx_no, asking));
    }
    for (step, _, tx_no, _) in &left {
        let held = on.world.held(Bank::Bank1, step, tx_no, PATIENCE);
        held.await.unwrap();
    }
    on.stage.bank1.kill9().await.unwrap();
    run.commit(&world, 1_001).await;
    for (step, leaves, tx_no, asking) in left {
        let answer = asking.await.unwrap().unwrap();
        assert!(matches!(answer, Posted::NoAnswer(_)), "{step}: {answer}");
        let answered = eventually("the check-back", PATIENCE, || async {
            let result = world.result(&tx_no).await?;
            Ok((result.state == leaves)
                .then_some(result.checked_by)
                .flatten())
        });
        let by = answered.await.unwrap();
        assert!(by.ends_with(&format!(":{}", other.pid)), "answered by {by}");
    }
    run.balances(&world, PATIENCE).await;
    other.stop().await;
}

/// How often the notifiers of a stage have logged this event.
fn logged(on: &TestStage, event: &str) -> usize {
    let needle = format!("\"event\":\"{event}\"");
    let files = std::fs::read_dir(on.folder.logs()).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let notifiers = files.filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("notifier")
    });
    let texts = notifiers.map(|path| std::fs::read_to_string(path).unwrap());
    texts.map(|text| text.matches(&needle).count()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_notifiers_tell_an_alarm_once_and_whoever_lives_tells_its_end() {
    let (receiver, pager) = (FakeReceiver::start().await, FakeReceiver::start().await);
    receiver.otherwise(Behaviour::Answer(500, "not yet".to_owned()));
    pager.otherwise(Behaviour::Answer(204, String::new()));
    let (url, page) = (receiver.url(), pager.url());
    let setting = Setting {
        ladder: "fixed(1s, 90)",
        config: Box::new(move |text| {
            let bank2 = text.lines().find(|line| line.starts_with("url = "));
            let to_receiver = format!("url = \"{url}\"\nbreaker = \"off\"");
            let text = text.replace(bank2.unwrap(), &to_receiver);
            let early = "[notifier]\noldest_waiting = \"2s\"\n";
            let text = text.replace("[notifier]\n", early);
            let secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
            format!(
                "{text}\n[alarm]\nwebhook = \"{page}\"\nsecrets = [\"{secret}\"]\n\
                 wait = \"1s\"\ninterval = \"1s\"\nquiet = \"10s\"\n"
            )
        }),
        ..Setting::default()
    };
    let mut on = TestStage::raise(under_test!(), setting).await;
    let other = Replica::beside(&on, under_test!(), ServiceKind::Notifier).await;
    let told = || {
        let rings = pager.rings().into_iter();
        let notices = rings.map(|ring| serde_json::from_slice(&ring.body).unwrap());
        let told = notices.filter(|notice: &serde_json::Value| notice["name"] == "oldest_waiting");
        told.collect::<Vec<_>>()
    };
    let tx_no = on.world.fresh_tx_no();
    Straight::to(&on).await.send(&[tx_no]).await;
    let file = File::read(&on.folder.path().join("ringback.toml")).unwrap();
    let store = compose::database("notifier", &file, None, on.folder.path()).unwrap();
    let store = Database::open(&store).await.unwrap();
    // Who dies before that is followed by one that tells it again.
    let written_down = async || {
        let text = "SELECT COUNT(*) FROM alarm_sight WHERE worker = '' AND name = 'oldest_waiting'";
        let mut db = store.read().await.unwrap();
        let count: i64 = sqlx::query_scalar(text).fetch_one(&mut *db).await.unwrap();
        count > 0
    };
    eventually("both have seen it, and it is told", PATIENCE, || async {
        let both = logged(&on, "oldest_waiting") >= 2;
        Ok((both && !told().is_empty() && written_down().await).then_some(()))
    })
    .await
    .unwrap();

    // When the one that told is killed, and the receiver is repaired.
    let teller = told()[0]["worker"].as_str().unwrap().to_owned();
    let of_the_stage = service::worker::of(on.stage.notifier.pid().unwrap());
    if teller == of_the_stage {
        on.stage.notifier.kill9().await.unwrap();
    } else {
        other.kill9().await;
    }
    receiver.otherwise(Behaviour::Answer(200, String::new()));

    // Then the other tells the end, and nothing was told twice.
    eventually("its end", PATIENCE * 2, || async {
        let end = told().iter().any(|notice| notice["state"] == "resolved");
        Ok(end.then_some(()))
    })
    .await
    .unwrap();
    let told = told();
    let states: Vec<&str> = told
        .iter()
        .filter_map(|notice| notice["state"].as_str())
        .collect();
    assert_eq!(states, ["firing", "resolved"], "{told:?}");
    assert_ne!(told[1]["worker"], teller);
}
