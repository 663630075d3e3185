//! Sending, with endpoints that are dead, hang or refuse.

use std::time::Duration;

use rocketmq::{
    Error, ErrorKind, Message, Producer, Retry, TransactionConfig, TransactionProducer,
};
use rocketmq_wire::v2;
use tokio::time::Instant;

use crate::fake::{Call, Fake, TOPIC, client_of, eventually, vacant};

fn sent(fake: &Fake) -> Vec<v2::SystemProperties> {
    let calls = fake.calls().into_iter();
    calls
        .filter_map(|call| match call {
            Call::Send(message) => message.system_properties,
            _ => None,
        })
        .collect()
}

async fn half_producer(client: &rocketmq::Client) -> TransactionProducer {
    let config = TransactionConfig {
        recovery: Duration::from_secs(5),
        ..Default::default()
    };
    TransactionProducer::start(client, config, None)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_message_arrives_as_it_was_written_with_a_fresh_id_each_time() {
    let fake = Fake::start().await;
    let producer = Producer::start(&fake.client(), vec![]).await.unwrap();
    let message = Message::new(TOPIC, "ten")
        .tag("credited")
        .key("tx1")
        .property("colour", "red");
    let first = producer.send(message.clone()).await.unwrap();
    let second = producer.send(message).await.unwrap();
    assert_ne!(first.message_id, second.message_id);
    let Some(Call::Send(arrived)) = fake
        .calls()
        .into_iter()
        .find(|call| matches!(call, Call::Send(_)))
    else {
        panic!("nothing was sent");
    };
    assert_eq!(&arrived.body[..], b"ten");
    assert_eq!(arrived.user_properties["colour"], "red");
    let system = arrived.system_properties.unwrap();
    assert_eq!(
        (system.tag.as_deref(), &system.keys[..]),
        (Some("credited"), &["tx1".to_owned()][..])
    );
    assert_eq!(system.message_id, first.message_id);
    assert!(
        system
            .born_timestamp
            .is_some_and(|born| born.seconds > 1_700_000_000)
    );
}

#[tokio::test]
async fn a_dead_endpoint_in_the_configuration_and_in_the_route_is_passed_over() {
    let fake = Fake::start().await;
    let vacant = vacant();
    let dead = vacant.local_addr().unwrap();
    fake.script().route = vec![("broker-a".to_owned(), vec![dead, fake.address])];
    let client = client_of(&[dead, fake.address], Duration::from_secs(3));
    let producer = Producer::start(&client, vec![]).await.unwrap();
    for _ in 0..5 {
        producer.send(Message::new(TOPIC, "x")).await.unwrap();
    }
    let half = half_producer(&client)
        .await
        .begin(Message::new(TOPIC, "x"))
        .await
        .unwrap();
    half.commit().await.unwrap();
    assert_eq!(sent(&fake).len(), 6);
}

#[tokio::test]
async fn an_endpoint_that_hangs_leaves_the_next_one_its_time() {
    let (hanging, fake) = (Fake::start().await, Fake::start().await);
    hanging.state.sends_pass.close();
    let route = vec![
        ("broker-a".to_owned(), vec![hanging.address]),
        ("broker-b".to_owned(), vec![fake.address]),
    ];
    fake.script().route = route;
    let client = client_of(&[fake.address], Duration::from_secs(1));
    let producer = Producer::start(&client, vec![]).await.unwrap();
    for _ in 0..4 {
        producer.send(Message::new(TOPIC, "x")).await.unwrap();
    }
    assert_eq!(sent(&fake).len(), 4);
    assert!(
        sent(&hanging).len() <= 2,
        "the one that hangs is asked last for a while"
    );
}

#[tokio::test]
async fn brokers_take_turns() {
    let (one, two) = (Fake::start().await, Fake::start().await);
    let route = vec![
        ("a".to_owned(), vec![one.address]),
        ("b".to_owned(), vec![two.address]),
    ];
    one.script().route = route;
    let producer = Producer::start(&one.client(), vec![]).await.unwrap();
    for _ in 0..10 {
        producer.send(Message::new(TOPIC, "x")).await.unwrap();
    }
    assert_eq!((sent(&one).len(), sent(&two).len()), (5, 5));
}

#[tokio::test]
async fn a_send_outlives_a_broker_that_restarts_within_the_deadline() {
    let mut fake = Fake::start().await;
    let producer = Producer::start(&fake.client(), vec![]).await.unwrap();
    producer.send(Message::new(TOPIC, "x")).await.unwrap();
    fake.die().await;
    let (sending, ()) = tokio::join!(producer.send(Message::new(TOPIC, "y")), async {
        // Nobody sees the tries that find nobody; this is the time for a few.
        tokio::time::sleep(Duration::from_millis(300)).await;
        fake.listen().await;
    });
    sending.unwrap();
}

#[tokio::test]
async fn with_nobody_there_a_send_ends_by_its_deadline_and_a_half_at_once() {
    let vacant = vacant();
    let dead = vacant.local_addr().unwrap();
    let client = client_of(&[dead], Duration::from_millis(500));
    let began = Instant::now();
    let producer = Producer::start(&client, vec![]).await.unwrap();
    let error = producer.send(Message::new(TOPIC, "x")).await.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Unreachable { .. }),
        "{error}"
    );
    assert!(!error.may_have_been_stored(), "there was no connection");
    assert_eq!(error.retry(), Retry::Soon);
    assert!(began.elapsed() < Duration::from_secs(2));
    let error = half_producer(&client)
        .await
        .begin(Message::new(TOPIC, "x"))
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Unreachable { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_never_answers_is_a_timeout() {
    let fake = Fake::start().await;
    fake.state.sends_pass.close();
    let client = client_of(&[fake.address], Duration::from_millis(300));
    let producer = Producer::start(&client, vec![]).await.unwrap();
    let error = producer.send(Message::new(TOPIC, "x")).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout { .. }), "{error}");
    assert!(error.may_have_been_stored());
}

/// The fakes take what is sent to them whatever they answer; these answers do not say that it is not
/// stored.
#[tokio::test]
async fn a_half_that_may_have_been_stored_is_sent_at_most_twice_to_each_endpoint() {
    for code in [
        v2::Code::HaNotAvailable,
        v2::Code::ProxyTimeout,
        v2::Code::MasterPersistenceTimeout,
        v2::Code::SlavePersistenceTimeout,
    ] {
        let (one, two) = (Fake::start().await, Fake::start().await);
        one.script().route = vec![
            ("a".to_owned(), vec![one.address]),
            ("b".to_owned(), vec![two.address]),
        ];
        for fake in [&one, &two] {
            fake.script().send_status = Some(rocketmq_wire::status(code, "not on disk in time"));
        }
        let producer = half_producer(&one.client()).await;
        let error = producer.begin(Message::new(TOPIC, "x")).await.unwrap_err();
        assert!(error.may_have_been_stored(), "{error}");
        assert_eq!((sent(&one).len(), sent(&two).len()), (2, 2), "{code:?}");
    }
}

#[tokio::test]
async fn a_refusal_does_not_hide_that_an_earlier_try_may_have_been_stored() {
    let (one, two) = (Fake::start().await, Fake::start().await);
    one.script().route = vec![
        ("a".to_owned(), vec![one.address]),
        ("b".to_owned(), vec![two.address]),
    ];
    let answers = |code| Some(rocketmq_wire::status(code, "said so"));
    one.script().send_status = answers(v2::Code::MasterPersistenceTimeout);
    two.script().send_status = answers(v2::Code::InternalServerError);
    let producer = half_producer(&one.client()).await;
    let error = producer.begin(Message::new(TOPIC, "x")).await.unwrap_err();
    assert!(error.may_have_been_stored(), "{error}");
    assert_eq!(sent(&one).len(), 2);
    assert!(sent(&two).len() <= 4);

    two.script().send_status = answers(v2::Code::IllegalMessageTag);
    // The turns go on; of two halves one begins at the first broker.
    for _ in 0..2 {
        let before = sent(&one).len();
        let error = producer.begin(Message::new(TOPIC, "x")).await.unwrap_err();
        let first = sent(&one).len() > before;
        assert_eq!(error.may_have_been_stored(), first, "{error}");
    }
}

#[tokio::test]
async fn a_missing_topic_is_named_and_a_bad_message_is_not_even_sent() {
    let fake = Fake::start().await;
    let producer = Producer::start(&fake.client(), vec![]).await.unwrap();
    let field = |error: Error| match error.kind() {
        ErrorKind::Invalid { field, .. } => *field,
        other => panic!("{other}"),
    };
    assert_eq!(
        field(producer.send(Message::new("a b", "x")).await.unwrap_err()),
        "topic"
    );
    assert_eq!(
        field(producer.send(Message::new(TOPIC, "")).await.unwrap_err()),
        "body"
    );
    let large = Message::new(TOPIC, vec![0; (4 << 20) + 1]);
    assert!(matches!(
        producer.send(large).await.unwrap_err().kind(),
        ErrorKind::TooLarge { .. }
    ));
    assert!(sent(&fake).is_empty());
    fake.script().topic_missing = true;
    let error = producer.send(Message::new(TOPIC, "x")).await.unwrap_err();
    assert_eq!(
        error.kind(),
        &ErrorKind::TopicNotFound {
            topic: TOPIC.to_owned()
        }
    );
}

#[tokio::test]
async fn a_half_carries_its_recovery_time_and_ends_where_it_was_taken() {
    let (one, two) = (Fake::start().await, Fake::start().await);
    one.script().route = vec![
        ("a".to_owned(), vec![one.address]),
        ("b".to_owned(), vec![two.address]),
    ];
    let producer = half_producer(&one.client()).await;
    for _ in 0..6 {
        let half = producer.begin(Message::new(TOPIC, "x")).await.unwrap();
        half.commit().await.unwrap();
    }
    for fake in [&one, &two] {
        let (halves, ends) = (sent(fake), fake.ends());
        assert_eq!((halves.len(), ends.len()), (3, 3));
        for (half, end) in halves.iter().zip(&ends) {
            assert_eq!(half.message_type, i32::from(v2::MessageType::Transaction));
            assert_eq!(
                half.orphaned_transaction_recovery_duration.unwrap().seconds,
                5
            );
            assert_eq!(half.message_id, end.message_id);
            assert_eq!(end.source, i32::from(v2::TransactionSource::SourceClient));
            assert_eq!(end.resolution, i32::from(v2::TransactionResolution::Commit));
        }
    }
}

#[tokio::test]
async fn a_dropped_half_tells_the_broker_nothing() {
    let fake = Fake::start().await;
    let producer = half_producer(&fake.client()).await;
    drop(
        producer
            .begin(Message::new(TOPIC, "dropped"))
            .await
            .unwrap(),
    );
    let kept = producer.begin(Message::new(TOPIC, "kept")).await.unwrap();
    let kept_id = kept.message_id().to_owned();
    kept.rollback().await.unwrap();
    producer.close().await;
    eventually("the goodbye", || {
        fake.count(|call| matches!(call, Call::Goodbye)) == 1
    })
    .await;
    let ends = fake.ends();
    assert_eq!(ends.len(), 1, "only the half that was ended was ended");
    assert_eq!(ends[0].message_id, kept_id);
    assert_eq!(
        ends[0].resolution,
        i32::from(v2::TransactionResolution::Rollback)
    );
}

#[tokio::test]
async fn keys_beyond_what_a_message_may_carry_are_refused_by_name_before_they_are_sent() {
    let fake = Fake::start().await;
    let producer = Producer::start(&fake.client(), vec![]).await.unwrap();
    let halves = half_producer(&fake.client()).await;
    let with_keys = |bytes: usize| {
        let message = Message::new(TOPIC, "x")
            .tag("four")
            .property("name", "value");
        // Each is stored with a space behind it.
        message
            .key("k".repeat(1000))
            .key("k".repeat(bytes - 1000 - 2))
    };
    let most = 16 * 1024 - "four".len() - "name".len() - "value".len();
    producer.send(with_keys(most)).await.unwrap();
    let errors = [
        producer.send(with_keys(most + 1)).await.unwrap_err(),
        halves.begin(with_keys(most + 1)).await.unwrap_err(),
    ];
    for error in errors {
        let ErrorKind::Invalid { field: "keys", .. } = error.kind() else {
            panic!("{error}");
        };
        assert!(error.to_string().contains("16384"), "{error}");
    }
    assert_eq!(sent(&fake).len(), 1);
}
