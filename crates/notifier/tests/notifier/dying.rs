//! What dies, where it is kept, and how an operator brings it back.

use notification::{LetterState, TxNo, message};
use reqwest::StatusCode;
use rocketmq::Message;
use serde_json::json;
use service::clock;

use crate::support::{Behaviour, Running, World, alarms, bare, envelope, eventually, listen};

/// Waits until the letter is in the broker's dead-letter topic and says so.
async fn until_forwarded(notifier: &Running, tx_no: TxNo) {
    let path = format!("/v1/dead-letters/{tx_no}");
    eventually("the letter forwarded", async || {
        let (status, letter) = notifier.get(&path).await;
        (status == StatusCode::OK && letter["forwarded_ms"].is_i64()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_three_times_it_is_dead_and_the_dead_letter_topic_holds_it() {
    let world = World::new().await;
    world.receiver.answer(500);
    let notifier = world.notifier().await;
    let tx_no = world.transfer().await;
    let view = notifier.until(tx_no, "dead").await;
    assert_eq!(view.attempts.len(), 3);
    assert_eq!(view.letters[0].reason.as_str(), "ladder_used_up");
    until_forwarded(&notifier, tx_no).await;
    assert_eq!(world.dead(), 1);
    assert_eq!(world.left("bank2"), 0);
    let page = notifier.letters().await;
    assert_eq!((page.total_open, page.letters.len()), (1, 1));
    assert_eq!(page.letters[0].attempts, 3);
    assert_eq!(page.letters[0].last_status, Some(500));
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_is_dead_at_once() {
    let world = World::new().await;
    world.receiver.answer(422);
    let notifier = world.notifier().await;
    let tx_no = world.transfer().await;
    let view = notifier.until(tx_no, "dead").await;
    assert_eq!(view.attempts.len(), 1);
    assert_eq!(view.letters[0].reason.as_str(), "rejected");
    until_forwarded(&notifier, tx_no).await;
    assert_eq!(world.dead(), 1);
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_message_dies_unrung_and_keeps_what_it_said() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    let message = Message::new("topic_txmsg", "not for anybody");
    let tx_no = clock::now_ms();
    world
        .send_message(message.property(message::FORMAT, "1"))
        .await;
    let letter = eventually("the letter", async || {
        notifier.letters().await.letters.into_iter().next()
    });
    let letter = letter.await;
    assert_eq!(letter.reason.as_str(), "malformed");
    assert_eq!(letter.class.as_str(), "pipeline");
    assert!(letter.id.starts_with("bank2/-/"), "{}", letter.id);
    let made_ms = i64::try_from(letter.tx_no.unix_ms()).unwrap();
    assert!((made_ms - tx_no).abs() < 60_000, "derived from the message");
    until_forwarded(&notifier, letter.tx_no).await;
    assert_eq!((world.dead(), world.receiver.calls().len()), (1, 0));
    let path = format!("/v1/dead-letters/{}", letter.tx_no);
    let (_, detail) = notifier.get(&path).await;
    assert_eq!(detail["body_base64"], "bm90IGZvciBhbnlib2R5");
    // Sent anew it would be malformed again.
    let (status, _) = notifier
        .post(&format!("{path}/resend"), json!({"anyway": true}))
        .await;
    assert_eq!(status, StatusCode::CONFLICT);
    let (status, _) = notifier.post(&format!("{path}/forward"), json!({})).await;
    assert_eq!(status, StatusCode::CONFLICT);
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_topic_gets_again_what_its_letter_holds_and_nobody_is_rung() {
    let world = World::new().await;
    world.receiver.answer(422);
    let mut config = world.config();
    // Another group of the topic hears nothing of it.
    config
        .subscriptions
        .push(crate::support::subscription("other", "bank2"));
    let notifier = Running::start(config).await;
    let tx_no = world.transfer().await;
    let path = format!("/v1/dead-letters/bank2%2Fbank1%2F{tx_no}%2F0");
    eventually("both groups' letters, forwarded", async || {
        let (_, letter) = notifier.get(&path).await;
        let both = notifier.letters().await.letters.len() == 2;
        (both && letter["forwarded_ms"].is_i64()).then_some(())
    })
    .await;
    assert_eq!(world.dead(), 1);
    let calls = world.receiver.calls().len();
    let (status, body) = notifier
        .post(
            &format!("{path}/forward"),
            json!({"reason": "its disk is gone"}),
        )
        .await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    eventually("a second one in the topic, and said so", async || {
        let (_, letter) = notifier.get(&path).await;
        (world.dead() == 2 && letter["forwarded_ms"].is_i64()).then_some(())
    })
    .await;
    eventually("nothing left", async || {
        (world.left("bank2") + world.left("other") == 0).then_some(())
    })
    .await;
    assert_eq!(world.receiver.calls().len(), calls);
    assert_eq!(notifier.letters().await.total_open, 2);
    let (_, audit) = notifier.get("/v1/audit?action=forward").await;
    let line = &audit["entries"][0];
    assert_eq!(line["target"], format!("bank2/bank1/{tx_no}/0"), "{audit}");
    assert_eq!(line["reason"], "its disk is gone");

    // What is settled has no business there.
    let reason = json!({"reason": "settled by hand"});
    let (status, _) = notifier.post(&format!("{path}/discard"), reason).await;
    assert_eq!(status, StatusCode::OK);
    let (status, _) = notifier.post(&format!("{path}/forward"), json!({})).await;
    assert_eq!(status, StatusCode::CONFLICT);
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_a_newer_format_is_parked() {
    listen();
    let world = World::new().await;
    let notifier = world.notifier().await;
    let envelope = envelope();
    world
        .send_message(bare(&envelope).property(message::FORMAT, "2"))
        .await;
    let view = notifier.until(envelope.notification.tx_no, "waiting").await;
    assert_eq!(
        (view.notification.parks, view.notification.attempts),
        (1, 0)
    );
    assert!(world.receiver.calls().is_empty());
    assert_eq!(world.dead(), 0);
    let number = envelope.notification.tx_no.to_string();
    let told = alarms("unknown_format");
    assert!(told.iter().any(|line| line.contains(&number)), "{told:?}");
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resend_climbs_a_second_ladder_and_is_delivered() {
    let world = World::new().await;
    world.receiver.answer(422);
    let notifier = world.notifier().await;
    let tx_no = world.transfer().await;
    notifier.until(tx_no, "dead").await;
    until_forwarded(&notifier, tx_no).await;
    // The second generation is refused once, then taken.
    world
        .receiver
        .script(|call, before| match (call.generation, before) {
            (1, 1) => Behaviour::Answer(500),
            (1, _) => Behaviour::Answer(200),
            _ => Behaviour::Answer(422),
        });
    let path = format!("/v1/dead-letters/{tx_no}/resend");
    let (status, body) = notifier.post(&path, json!({"reason": "repaired"})).await;
    assert_eq!(
        (status, &body),
        (StatusCode::ACCEPTED, &json!({"generation": 1}))
    );
    let view = notifier.until(tx_no, "delivered").await;
    assert_eq!(
        (view.notification.generation, view.notification.attempts),
        (1, 2)
    );
    let attempts: Vec<(u32, u32)> = view
        .attempts
        .iter()
        .map(|a| (a.generation, a.number))
        .collect();
    assert_eq!(attempts, [(0, 1), (1, 1), (1, 2)]);
    assert_eq!(view.letters[0].state, LetterState::Closed);
    // The same body, signed for the same number, and nothing is left to send.
    let calls = world.receiver.calls_of(tx_no);
    assert_eq!(calls[0].body, calls[2].body);
    let record = world.record().await;
    let mut db = record.read().await.unwrap();
    let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM send_request")
        .fetch_one(&mut *db)
        .await
        .unwrap();
    assert_eq!(left, 0);
    // It can't be sent a third time: the letter is closed.
    let (status, _) = notifier.post(&path, json!({"anyway": true})).await;
    assert_eq!(status, StatusCode::CONFLICT);
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resend_is_for_its_own_group_alone() {
    let world = World::new().await;
    let mut config = world.config();
    config
        .subscriptions
        .push(crate::support::subscription("other", "bank2"));
    world
        .receiver
        .script(|_, before| Behaviour::Answer(if before == 0 { 422 } else { 200 }));
    let notifier = Running::start(config).await;
    let tx_no = world.transfer().await;
    let letter = eventually("one group's letter", async || {
        notifier.letters().await.letters.into_iter().next()
    });
    let letter = letter.await;
    let id = letter.id.replace('/', "%2F");
    let path = format!("/v1/dead-letters/{id}/resend");
    let (status, _) = notifier.post(&path, json!({})).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    eventually("both groups delivered", async || {
        let asked = json!({"source": "bank1", "tx_nos": [tx_no]});
        let (_, body) = notifier.post("/v1/notifications/states", asked).await;
        let states = body["states"].as_array().unwrap();
        let all = states.len() == 2 && states.iter().all(|s| s["state"] == "delivered");
        all.then_some(())
    })
    .await;
    eventually("nothing left", async || {
        (world.left("bank2") + world.left("other") == 0).then_some(())
    })
    .await;
    let generations: Vec<u32> = world
        .receiver
        .calls_of(tx_no)
        .iter()
        .map(|call| call.generation)
        .collect();
    assert_eq!(
        generations,
        [0, 0, 1],
        "one group's, the other's, the resend"
    );
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resend_is_refused_while_the_endpoint_fails_and_not_after_its_repair() {
    let world = World::new().await;
    world.receiver.answer(500);
    let notifier = world.notifier().await;
    let tx_no = world.transfer().await;
    let other = world.transfer().await;
    notifier.until(tx_no, "dead").await;
    notifier.until(other, "dead").await;
    let resend = format!("/v1/dead-letters/{tx_no}/resend");
    let (status, body) = notifier.post(&resend, json!({})).await;
    assert_eq!(status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(body["detail"], "endpoint bank2's last 4 answers were 500");
    world.receiver.answer(200);
    let (status, _) = notifier
        .post("/v1/endpoints/elsewhere/repaired", json!({}))
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, body) = notifier
        .post("/v1/endpoints/bank2/repaired", json!({}))
        .await;
    assert_eq!(
        (status, &body["endpoint"]),
        (StatusCode::OK, &json!("bank2"))
    );
    let (status, _) = notifier.post(&resend, json!({})).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    // Once only: its letter is not open any more.
    let (status, _) = notifier.post(&resend, json!({})).await;
    assert_eq!(status, StatusCode::CONFLICT);
    notifier.until(tx_no, "delivered").await;
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discarded_letter_stays_dead() {
    let world = World::new().await;
    world.receiver.answer(410);
    let notifier = world.notifier().await;
    let tx_no = world.transfer().await;
    notifier.until(tx_no, "dead").await;
    let path = format!("/v1/dead-letters/{tx_no}");
    let (status, _) = notifier
        .post(&format!("{path}/discard"), json!({"reason": " "}))
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let reason = json!({"reason": "the merchant closed"});
    let (status, _) = notifier
        .post(&format!("{path}/discard"), reason.clone())
        .await;
    assert_eq!(status, StatusCode::OK);
    for action in ["discard", "resend"] {
        let body = if action == "discard" {
            reason.clone()
        } else {
            json!({})
        };
        let (status, _) = notifier.post(&format!("{path}/{action}"), body).await;
        assert_eq!(status, StatusCode::CONFLICT, "{action}");
    }
    let (_, detail) = notifier.get(&path).await;
    assert_eq!(detail["state"], "discarded");
    let view = notifier.find(tx_no).await.unwrap();
    assert_eq!(view.notification.state.as_str(), "dead");
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_from_a_stale_list_touches_no_newer_letter() {
    let world = World::new().await;
    world.receiver.answer(422);
    let notifier = world.notifier().await;
    let tx_no = world.transfer().await;
    notifier.until(tx_no, "dead").await;
    let resend = format!("/v1/dead-letters/{tx_no}/resend");
    let (status, _) = notifier.post(&resend, json!({"anyway": true})).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    eventually("the second letter", async || {
        let letters = notifier.letters().await.letters;
        letters.iter().any(|l| l.id.ends_with("/1")).then_some(())
    })
    .await;
    let whole = |generation| format!("/v1/dead-letters/bank2%2Fbank1%2F{tx_no}%2F{generation}");
    for (action, body) in [
        ("discard", json!({"reason": "old"})),
        ("resend", json!({"anyway": true})),
    ] {
        let (status, answer) = notifier.post(&format!("{}/{action}", whole(0)), body).await;
        assert_eq!(status, StatusCode::CONFLICT, "{action} {answer}");
    }
    assert_eq!(notifier.letters().await.letters.len(), 1, "still open");
    let discard = format!("{}/discard", whole(1));
    let (status, _) = notifier.post(&discard, json!({"reason": "seen"})).await;
    assert_eq!(status, StatusCode::OK);
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_makes_no_message_of_its_format_is_not_resent() {
    let world = World::new().await;
    world.receiver.answer(422);
    let notifier = world.notifier().await;
    let tx_no = world.transfer().await;
    notifier.until(tx_no, "dead").await;
    let record = world.record().await;
    let path = format!("/v1/dead-letters/{tx_no}/resend");
    for broken in [
        "UPDATE dead_letter SET format = 0",
        "UPDATE dead_letter SET format = 1, event_type = ''",
    ] {
        let mut db = record.write().await.unwrap();
        sqlx::query(broken).execute(&mut *db).await.unwrap();
        drop(db);
        let (status, answer) = notifier.post(&path, json!({"anyway": true})).await;
        assert_eq!(status, StatusCode::CONFLICT, "{broken} {answer}");
        let view = notifier.find(tx_no).await.unwrap();
        assert_eq!(view.notification.state.as_str(), "dead");
        assert_eq!(view.notification.generation, 0);
    }
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_copy_that_claims_anothers_number_dies_by_itself() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    let envelope = envelope();
    let tx_no = envelope.notification.tx_no;
    world.send(&envelope).await;
    notifier.until(tx_no, "delivered").await;
    let mut message = bare(&envelope);
    message.properties.remove(message::EVENT_TYPE);
    world.send_message(message).await;
    let letter = eventually("the letter", async || {
        notifier.letters().await.letters.into_iter().next()
    });
    let letter = letter.await;
    assert!(letter.id.starts_with("bank2/-/"), "{}", letter.id);
    assert_ne!(letter.tx_no, tx_no);
    until_forwarded(&notifier, letter.tx_no).await;
    let view = notifier.find(tx_no).await.unwrap();
    assert_eq!(view.notification.state.as_str(), "delivered");
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_copy_that_comes_first_takes_nobodys_number() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    let envelope = envelope();
    let mut message = bare(&envelope);
    message.properties.remove(message::EVENT_TYPE);
    world.send_message(message).await;
    let letter = eventually("the letter", async || {
        notifier.letters().await.letters.into_iter().next()
    });
    until_forwarded(&notifier, letter.await.tx_no).await;
    // Its initiator is mended, and sends what it meant.
    world.send(&envelope).await;
    let view = notifier
        .until(envelope.notification.tx_no, "delivered")
        .await;
    assert_eq!(view.notification.attempts, 1);
    assert_eq!((world.receiver.calls().len(), world.dead()), (1, 1));
    notifier.stop().await;
}
