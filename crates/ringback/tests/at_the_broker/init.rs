//! `ringback init`: what is missing is made, a second run finds nothing to do, and no message is received by it or
//! passed over.

use std::path::Path;
use std::time::Duration;

use ringback::config::File;
use ringback::setup::{self, Action, Found, History, Wanted, carry_out};
use rocketmq::Message;

use crate::stage::{GROUP, Stage, TOPIC};

const TOML: &str = r#"
[[endpoint]]
id = "bank2"
url = "http://127.0.0.1:1/"
secrets = ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]
ladder = "10s,30s"

[[subscription]]
group = "bank2"
topic = "topic_txmsg"
endpoint = "bank2"
"#;

fn wanted() -> Wanted {
    let file = File::parse(TOML, Path::new("ringback.toml")).unwrap();
    setup::wanted(&file, None).unwrap()
}

impl Stage {
    async fn found(&self) -> Found {
        carry_out::read(&self.admin, &wanted()).await.unwrap()
    }

    /// One run of `init`: what it did.
    async fn init(&self, history: History) -> Vec<Action> {
        let changes = setup::plan(&wanted(), &self.found().await, history).unwrap();
        for step in changes.iter().filter_map(|change| change.step.as_ref()) {
            carry_out::carry_out(&self.admin, step).await.unwrap();
        }
        changes.iter().map(|change| change.action).collect()
    }

    /// A topic with three messages, and no group.
    async fn with_history() -> Self {
        let stage = Self::empty().await;
        let changes = setup::plan(&wanted(), &stage.found().await, History::Received).unwrap();
        let topic = changes[0].step.as_ref().unwrap();
        carry_out::carry_out(&stage.admin, topic).await.unwrap();
        for body in ["one", "two", "three"] {
            stage.commit(Message::new(TOPIC, body)).await;
        }
        stage
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_made_once() {
    let stage = Stage::empty().await;
    assert_eq!(
        stage.init(History::Received).await,
        [Action::Created, Action::Created, Action::Begun]
    );
    let found = stage.found().await;
    assert_eq!(found.groups[0].delays, [10, 30].map(Duration::from_secs));
    assert_eq!(found.groups[0].retry_max_times, 1000);
    assert!(found.embedded);
    assert_eq!(stage.init(History::Received).await, [Action::Unchanged; 3]);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_begins_late_receives_what_lies_there() {
    let stage = Stage::with_history().await;
    let of = (GROUP.to_owned(), TOPIC.to_owned());
    let place = stage.found().await.places[&of];
    assert_eq!((place.open, place.history), (1, 3));
    assert_eq!(
        stage.init(History::Received).await,
        [Action::Unchanged, Action::Created, Action::Begun]
    );
    assert_eq!(stage.receive(3).await, ["one", "three", "two"]);
    // Who has its place keeps it.
    assert_eq!(stage.init(History::Received).await, [Action::Unchanged; 3]);
    stage.commit(Message::new(TOPIC, "four")).await;
    assert_eq!(stage.receive(1).await, ["four"]);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_shall_not_hear_of_the_past_begins_behind_it() {
    let stage = Stage::with_history().await;
    stage.init(History::Skipped).await;
    stage.commit(Message::new(TOPIC, "four")).await;
    assert_eq!(stage.receive(1).await, ["four"]);
    stage.stop().await;
}
