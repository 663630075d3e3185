//! What `ringback doctor` reads of dead letters: the topics and the record, side by side.

use std::path::Path;

use database::{Config, Database};
use notification::message as property;
use ringback::config::File;
use ringback::doctor::gather;
use ringback::setup;
use rocketmq::Message;

use crate::stage::{GROUP, Stage, TOPIC};

const NUMBER: &str = "0198f3c2-7a41-7c10-9b1e-5d3f0a6c2e11";

#[tokio::test(flavor = "multi_thread")]
async fn what_the_topic_holds_without_a_letter_is_found_with_its_time() {
    let stage = Stage::new().await;
    let database = Config::sqlite(stage.data.path().join("notifier.sqlite"));
    let record = Database::open(&database).await.unwrap();
    record.migrate(&notifier::MIGRATIONS).await.unwrap();
    record.close().await;
    let file = format!(
        "[[endpoint]]\nid = \"e\"\nurl = \"http://127.0.0.1:1/\"\nsecrets = [\"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"]\n\
         [[subscription]]\ngroup = \"{GROUP}\"\ntopic = \"{TOPIC}\"\nendpoint = \"e\"\n"
    );
    let file = File::parse(&file, Path::new("ringback.toml")).unwrap();
    let wanted = setup::wanted(&file, None).unwrap();
    let before_ms = service::clock::now_ms();
    let ours = Message::new(TOPIC, "ours")
        .property(property::TX_NO, NUMBER)
        .property(property::SOURCE, "bank1");
    stage
        .dead(vec![ours, Message::new(TOPIC, "a stranger")])
        .await;
    let facts = gather::dead(&stage.admin, &wanted, &database)
        .await
        .unwrap();
    let id = (GROUP.to_owned(), "bank1".to_owned(), NUMBER.to_owned(), 0);
    let stored_ms = facts.in_topic[&id];
    assert!((before_ms..=service::clock::now_ms()).contains(&stored_ms));
    assert_eq!((facts.in_topic.len(), facts.strangers), (1, 1));
    assert!(facts.known.is_empty() && facts.forwarded.is_empty());
    stage.stop().await;
}
