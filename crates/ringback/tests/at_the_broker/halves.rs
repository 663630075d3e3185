//! Half messages, as `ringback half list` finds them.

use std::time::{Duration, Instant};

use ringback::half::{HalfMessage, Stage as HalfStage};
use rocketmq::Message;

use crate::stage::{Stage, TOPIC};

#[tokio::test(flavor = "multi_thread")]
async fn half_messages_are_in_flight_until_they_are_ended() {
    let stage = Stage::new().await;
    let begin = |body| stage.producer.begin(Message::new(TOPIC, body));
    let (committed, open) = (begin("one").await.unwrap(), begin("two").await.unwrap());
    let id = open.message_id().to_owned();
    committed.commit().await.unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    let halves = async || HalfMessage::all(&stage.admin.halves().await.unwrap());
    loop {
        let halves = halves().await;
        let ids: Vec<_> = halves.iter().map(|half| half.message_id.clone()).collect();
        if ids == [Some(id.clone())] {
            assert_eq!(halves[0].stage, HalfStage::InFlight);
            break;
        }
        assert!(Instant::now() < until, "{ids:?}");
        tokio::task::yield_now().await;
    }
    open.rollback().await.unwrap();
    while !halves().await.is_empty() {
        assert!(Instant::now() < until, "the ended one is gone");
    }
    stage.stop().await;
}
