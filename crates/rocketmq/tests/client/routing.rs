//! Routes, when some of those who know them are silent.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rocketmq::{ErrorKind, Message, Producer};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::fake::{Call, Fake, TOPIC, client_of};

fn sends(fake: &Fake) -> usize {
    fake.count(|call| matches!(call, Call::Send(_)))
}

#[tokio::test]
async fn a_configured_endpoint_that_hangs_leaves_the_next_one_its_time_to_tell_the_route() {
    let (hanging, fake) = (Fake::start().await, Fake::start().await);
    hanging.state.routes_pass.close();
    let client = client_of(&[hanging.address, fake.address], Duration::from_secs(2));
    let producer = Producer::start(&client, vec![]).await.unwrap();
    producer.send(Message::new(TOPIC, "x")).await.unwrap();
    assert_eq!(hanging.state.routes_asked.load(Ordering::SeqCst), 1);
    assert_eq!(sends(&fake), 1);
}

#[tokio::test]
async fn a_route_in_doubt_is_used_while_nobody_tells_a_newer_one() {
    let (hanging, fake) = (Fake::start().await, Fake::start().await);
    hanging.state.sends_pass.close();
    fake.script().route = vec![
        ("broker-a".to_owned(), vec![hanging.address]),
        ("broker-b".to_owned(), vec![fake.address]),
    ];
    let client = client_of(&[fake.address], Duration::from_secs(1));
    let producer = Producer::start(&client, vec![]).await.unwrap();
    // The first broker's turn: its silence puts the route in doubt.
    producer.send(Message::new(TOPIC, "x")).await.unwrap();
    assert_eq!(sends(&hanging), 1);
    fake.state.routes_pass.close();
    for _ in 0..3 {
        producer.send(Message::new(TOPIC, "x")).await.unwrap();
    }
    assert!(
        fake.state.routes_asked.load(Ordering::SeqCst) >= 2,
        "the route was not asked for again"
    );
}

#[tokio::test]
async fn what_was_not_sent_for_want_of_a_route_is_stored_by_nobody() {
    let fake = Fake::start().await;
    fake.state.routes_pass.close();
    let client = client_of(&[fake.address], Duration::from_millis(300));
    let producer = Producer::start(&client, vec![]).await.unwrap();
    let error = producer.send(Message::new(TOPIC, "x")).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout { .. }), "{error}");
    assert!(!error.may_have_been_stored());
    assert_eq!(sends(&fake), 0);

    // A connection that breaks under the question.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client_of(&[listener.local_addr().unwrap()], Duration::from_secs(1));
    let breaking = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_u8().await.ok();
        }
    });
    let producer = Producer::start(&client, vec![]).await.unwrap();
    let error = producer.send(Message::new(TOPIC, "x")).await.unwrap_err();
    breaking.abort();
    assert!(
        matches!(error.kind(), ErrorKind::Unreachable { .. }),
        "{error}"
    );
    assert!(!error.may_have_been_stored());
}

#[tokio::test]
async fn many_who_need_a_route_ask_for_it_once() {
    let fake = Fake::start().await;
    fake.state.routes_pass.close();
    let producer = Producer::start(&fake.client(), vec![]).await.unwrap();
    let sending =
        futures::future::join_all((0..20).map(|_| producer.send(Message::new(TOPIC, "x"))));
    let opening = async {
        crate::fake::eventually("the question", || {
            fake.state.routes_asked.load(Ordering::SeqCst) > 0
        })
        .await;
        fake.state.routes_pass.open();
    };
    let (sent, ()) = tokio::join!(sending, opening);
    assert!(sent.iter().all(Result::is_ok));
    assert_eq!(fake.state.routes_asked.load(Ordering::SeqCst), 1);
}
