//! Many dead letters at once: jobs, filters, export; and what is pending.

use notification::TxNo;
use notification::api::letters::JobView;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Behaviour, Receiver, Running, World, envelope, eventually, subscription};

/// So many that the receiver has rejected.
async fn dead(world: &World, notifier: &Running, many: usize) -> Vec<TxNo> {
    world.receiver.answer(422);
    let mut all = Vec::new();
    for _ in 0..many {
        all.push(world.transfer().await);
    }
    eventually("all are dead", async || {
        let open = notifier.letters().await.total_open;
        (open >= u64::try_from(many).unwrap()).then_some(())
    })
    .await;
    all
}

/// An operator's word, so that the failures before do not count.
async fn repair(world: &World, notifier: &Running) {
    world.receiver.answer(200);
    let (status, _) = notifier
        .post("/v1/endpoints/bank2/repaired", json!({}))
        .await;
    assert_eq!(status, StatusCode::OK);
}

async fn begin(notifier: &Running, request: Value) -> JobView {
    let (status, body) = notifier.post("/v1/dead-letter-jobs", request).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    serde_json::from_value(body).unwrap()
}

async fn job(notifier: &Running, id: TxNo) -> JobView {
    let (status, body) = notifier
        .get(&format!("/v1/dead-letter-jobs/{id}?fate=true"))
        .await;
    assert_eq!(status, StatusCode::OK, "{body}");
    serde_json::from_value(body).unwrap()
}

async fn until(notifier: &Running, id: TxNo, state: &str) -> JobView {
    eventually(&format!("the job is {state}"), async || {
        let job = job(notifier, id).await;
        (job.state.as_str() == state).then_some(job)
    })
    .await
}

/// The generations with which each was rung.
fn generations(world: &World, tx_no: TxNo) -> Vec<u32> {
    let calls = world.receiver.calls_of(tx_no);
    calls.iter().map(|call| call.generation).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_resends_what_its_filter_chooses_and_lists_each_letter() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    let all = dead(&world, &notifier, 12).await;
    let request = json!({"kind": "resend", "filter": {"endpoint": "bank2"}, "rate": "40/s"});
    let (_, preview) = notifier
        .post("/v1/dead-letter-jobs/dry-run", request.clone())
        .await;
    assert_eq!(preview["selected"], 12);
    assert_eq!(preview["endpoints"][0]["failing"], "422");
    let (status, refused) = notifier.post("/v1/dead-letter-jobs", request.clone()).await;
    assert_eq!(status, StatusCode::PRECONDITION_FAILED, "{refused}");
    assert_eq!(notifier.letters().await.total_open, 12, "nothing was done");

    repair(&world, &notifier).await;
    let begun = begin(&notifier, request.clone()).await;
    assert_eq!((begun.selected, begun.matched), (12, 0));
    let done = until(&notifier, begun.id, "done").await;
    assert_eq!((done.matched, done.dealt, done.failed), (12, 12, 0));
    eventually("all are delivered", async || {
        let fate = job(&notifier, begun.id).await.fate.unwrap();
        (fate.delivered == 12).then_some(())
    })
    .await;
    for tx_no in &all {
        assert_eq!(generations(&world, *tx_no), [0, 1]);
    }
    let path = format!("/v1/dead-letter-jobs/{}/letters?limit=5", begun.id);
    let (mut listed, mut next) = (Vec::new(), path.clone());
    loop {
        let (_, page) = notifier.get(&next).await;
        for letter in page["letters"].as_array().unwrap() {
            assert_eq!(letter["result"], "resent");
            listed.push(letter["tx_no"].as_str().unwrap().parse::<TxNo>().unwrap());
        }
        match page["next"].as_str() {
            Some(after) => next = format!("{path}&after={after}"),
            None => break,
        }
    }
    listed.sort_unstable();
    assert_eq!(listed, all);
    let (status, _) = notifier.post("/v1/dead-letter-jobs", request).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "none is open any more");
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_pauses_when_its_endpoint_fails_again_and_goes_on_where_it_stands() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    let all = dead(&world, &notifier, 30).await;
    repair(&world, &notifier).await;
    world.receiver.script(|call, _| {
        // Which ones does not matter: some are taken, then it is broken again.
        let taken = call.tx_no.to_string().ends_with(['0', '1', '2']);
        Behaviour::Answer(if taken { 200 } else { 422 })
    });
    let request = json!({"kind": "resend", "filter": {"endpoint": "bank2"}, "rate": "10/s"});
    let begun = begin(&notifier, request).await;
    let paused = until(&notifier, begun.id, "paused").await;
    assert!(paused.note.unwrap().contains("last 4 answers were 422"));
    assert!(paused.dealt < 30, "{}", paused.dealt);
    let resume = format!("/v1/dead-letter-jobs/{}/resume", begun.id);
    let (status, _) = notifier.post(&resume, json!({})).await;
    assert_eq!(status, StatusCode::PRECONDITION_FAILED);

    repair(&world, &notifier).await;
    let (status, body) = notifier.post(&resume, json!({"rate": "40/s"})).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let done = until(&notifier, begun.id, "done").await;
    assert_eq!((done.selected, done.matched, done.dealt), (30, 30, 30));
    eventually("none is on its way", async || {
        let fate = job(&notifier, begun.id).await.fate.unwrap();
        (fate.waiting == 0).then_some(())
    })
    .await;
    for tx_no in all {
        assert_eq!(
            generations(&world, tx_no),
            [0, 1],
            "those that died again too"
        );
    }
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_stopped_resumed_and_carried_on_by_another_after_a_kill() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    let all = dead(&world, &notifier, 24).await;
    repair(&world, &notifier).await;
    let request = json!({"kind": "resend", "all": true, "rate": "6/s", "reason": "repaired"});
    let begun = begin(&notifier, request).await;
    let path = format!("/v1/dead-letter-jobs/{}", begun.id);
    eventually("some are resent", async || {
        (job(&notifier, begun.id).await.dealt >= 3).then_some(())
    })
    .await;
    let (status, stopped) = notifier.post(&format!("{path}/stop"), Value::Null).await;
    assert_eq!(
        (status, &stopped["state"]),
        (StatusCode::OK, &json!("stopped"))
    );
    let (status, _) = notifier.post(&format!("{path}/stop"), Value::Null).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let (status, _) = notifier.post(&format!("{path}/resume"), json!({})).await;
    assert_eq!(status, StatusCode::OK);
    eventually("more are resent", async || {
        (job(&notifier, begun.id).await.dealt >= 8).then_some(())
    })
    .await;
    notifier.kill().await;

    let other = world.notifier().await;
    let done = until(&other, begun.id, "done").await;
    assert_eq!((done.matched, done.dealt, done.failed), (24, 24, 0));
    for tx_no in all {
        other.until(tx_no, "delivered").await;
        let view = other.find(tx_no).await.unwrap();
        assert_eq!(view.notification.generation, 1, "resent once");
    }
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_discarded_with_one_reason_and_a_malformed_one_is_not_resent() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    dead(&world, &notifier, 3).await;
    let record = world.record().await;
    let mut db = record.write().await.unwrap();
    sqlx::query(
        "UPDATE dead_letter SET reason = 'malformed', class = 'pipeline' \
         WHERE tx_no = (SELECT MIN(tx_no) FROM (SELECT tx_no FROM dead_letter) letters)",
    )
    .execute(&mut *db)
    .await
    .unwrap();
    drop(db);
    let begun = begin(
        &notifier,
        json!({"kind": "resend", "all": true, "anyway": true}),
    )
    .await;
    let done = until(&notifier, begun.id, "done").await;
    assert_eq!((done.dealt, done.failed), (2, 1));
    assert!(
        done.failures[0].why.contains("malformed"),
        "{:?}",
        done.failures
    );

    let (status, refused) = notifier
        .post("/v1/dead-letter-jobs", json!({"kind": "discard"}))
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused["field"], "reason");
    let all_of_them = json!({"kind": "discard", "reason": "by mistake"});
    let (status, refused) = notifier.post("/v1/dead-letter-jobs", all_of_them).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused["field"], "filter");
    let discard = json!({"kind": "discard", "filter": {"class": "pipeline"}, "reason": "seen"});
    let begun = begin(&notifier, discard).await;
    let done = until(&notifier, begun.id, "done").await;
    assert_eq!((done.selected, done.dealt), (1, 1));
    let (_, page) = notifier
        .get("/v1/dead-letters/export?state=discarded")
        .await;
    assert_eq!(page["letters"][0]["closed_reason"], "seen");
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_listed_and_exported_by_filter() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    dead(&world, &notifier, 2).await;
    let mut odd = envelope();
    odd.notification.business_key = "refund 7".parse().unwrap();
    odd.notification.event_type = "refund".parse().unwrap();
    world.send(&odd).await;
    let tx_no = odd.notification.tx_no;
    notifier.until(tx_no, "dead").await;
    let died_ms = notifier.letters().await.letters[2].died_ms;
    let (ending, soon) = (&tx_no.to_string()[30..], died_ms + 1);
    for (query, expected) in [
        ("event_type=refund".to_owned(), 1),
        ("key=refund%207".to_owned(), 1),
        (format!("key={ending}"), 1),
        (
            "endpoint=bank2&class=receiver&reason=rejected".to_owned(),
            3,
        ),
        ("class=pipeline".to_owned(), 0),
        ("group=other".to_owned(), 0),
        ("source=bank1&group=bank2".to_owned(), 3),
        (format!("since_ms={soon}"), 0),
        (format!("until_ms={soon}"), 3),
        (format!("since_ms={died_ms}&event_type=refund"), 1),
    ] {
        for path in ["/v1/dead-letters", "/v1/dead-letters/export"] {
            let (status, page) = notifier.get(&format!("{path}?state=open&{query}")).await;
            assert_eq!(status, StatusCode::OK, "{page}");
            assert_eq!(
                page["letters"].as_array().unwrap().len(),
                expected,
                "{path} {query}"
            );
        }
    }
    let (_, page) = notifier.get("/v1/dead-letters/export?limit=2").await;
    let after = page["next"].as_str().unwrap();
    let (_, rest) = notifier
        .get(&format!("/v1/dead-letters/export?limit=2&after={after}"))
        .await;
    assert_eq!(rest["letters"].as_array().unwrap().len(), 1);
    let letter = &rest["letters"][0];
    assert_eq!(letter["tx_no"], json!(tx_no));
    assert_eq!(letter["body_text"], "{\"amount_fen\":1000}");
    assert_eq!(letter["origin_topic"], "topic_txmsg");
    let (status, _) = notifier.get("/v1/dead-letters?class=nobody").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_says_how_much_waits_for_whom_since_when() {
    let world = World::new().await;
    world.receiver.answer(503);
    let mut config = world.config();
    config.endpoints[0].ladder = Some("1h,1h".parse().unwrap());
    let notifier = Running::start(config).await;
    let (_, nothing) = notifier.get("/v1/pending").await;
    assert_eq!(nothing["waiting"], 0);
    let first = world.transfer().await;
    notifier.until(first, "waiting").await;
    let second = world.transfer().await;
    notifier.until(second, "waiting").await;
    let view = notifier.find(first).await.unwrap().notification;
    let (status, all) = notifier.get("/v1/pending").await;
    assert_eq!(status, StatusCode::OK, "{all}");
    assert_eq!(
        (&all["waiting"], &all["endpoints_waiting"]),
        (&json!(2), &json!(1))
    );
    let line = &all["endpoints"][0];
    assert_eq!(line["endpoint"], "bank2");
    assert_eq!(line["operation"], "open");
    assert_eq!(line["oldest_ms"], json!(view.accepted_ms));
    assert_eq!(line["next_due_ms"], json!(view.next_due_ms));
    assert_eq!(line["first"]["tx_no"], json!(first));
    assert_eq!(line["first"]["last_status"], 503);
    let (_, one) = notifier.get("/v1/pending?endpoint=bank2&limit=1").await;
    assert_eq!(one["notifications"].as_array().unwrap().len(), 1);
    let (_, other) = notifier.get("/v1/pending?endpoint=other").await;
    assert_eq!(other["waiting"], 0);
    notifier.stop().await;
}

/// Letters of this endpoint, which has rejected them.
async fn dead_of(world: &World, notifier: &Running, id: &str, many: usize) {
    let before = notifier.letters().await.total_open;
    for _ in 0..many {
        let mut envelope = envelope();
        envelope.notification.endpoint = Some(id.parse().unwrap());
        world.send(&envelope).await;
    }
    eventually("all are dead", async || {
        let open = notifier.letters().await.total_open;
        (open == before + u64::try_from(many).unwrap()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_for_several_endpoints_waits_for_none_of_them() {
    let world = World::new().await;
    let bad = Receiver::start().await;
    bad.answer(422);
    let config = || {
        let mut config = world.config();
        config.endpoints = vec![
            world.endpoint("held", &world.receiver),
            world.endpoint("bad", &bad),
            world.endpoint("good", &world.receiver),
        ];
        config.subscriptions = vec![subscription("bank2", "*")];
        config
    };
    let notifier = Running::start(config()).await;
    world.receiver.answer(422);
    // The held one's died first, so that they come first.
    for (id, many) in [("held", 70), ("good", 70), ("held", 3)] {
        dead_of(&world, &notifier, id, many).await;
    }
    world.receiver.answer(200);
    for (path, reason) in [
        ("/v1/endpoints/held/pause", json!({"reason": "a test"})),
        ("/v1/endpoints/held/repaired", json!({})),
        ("/v1/endpoints/good/repaired", json!({})),
    ] {
        let (status, body) = notifier.post(path, reason).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }
    // The newest answers of all are the bad one's, and say nothing about the others.
    dead_of(&world, &notifier, "bad", 5).await;
    let begun = begin(
        &notifier,
        json!({"kind": "resend", "all": true, "rate": "200/s"}),
    )
    .await;
    // The held one's wait, the bad one's are passed over, the good one's go.
    let waiting = eventually("the good one's are resent", async || {
        let job = job(&notifier, begun.id).await;
        (job.dealt == 70 && job.note.is_some()).then_some(job)
    })
    .await;
    assert_eq!(
        (waiting.selected, waiting.matched, waiting.failed),
        (148, 75, 5)
    );
    assert_eq!(waiting.state.as_str(), "running");
    let note = waiting.note.unwrap();
    assert!(note.contains("endpoint held is paused"), "{note}");

    // Another takes over: it deals with none a second time, and lists none twice.
    notifier.kill().await;
    let other = Running::start(config()).await;
    let (status, _) = other
        .post("/v1/endpoints/held/resume", json!({"reason": "over"}))
        .await;
    assert_eq!(status, StatusCode::OK);
    let done = until(&other, begun.id, "done").await;
    assert_eq!((done.matched, done.dealt, done.failed), (148, 143, 5));
    eventually("all are delivered", async || {
        let fate = job(&other, begun.id).await.fate.unwrap();
        (fate.delivered == 143).then_some(())
    })
    .await;
    assert_eq!(other.letters().await.total_open, 5, "the bad one's stay");
    for call in world.receiver.calls().iter().skip(143) {
        assert_eq!(call.generation, 1);
    }
    assert_eq!(bad.calls().len(), 5);
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_jobs_begin_than_are_looked_at() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    dead(&world, &notifier, 1).await;
    let (paused, _) = notifier
        .post("/v1/endpoints/bank2/pause", json!({"reason": "over night"}))
        .await;
    assert_eq!(paused, StatusCode::OK);
    let asked = json!({"kind": "resend", "all": true, "anyway": true});
    let first = begin(&notifier, asked.clone()).await;
    for _ in 1..64 {
        begin(&notifier, asked.clone()).await;
    }
    let (status, refused) = notifier.post("/v1/dead-letter-jobs", asked.clone()).await;
    assert_eq!(status, StatusCode::CONFLICT, "{refused}");
    assert_eq!(refused["limit"], "64 at a time");
    let path = format!("/v1/dead-letter-jobs/{}", first.id);
    let (stopped, _) = notifier.post(&format!("{path}/stop"), json!({})).await;
    assert_eq!(stopped, StatusCode::OK);
    begin(&notifier, asked).await;
    let (resumed, _) = notifier.post(&format!("{path}/resume"), json!({})).await;
    assert_eq!(resumed, StatusCode::CONFLICT);
    notifier.stop().await;
}
