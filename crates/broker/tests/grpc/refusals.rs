//! What is refused, with which code.

use std::time::Duration;

use rocketmq_wire::resource;
use rocketmq_wire::v2::{self, Code};

use crate::support::*;

#[tokio::test]
async fn every_call_needs_a_client_id() {
    let running = start(|_| {}).await;
    let mut client = running.client("any").await;
    let request = tonic::Request::new(v2::SendMessageRequest {
        messages: vec![message(NORMAL, "m", "x")],
    });
    let reply = client
        .grpc
        .send_message(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(code(reply.status), Code::ClientIdRequired);
    let request = tonic::Request::new(v2::QueryRouteRequest::default());
    let reply = client.grpc.query_route(request).await.unwrap().into_inner();
    assert_eq!(code(reply.status), Code::ClientIdRequired);
}

#[tokio::test]
async fn a_send_is_refused_as_apache_rocketmq_refuses_it() {
    let running = start(|_| {}).await;
    let mut client = running.client("producer").await;
    let plain = |topic: &str| message(topic, "m", "x");
    let large = || v2::Message {
        body: vec![0; 1 << 20].into(),
        ..plain(NORMAL)
    };
    let burdened = |mut message: v2::Message| {
        message.system_properties.as_mut().unwrap().keys = vec!["k".repeat(64 * 1024)];
        message
    };
    for (messages, expected) in [
        (vec![], Code::MessageCorrupted),
        (vec![plain("")], Code::IllegalTopic),
        (vec![plain("a.b")], Code::IllegalTopic),
        (vec![plain(&"t".repeat(128))], Code::IllegalTopic),
        (
            vec![plain("TRANS_CHECK_MAX_TIME_TOPIC")],
            Code::IllegalTopic,
        ),
        (
            vec![plain("unknown")],
            Code::MessagePropertyConflictWithType,
        ),
        (
            vec![plain(TRANSACTIONAL)],
            Code::MessagePropertyConflictWithType,
        ),
        (vec![plain(NORMAL), plain("other")], Code::MessageCorrupted),
        (vec![half("a", 1), half("b", 1)], Code::InternalServerError),
        (vec![half("a", 3601)], Code::BadRequest),
        (
            vec![burdened(plain(NORMAL))],
            Code::MessagePropertiesTooLarge,
        ),
        (
            vec![burdened(half("a", 1))],
            Code::MessagePropertiesTooLarge,
        ),
        (
            vec![large(), large(), large(), large(), large()],
            Code::InternalServerError,
        ),
    ] {
        let what = format!(
            "{} messages to {:?}",
            messages.len(),
            messages.first().map(|m| &m.topic)
        );
        let reply = client.send_all(messages).await;
        assert_eq!(code(reply.status), expected, "{what}");
    }
    assert_eq!(running.broker.stats().topic(NORMAL).messages, 0);
}

#[tokio::test]
async fn a_receive_is_refused_as_apache_rocketmq_refuses_it() {
    let running = start(|_| {}).await;
    let (mut client, _telemetry) = running.consumer().await;
    let plain = || receive(GROUP, NORMAL, Duration::ZERO);
    let span = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let sql = v2::FilterExpression {
        r#type: v2::FilterType::Sql.into(),
        expression: "a > 1".into(),
    };
    for (asked, expected) in [
        (
            v2::ReceiveMessageRequest {
                invisible_duration: None,
                ..plain()
            },
            Code::IllegalInvisibleTime,
        ),
        (
            v2::ReceiveMessageRequest {
                invisible_duration: span(9),
                ..plain()
            },
            Code::IllegalInvisibleTime,
        ),
        (
            v2::ReceiveMessageRequest {
                batch_size: -1,
                ..plain()
            },
            Code::InternalServerError,
        ),
        (
            v2::ReceiveMessageRequest {
                batch_size: 0,
                ..plain()
            },
            Code::MessageNotFound,
        ),
        (
            v2::ReceiveMessageRequest {
                filter_expression: Some(sql),
                ..plain()
            },
            Code::Unsupported,
        ),
        (
            receive(GROUP, "unknown", Duration::ZERO),
            Code::InternalServerError,
        ),
        (
            receive("", NORMAL, Duration::ZERO),
            Code::IllegalConsumerGroup,
        ),
    ] {
        let (status, messages) = client.receive_with(asked.clone()).await;
        assert_eq!((status.code(), messages.len()), (expected, 0), "{asked:?}");
    }
}

#[tokio::test]
async fn a_route_names_the_one_queue_and_what_it_takes() {
    let running = start(|_| {}).await;
    let mut client = running.client("any").await;
    let request = client.request(v2::QueryRouteRequest {
        topic: Some(resource(TRANSACTIONAL)),
        endpoints: None,
    });
    let reply = client.grpc.query_route(request).await.unwrap().into_inner();
    assert_eq!(code(reply.status), Code::Ok);
    let [queue] = reply.message_queues.as_slice() else {
        panic!("one queue")
    };
    assert_eq!(
        queue.accept_message_types,
        [i32::from(v2::MessageType::Transaction)]
    );
    let endpoints = queue.broker.as_ref().unwrap().endpoints.as_ref().unwrap();
    assert_eq!(
        endpoints.addresses[0].port,
        i32::from(running.broker.address().port())
    );

    let request = client.request(v2::QueryRouteRequest {
        topic: Some(resource("unknown")),
        endpoints: None,
    });
    let reply = client.grpc.query_route(request).await.unwrap().into_inner();
    assert_eq!(code(reply.status), Code::TopicNotFound);
}

#[tokio::test]
async fn what_is_not_implemented_says_so() {
    let running = start(|_| {}).await;
    let mut client = running.client("any").await;
    let request = client.request(v2::GetOffsetRequest::default());
    let refused = client.grpc.get_offset(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unimplemented);
    assert!(refused.message().contains("GetOffset"), "{refused}");
}

#[tokio::test]
async fn invented_handles_are_refused() {
    let running = start(|_| {}).await;
    let (mut client, _telemetry) = running.consumer().await;
    client.send(message(NORMAL, "m1", "x")).await;
    let received = client.receive_one(GROUP, NORMAL).await;
    let never_handed_out = handle(&received).replacen(" 0 ", " 999 ", 1);
    assert_eq!(
        client.ack(&never_handed_out).await,
        Code::InternalServerError
    );
    assert_eq!(client.ack("").await, Code::InternalServerError);
    assert_eq!(
        client.ack(&format!("99{}", handle(&received))).await,
        Code::InternalServerError
    );
    assert_eq!(
        code(client.ack_handles(&[]).await.status),
        Code::InternalServerError
    );
    let (code, _) = client
        .change(handle(&received), Duration::from_secs(43_201), false)
        .await;
    assert_eq!(code, Code::IllegalInvisibleTime);
}
