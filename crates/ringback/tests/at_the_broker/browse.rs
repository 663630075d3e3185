//! What lies in the broker's dead-letter topics is read page by page, and nothing is consumed by reading.

use ringback::browse::{Cursor, DeadMessage, Walk};
use rocketmq::Message;

use crate::stage::{Stage, TOPIC};

const DLQ: &str = "%DLQ%bank2";

impl Stage {
    /// The bodies of at most `most` messages after a cursor, and where to go on.
    async fn page(&self, after: &Cursor, most: usize) -> (Vec<String>, Cursor) {
        let topics = [DLQ.to_owned()];
        let mut walk = Walk::begin(&self.admin, &topics, after).await.unwrap();
        let mut bodies = Vec::new();
        while bodies.len() < most
            && let Some(found) = walk.next().await.unwrap()
        {
            let dead = DeadMessage::read(&found.broker, &found.message);
            bodies.push(dead.body_text.unwrap());
        }
        (bodies, walk.cursor())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_topic_is_read_page_by_page_as_often_as_one_likes() {
    let stage = Stage::new().await;
    let (none, _) = stage.page(&Cursor::default(), 10).await;
    assert!(none.is_empty(), "a topic that is not there has no messages");
    let three = ["one", "two", "three"].map(|body| Message::new(TOPIC, body));
    stage.dead(three.into()).await;
    for _ in 0..2 {
        let (first, after) = stage.page(&Cursor::default(), 2).await;
        // As text, as it is passed on the command line.
        let (second, end) = stage.page(&after.to_string().parse().unwrap(), 2).await;
        let mut all = [first, second].concat();
        all.sort_unstable();
        assert_eq!(all, ["one", "three", "two"]);
        assert!(stage.page(&end, 2).await.0.is_empty());
    }
    stage.stop().await;
}
