//! Several brokers behind one route: one dead from the start, one that dies and comes back, one that
//! no answer names for a while, one that moves, and proxies that live while a broker behind them does not.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rocketmq::{
    Client, Consumer, ConsumerConfig, ErrorKind, Message, Producer, TransactionConfig,
    TransactionProducer,
};
use tokio::time::Instant;

use crate::fake::{Call, Fake, GROUP, TOPIC, client_of, eventually};

/// How soon a broker that is back has to be used again.
const USED_AGAIN: Duration = Duration::from_secs(30);

fn sends(fake: &Fake) -> usize {
    fake.count(|call| matches!(call, Call::Send(_)))
}

/// Two brokers, each of which tells of both.
async fn two_brokers() -> (Fake, Fake) {
    let (one, two) = (Fake::start().await, Fake::start().await);
    for fake in [&one, &two] {
        fake.script().route = vec![
            ("broker-a".to_owned(), vec![one.address]),
            ("broker-b".to_owned(), vec![two.address]),
        ];
    }
    (one, two)
}

/// Two proxies, each of which serves both brokers.
async fn two_proxies() -> (Fake, Fake) {
    let (one, two) = (Fake::start().await, Fake::start().await);
    let both = vec![one.address, two.address];
    for fake in [&one, &two] {
        fake.script().route = vec![
            ("broker-a".to_owned(), both.clone()),
            ("broker-b".to_owned(), both.clone()),
        ];
    }
    (one, two)
}

fn client(fakes: &[&Fake]) -> Client {
    let addresses: Vec<SocketAddr> = fakes.iter().map(|fake| fake.address).collect();
    client_of(&addresses, Duration::from_secs(3))
}

async fn consumer(client: &Client) -> Consumer {
    let config = ConsumerConfig {
        group: GROUP.to_owned(),
        topic: TOPIC.to_owned(),
        long_poll: Duration::from_secs(5),
        ..ConsumerConfig::default()
    };
    Consumer::start(client, config).await.unwrap()
}

/// Takes what comes until it is `id`, and acks it.
async fn receives(consumer: &Consumer, id: &str) {
    let receiving = async {
        loop {
            for delivery in consumer.next().await.expect("it was not stopped") {
                let found = delivery.message().message_id == id;
                delivery.ack().await.unwrap();
                if found {
                    return;
                }
            }
        }
    };
    let received = tokio::time::timeout(USED_AGAIN, receiving).await;
    assert!(
        received.is_ok(),
        "{id} was not received within {USED_AGAIN:?}"
    );
}

/// Sends until `fake` has taken one more; none may fail. How long that took, and the slowest send.
async fn sends_until_it_takes_one(producer: &Producer, fake: &Fake) -> (Duration, Duration) {
    let (began, before) = (Instant::now(), sends(fake));
    let mut slowest = Duration::ZERO;
    while sends(fake) == before {
        assert!(began.elapsed() < USED_AGAIN, "not used for {USED_AGAIN:?}");
        let one = Instant::now();
        producer.send(Message::new(TOPIC, "x")).await.unwrap();
        slowest = slowest.max(one.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (began.elapsed(), slowest)
}

#[tokio::test]
async fn a_broker_that_is_dead_at_the_start_is_used_once_it_is_there() {
    let (one, mut two) = two_brokers().await;
    two.die().await;
    let client = client(&[&two, &one]);
    let producer = Producer::start(&client, vec![]).await.unwrap();
    let consumer = consumer(&client).await;
    one.put("m-one", b"x");
    receives(&consumer, "m-one").await;
    for _ in 0..10 {
        producer.send(Message::new(TOPIC, "x")).await.unwrap();
    }
    assert_eq!(sends(&one), 10, "the living one takes all");

    two.listen().await;
    two.put("m-two", b"x");
    receives(&consumer, "m-two").await;
    let (after, _) = sends_until_it_takes_one(&producer, &two).await;
    println!("sent to {after:?} after the first message from it was received");
    consumer.close().await;
}

#[tokio::test]
async fn a_broker_that_dies_under_load_fails_no_send_and_is_used_again_when_it_is_back() {
    let (one, mut two) = two_brokers().await;
    let client = client(&[&one, &two]);
    let producer = Producer::start(&client, vec![]).await.unwrap();
    let consumer = consumer(&client).await;
    sends_until_it_takes_one(&producer, &two).await;
    two.put("before", b"x");
    receives(&consumer, "before").await;

    two.die().await;
    let taken = sends(&two);
    let mut slowest = Duration::ZERO;
    for number in 0..100 {
        let began = Instant::now();
        producer.send(Message::new(TOPIC, "x")).await.unwrap();
        slowest = slowest.max(began.elapsed());
        if number % 10 == 0 {
            let id = format!("meanwhile-{number}");
            one.put(&id, b"x");
            receives(&consumer, &id).await;
        }
    }
    assert!(
        slowest < Duration::from_secs(2),
        "a connection that is refused is no reason to wait: {slowest:?}"
    );

    assert_eq!(sends(&two), taken, "it was not dead");
    two.listen().await;
    let back = Instant::now();
    sends_until_it_takes_one(&producer, &two).await;
    two.put("after", b"x");
    receives(&consumer, "after").await;
    println!(
        "slowest send {slowest:?}; used again after {:?}",
        back.elapsed()
    );
    assert!(back.elapsed() < USED_AGAIN);
    consumer.close().await;
}

#[tokio::test]
async fn a_broker_that_no_answer_names_for_a_while_is_polled_all_the_same() {
    let (one, two) = two_brokers().await;
    let client = client(&[&one, &two]);
    let consumer = consumer(&client).await;
    two.put("before", b"x");
    receives(&consumer, "before").await;
    for fake in [&one, &two] {
        let mut script = fake.script();
        script.route.pop();
        script.unassigned.push("broker-b".to_owned());
    }
    // Asked for at most every 5 s; the second question comes when the first answer has been heeded.
    for fake in [&one, &two] {
        fake.state.routes_asked.store(0, Ordering::SeqCst);
    }
    eventually("two routes without broker-b", || {
        let asked = |fake: &Fake| fake.state.routes_asked.load(Ordering::SeqCst);
        asked(&one) + asked(&two) >= 2
    })
    .await;
    two.put("after", b"x");
    receives(&consumer, "after").await;
    consumer.close().await;
}

#[tokio::test]
async fn proxies_that_serve_the_same_brokers_are_both_used() {
    let (one, two) = two_proxies().await;
    let client = client(&[&one, &two]);
    let producer = Producer::start(&client, vec![]).await.unwrap();
    let consumer = consumer(&client).await;
    for _ in 0..20 {
        producer.send(Message::new(TOPIC, "x")).await.unwrap();
    }
    assert_eq!((sends(&one), sends(&two)), (10, 10));
    eventually("polls at both", || {
        let begun = |fake: &Fake| fake.state.polls_begun.load(Ordering::SeqCst);
        begun(&one) > 0 && begun(&two) > 0
    })
    .await;
    consumer.close().await;
}

#[tokio::test]
async fn an_error_of_the_server_is_tried_again_a_message_until_the_deadline_a_half_four_times() {
    let fake = Fake::start().await;
    let client = client(&[&fake]);
    let producer = Producer::start(&client, vec![]).await.unwrap();
    producer.send(Message::new(TOPIC, "x")).await.unwrap();
    // The route is known from here on, so each of these is a send.
    fake.script().broker_away = 3;
    producer.send(Message::new(TOPIC, "x")).await.unwrap();
    let config = TransactionConfig::default();
    let halves = TransactionProducer::start(&client, config, None)
        .await
        .unwrap();
    fake.script().broker_away = 3;
    let half = halves.begin(Message::new(TOPIC, "x")).await.unwrap();
    half.commit().await.unwrap();

    fake.script().broker_away = usize::MAX;
    let (began, before) = (Instant::now(), sends(&fake));
    let error = producer.send(Message::new(TOPIC, "x")).await.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Rejected { code: 50_001, message } if message.contains("10911")),
        "{error}"
    );
    assert!(!error.may_have_been_stored());
    assert!(began.elapsed() < Duration::from_secs(5));
    let tries = sends(&fake) - before;
    assert!(
        (5..25).contains(&tries),
        "until the deadline, and pauses between the tries grow: {tries} were made in 3 s"
    );
    let before = sends(&fake);
    halves.begin(Message::new(TOPIC, "x")).await.unwrap_err();
    assert_eq!(
        sends(&fake) - before,
        4,
        "two for its endpoint, and two more"
    );
}

/// As behind a proxy that waits for a broker which is gone, and hands the next send to another.
#[tokio::test]
async fn a_send_that_hangs_is_tried_beside_at_the_same_address() {
    let fake = Fake::start().await;
    let client = client(&[&fake]);
    let producer = Producer::start(&client, vec![]).await.unwrap();
    let halves = TransactionProducer::start(&client, TransactionConfig::default(), None)
        .await
        .unwrap();

    fake.script().hanging = 0..1;
    let half = halves.begin(Message::new(TOPIC, "x")).await.unwrap();
    half.commit().await.unwrap();
    assert_eq!(sends(&fake), 2);

    fake.script().hanging = 2..3;
    producer.send(Message::new(TOPIC, "x")).await.unwrap();
    assert_eq!(sends(&fake), 4);
}

#[tokio::test]
async fn a_server_that_is_slow_still_answers_the_first_try() {
    let fake = Fake::start().await;
    let client = client(&[&fake]);
    let config = TransactionConfig::default();
    let halves = TransactionProducer::start(&client, config, None)
        .await
        .unwrap();
    fake.state.sends_pass.close();
    fake.script().hanging = 1..usize::MAX;
    let (half, ()) = tokio::join!(halves.begin(Message::new(TOPIC, "x")), async {
        eventually("the second try", || sends(&fake) == 2).await;
        fake.state.sends_pass.open();
    });
    let calls = fake.calls();
    let first = calls.iter().find_map(|call| match call {
        Call::Send(message) => message.system_properties.as_ref(),
        _ => None,
    });
    assert_eq!(half.unwrap().message_id(), first.unwrap().message_id);
}

#[tokio::test]
async fn a_half_that_nobody_answers_is_begun_twice_at_an_address_and_may_be_stored() {
    let fake = Fake::start().await;
    let client = client(&[&fake]);
    let config = TransactionConfig::default();
    let halves = TransactionProducer::start(&client, config, None)
        .await
        .unwrap();
    fake.script().hanging = 0..usize::MAX;
    let began = Instant::now();
    let error = halves.begin(Message::new(TOPIC, "x")).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout { .. }), "{error}");
    assert!(error.may_have_been_stored());
    assert!(began.elapsed() >= Duration::from_secs(3), "its whole time");
    assert_eq!(sends(&fake), 2);
}

#[tokio::test]
async fn a_broker_that_is_busy_is_asked_again_until_the_deadline_also_with_a_half() {
    let fake = Fake::start().await;
    let client = client(&[&fake]);
    let config = TransactionConfig::default();
    let halves = TransactionProducer::start(&client, config, None)
        .await
        .unwrap();
    fake.script().busy = 6;
    let half = halves.begin(Message::new(TOPIC, "x")).await.unwrap();
    half.commit().await.unwrap();
    assert_eq!(sends(&fake), 7);

    fake.script().busy = usize::MAX;
    let error = halves.begin(Message::new(TOPIC, "x")).await.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Rejected { code: 42_900, .. }),
        "{error}"
    );
    assert!(!error.may_have_been_stored());
    let tries = sends(&fake) - 7;
    assert!(
        (5..25).contains(&tries),
        "pauses between the tries grow: {tries} were made in 3 s"
    );
}

#[tokio::test]
async fn an_assignment_is_asked_of_the_next_proxy_when_one_hangs_or_has_no_broker() {
    let (hanging, other) = two_proxies().await;
    hanging.state.assignments_pass.close();
    let addresses = [hanging.address, other.address];
    let patient = client_of(&addresses, Duration::from_secs(6));
    other.put("one", b"x");
    hanging.put("one", b"x");
    let receiving = consumer(&patient).await;
    let began = Instant::now();
    receives(&receiving, "one").await;
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "the one that hangs had the whole deadline: {:?}",
        began.elapsed()
    );
    receiving.close().await;

    let (away, other) = two_proxies().await;
    away.script().broker_away = usize::MAX;
    other.put("two", b"x");
    away.put("two", b"x");
    let receiving = consumer(&client(&[&away, &other])).await;
    let began = Instant::now();
    receives(&receiving, "two").await;
    assert!(began.elapsed() < Duration::from_secs(3));
    receiving.close().await;
}

#[tokio::test]
async fn a_broker_that_moves_is_followed_while_another_one_fails() {
    let (teller, failing) = (Fake::start().await, Fake::start().await);
    let (old, new) = (Fake::start().await, Fake::start().await);
    let broker_b_is_at = |fake: &Fake| {
        for told in [&teller, &old, &new] {
            told.script().route = vec![
                ("broker-a".to_owned(), vec![failing.address]),
                ("broker-b".to_owned(), vec![fake.address]),
            ];
        }
    };
    broker_b_is_at(&old);
    failing.script().broker_away = usize::MAX;
    let consumer = consumer(&client(&[&teller])).await;
    old.put("before", b"x");
    receives(&consumer, "before").await;

    broker_b_is_at(&new);
    new.put("after", b"x");
    receives(&consumer, "after").await;
    eventually("the session with the old address is ended", || {
        old.state.streams_open.load(Ordering::SeqCst) == 0
    })
    .await;
    consumer.close().await;
}
