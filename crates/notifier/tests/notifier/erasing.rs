//! Erasing what others wrote about one number, as an operator asks for it.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Behaviour, Running, World, eventually, subscription};

#[tokio::test(flavor = "multi_thread")]
async fn erasing_a_number_blanks_its_content_in_every_group_and_is_audited() {
    let world = World::new().await;
    let mut config = world.config();
    config.subscriptions.push(subscription("other", "bank2"));
    world
        .receiver
        .script(|_, before| Behaviour::Answer(if before == 0 { 422 } else { 200 }));
    let notifier = Running::start(config).await;
    let tx_no = world.transfer().await;
    eventually("both groups are done", async || {
        let asked = json!({"source": "bank1", "tx_nos": [tx_no]});
        let (_, body) = notifier.post("/v1/notifications/states", asked).await;
        let states = body["states"].as_array().unwrap();
        let over = states.iter().filter(|line| line["state"] != "waiting");
        (over.count() == 2).then_some(())
    })
    .await;
    let letter = notifier.letters().await.letters.pop().unwrap();
    let at = |tx_no: &str| format!("/v1/notifications/{tx_no}/content?reason=GDPR%204711");

    // Only whole numbers, and only such that there are.
    let ending = &tx_no.to_string()[28..];
    let (status, refused) = notifier.ask(Method::DELETE, &at(ending), None).await;
    assert_eq!(
        (status, &refused["field"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("tx_no"))
    );
    let strange = crate::support::envelope().notification.tx_no.to_string();
    let (status, _) = notifier.ask(Method::DELETE, &at(&strange), None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);

    let whole = at(&tx_no.to_string());
    let (status, erased) = notifier.ask(Method::DELETE, &whole, None).await;
    assert_eq!(status, StatusCode::OK, "{erased}");
    let mut groups: Vec<&str> = Vec::new();
    for record in erased["erased"].as_array().unwrap() {
        groups.push(record["group"].as_str().unwrap());
        assert_eq!(record["attempts"], 1);
    }
    assert_eq!(groups, ["bank2", "other"]);

    // What others wrote is gone, what became of it is not.
    for group in groups {
        let view = notifier.until_of(group, tx_no, "erased", |_| true).await;
        let (row, attempt) = (&view.notification, &view.attempts[0]);
        assert_ne!(row.state.as_str(), "waiting");
        assert_eq!((row.attempts, row.business_key.as_str()), (1, ""));
        assert_eq!((attempt.url.as_str(), &attempt.excerpt), ("", &None));
        assert!(attempt.status.is_some());
    }
    let id = letter.id.replace('/', "%2F");
    let (_, detail) = notifier.get(&format!("/v1/dead-letters/{id}")).await;
    assert_eq!(detail["body_base64"], "", "{detail}");
    let resend = format!("/v1/dead-letters/{id}/resend");
    let (status, _) = notifier.post(&resend, json!({"anyway": true})).await;
    assert_eq!(
        status,
        StatusCode::CONFLICT,
        "without its body it can't be sent"
    );

    // Each record's line says who, what and why.
    let (_, audit) = notifier.get("/v1/audit?action=erase").await;
    let lines = audit["entries"].as_array().unwrap();
    let mut targets: Vec<&str> = Vec::new();
    for line in lines {
        assert_eq!(line["reason"], "GDPR 4711");
        assert_eq!(line["operator"], "file");
        targets.push(line["target"].as_str().unwrap());
    }
    targets.sort_unstable();
    let expected = [
        format!("bank2/bank1/{tx_no}"),
        format!("other/bank1/{tx_no}"),
    ];
    assert_eq!(targets, expected);
    notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_is_not_erased_and_leaves_no_audit_line() {
    let world = World::new().await;
    world.receiver.answer(503);
    let mut config = world.config();
    config.endpoints[0].ladder = Some("1h".parse().unwrap());
    let notifier = Running::start(config).await;
    let tx_no = world.transfer().await;
    notifier.until(tx_no, "waiting").await;
    let path = format!("/v1/notifications/{tx_no}/content");
    let (status, refused) = notifier.ask(Method::DELETE, &path, None).await;
    assert_eq!(status, StatusCode::CONFLICT, "{refused}");
    assert_eq!(refused["limit"], "when it is delivered or dead");
    let view = notifier.find(tx_no).await.unwrap();
    assert_eq!(view.notification.business_key.as_str(), "transfer 10.00");
    assert_eq!(view.attempts[0].excerpt.as_deref(), Some("answer number 0"));
    let (_, audit) = notifier.get("/v1/audit?action=erase").await;
    assert_eq!(audit["entries"], json!([]));
    notifier.stop().await;
}
