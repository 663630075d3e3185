//! Dead letters by the thousand while the notifier is killed, and a broker that has lost what slept in it.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use std::path::Path;

use demo::{World, eventually};
use notification::api::letters::{JobLettersPage, JobView};
use notification::{NotificationState, TxNo};
use ringback_tests::settings::effort;
use ringback_tests::{
    BankRun, Behaviour, FakeReceiver, PATIENCE, Setting, Straight, TestStage, run, under_test,
};

/// A stage whose notifications go to this receiver, up to sixteen at a time.
fn towards(receiver: &FakeReceiver, ladder: &'static str, more: &'static str) -> Setting {
    let url = receiver.url();
    let config = move |text: String| {
        let bank2 = text.lines().find(|line| line.starts_with("url = "));
        let text = text.replace(
            bank2.unwrap(),
            &format!("url = \"{url}\"\nbreaker = \"off\""),
        );
        text.replace("[notifier]\n", &format!("[notifier]\n{more}"))
    };
    Setting {
        ladder,
        config: Box::new(config),
        ..Setting::default()
    }
}

/// Runs a command on the stage's data folder and reads its JSON.
async fn ask<T: serde::de::DeserializeOwned>(on: &TestStage, args: &[&str]) -> T {
    let data = on.folder.path().display().to_string();
    let args = [args, &["--json", "--data-dir", &data]].concat();
    let finished = run(under_test!(), on.folder.path(), &args).await;
    assert_eq!(finished.code(), 0, "{args:?}: {finished:?}");
    serde_json::from_str(&finished.stdout).unwrap()
}

async fn open_letters(on: &TestStage) -> u64 {
    let page: serde_json::Value = ask(on, &["dlq", "list", "--limit", "1"]).await;
    page["total_open"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notifier_killed_in_the_middle_of_a_job_resends_each_letter_once() {
    let (many, kills) = (effort().choose(2_000, 20_000), effort().choose(3, 12));
    let receiver = FakeReceiver::start().await;
    receiver.otherwise(Behaviour::Answer(422, "not now".to_owned()));
    let mut on = TestStage::raise(under_test!(), towards(&receiver, "1s", "")).await;
    let numbers: Vec<TxNo> = (0..many).map(|_| on.world.fresh_tx_no()).collect();
    Straight::to(&on).await.send(&numbers).await;
    let selected = u64::try_from(many).unwrap();
    eventually("all are dead", PATIENCE * 3, || async {
        Ok((open_letters(&on).await == selected).then_some(()))
    })
    .await
    .unwrap();

    let data = on.folder.path().display().to_string();
    let typed = async |line: &str| {
        let args: Vec<&str> = line.split(' ').chain(["--data-dir", &data]).collect();
        run(under_test!(), on.folder.path(), &args).await
    };
    let listed = typed("dlq list --limit 3").await.stdout;
    assert!(
        listed.contains("%DLQ%bank2") && listed.ends_with(", agrees.\n"),
        "{listed}"
    );
    let refused = typed("dlq resend --endpoint bank2").await;
    refused.refuses(
        1,
        &[
            "last 4 answers were 422",
            "ringback endpoint repaired bank2",
        ],
    );

    // Given a receiver that is repaired, and a job that takes its time.
    receiver.otherwise(Behaviour::Answer(200, String::new()));
    let said = typed("endpoint repaired bank2 --reason fixed").await;
    assert!(said.stdout.starts_with("bank2 is repaired: "), "{said:?}");
    let rung = receiver.rings().len();
    let resend = [
        "dlq",
        "resend",
        "--endpoint",
        "bank2",
        "--rate",
        "200/s",
        "--detach",
    ];
    let begun: JobView = ask(&on, &resend).await;
    assert_eq!((begun.selected, begun.dealt), (selected, 0));
    let id = begun.id.to_string();
    let show = ["dlq", "job", "show", &id];

    // When the notifier is killed again and again while it is carried.
    for kill in 1..=kills {
        let reached = selected * kill / (kills + 1);
        eventually("the job is so far", PATIENCE * 2, || async {
            let job: JobView = ask(&on, &show).await;
            Ok((job.dealt >= reached).then_some(()))
        })
        .await
        .unwrap();
        on.stage.notifier.kill9().await.unwrap();
        on.stage.notifier.start().await.unwrap();
    }
    let done = eventually("all of it is delivered", PATIENCE * 4, || async {
        let job: JobView = ask(&on, &show).await;
        let delivered = job.fate.map_or(0, |fate| fate.delivered);
        Ok((delivered == selected).then_some(job))
    });
    let done = done.await.unwrap();

    // Then each letter was dealt with once, ...
    assert_eq!(
        (done.matched, done.dealt, done.failed),
        (selected, selected, 0)
    );
    let list = [
        "dlq",
        "job",
        "show",
        &id,
        "--letters",
        "resent",
        "--limit",
        "1000",
    ];
    let page: Listed = ask(&on, &list).await;
    assert_eq!(page.letters.letters.len(), many.min(1000));
    assert_eq!(open_letters(&on).await, 0);
    // ... and rung once, but for what was in flight at a kill.
    let rings = receiver.rings();
    let mut repeated = 0;
    let second_lives = rings[rung..].len();
    for ring in &rings[rung..] {
        assert_eq!(ring.headers["ringback-generation"], "1");
    }
    for (tx_no, count) in receiver.count() {
        assert!(count >= 2, "{tx_no} was not rung anew");
        repeated += count - 2;
    }
    assert_eq!(receiver.count().len(), numbers.len());
    assert_eq!(second_lives, many + repeated);
    println!("{many} letters, {kills} kills: {repeated} in flight at a kill were rung again");
    assert!(repeated <= usize::try_from(kills).unwrap() * (16 + 256));
}

/// What `job show --letters` writes.
#[derive(serde::Deserialize)]
struct Listed {
    letters: JobLettersPage,
}

async fn tried_once(world: &World, tx_no: TxNo) {
    eventually("the first attempt on record", PATIENCE, || async {
        let view = world.notification(&tx_no).await?;
        Ok(view
            .filter(|view| view.notification.attempts == 1)
            .map(drop))
    })
    .await
    .unwrap();
}

/// What `doctor` says of dead letters.
async fn examined(on: &TestStage, args: &[&str]) -> Vec<String> {
    let data = on.folder.path().display().to_string();
    let args = [&["doctor", "--json", "--data-dir", &data], args].concat();
    let finished = run(under_test!(), on.folder.path(), &args).await;
    let told: serde_json::Value = serde_json::from_str(&finished.stdout)
        .unwrap_or_else(|error| panic!("{error}: {finished:?}"));
    let findings = told["findings"].as_array().unwrap().iter();
    let letters = findings.filter(|finding| finding["subject"] == "dead letters");
    letters
        .map(|finding| {
            let say = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
            format!("{}: {} [{}]", say("level"), say("is"), say("fix"))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_mends_from_the_letters_a_topic_that_was_lost() {
    let receiver = FakeReceiver::start().await;
    receiver.otherwise(Behaviour::Answer(422, "never".to_owned()));
    let mut on = TestStage::raise(under_test!(), towards(&receiver, "1s", "")).await;
    let numbers: Vec<TxNo> = (0..7).map(|_| on.world.fresh_tx_no()).collect();
    Straight::to(&on).await.send(&numbers).await;
    eventually("all are in both", PATIENCE * 2, || async {
        let agree = examined(&on, &[]).await == ["ok: 7 letters in the topic, all on record []"];
        Ok(agree.then_some(()))
    })
    .await
    .unwrap();
    let nothing = examined(&on, &["--mend"]).await;
    assert_eq!(nothing[1..], ["ok: nothing to mend []"], "{nothing:?}");

    // When the broker's disk is lost.
    let rung = receiver.rings().len();
    let broker = on.stage.broker.as_mut().unwrap();
    broker.kill9().await.unwrap();
    lose(&on.folder.path().join("broker"));
    broker.start().await.unwrap();

    // Then doctor says so and changes nothing, ...
    for _ in 0..2 {
        let [told] = &examined(&on, &[]).await[..] else {
            panic!("one finding")
        };
        assert!(
            told.starts_with("warn: 7 forwarded, and no longer in the topic"),
            "{told}"
        );
        assert!(told.contains("[ringback doctor --mend"), "{told}");
    }
    // ... and mends when it is told to: the topic holds each of them again, and nobody was rung.
    let mended = examined(&on, &["--mend"]).await;
    assert!(
        mended[1].starts_with("ok: 7 letters on the way"),
        "{mended:?}"
    );
    eventually("both agree again", PATIENCE * 2, || async {
        let agree = examined(&on, &[]).await == ["ok: 7 letters in the topic, all on record []"];
        Ok(agree.then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(receiver.rings().len(), rung);
    assert_eq!(open_letters(&on).await, 7);
    let audit: serde_json::Value = ask(&on, &["audit", "--action", "forward"]).await;
    assert_eq!(audit["entries"].as_array().unwrap().len(), 7, "{audit}");

    // With the notifier away nothing is mended, and that is a failure.
    on.stage.notifier.kill9().await.unwrap();
    let broker = on.stage.broker.as_mut().unwrap();
    broker.kill9().await.unwrap();
    lose(&on.folder.path().join("broker"));
    broker.start().await.unwrap();
    let told = examined(&on, &["--mend"]).await;
    assert!(
        told[1].starts_with("fail: 0 of 7 asked for, then: "),
        "{told:?}"
    );
}

/// Empties a stopped broker's folder: its disk is gone.
fn lose(folder: &Path) {
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_slept_in_a_broker_that_lost_its_disk_is_sent_anew_and_delivered_once() {
    let receiver = FakeReceiver::start().await;
    receiver.otherwise(Behaviour::Answer(500, "not yet".to_owned()));
    let settings = "overdue_after = \"20s\"\nfeed_lag = \"2s\"\n";
    let setting = towards(&receiver, "12s,12s,12s", settings);
    let mut on = TestStage::raise(under_test!(), setting).await;
    let mut bank_run = BankRun::default();
    let mut sleepers = Vec::new();
    for _ in 0..effort().choose(12, 200) {
        sleepers.push(bank_run.commit(&on.world, 1_001).await);
    }
    for tx_no in &sleepers {
        tried_once(&on.world, *tx_no).await;
    }

    // When the queue is lost while they sleep, silently: the broker comes back empty and works.
    let broker = on.stage.broker.as_mut().unwrap();
    broker.kill9().await.unwrap();
    lose(&on.folder.path().join("broker"));
    broker.start().await.unwrap();
    let to_bank2 = format!("http://{}/notifications", on.stage.addresses.bank2);
    receiver.otherwise(Behaviour::Forward(to_bank2));

    // Then each of them arrives all the same, is applied once, and was rung once more.
    bank_run.balances(&on.world, PATIENCE * 4).await;
    for tx_no in &sleepers {
        let settled = on.world.settled(tx_no, PATIENCE).await.unwrap();
        let record = &settled.notification;
        assert_eq!(record.state, NotificationState::Delivered);
        assert_eq!((record.generation, record.attempts), (0, 2), "{tx_no}");
        assert_eq!(receiver.count()[&tx_no.to_string()], 2, "{tx_no}");
    }
}
