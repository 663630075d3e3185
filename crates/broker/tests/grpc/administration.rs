//! Topics and groups made over remoting, and the folder's one owner.

use std::time::Duration;

use broker::{Broker, Config, StartError, TopicConfig, TopicKind};
use bytes::BytesMut;
use rocketmq_wire::remoting::{
    CreateGroup, CreateTopic, Frame, REQUEST_CODE_NOT_SUPPORTED, SUCCESS, SYSTEM_ERROR,
    TopicKind as Kind,
};
use rocketmq_wire::v2::Code;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::*;

pub(crate) async fn ask(stream: &mut TcpStream, request: &Frame) -> Frame {
    let mut buffer = BytesMut::new();
    request.encode(&mut buffer).unwrap();
    stream.write_all(&buffer).await.unwrap();
    buffer.clear();
    loop {
        if let Some(reply) = Frame::decode(&mut buffer).unwrap() {
            assert_eq!(reply.opaque, request.opaque);
            assert!(reply.is_response());
            return reply;
        }
        assert_ne!(
            stream.read_buf(&mut buffer).await.unwrap(),
            0,
            "the connection was closed"
        );
    }
}

fn topic(name: &str, kind: Kind) -> Frame {
    CreateTopic {
        topic: name.into(),
        queues: 8,
        kind,
    }
    .to_frame(7)
}

#[tokio::test]
async fn topics_and_groups_are_made_over_remoting_and_last() {
    let running = start(|_| {}).await;
    let mut stream = TcpStream::connect(running.broker.remoting_address().unwrap())
        .await
        .unwrap();
    assert_eq!(
        ask(&mut stream, &topic("made", Kind::Transaction))
            .await
            .code,
        SUCCESS
    );
    let group = CreateGroup {
        group: "made-too".into(),
        retry_max_times: 1000,
        delays: vec![Duration::from_secs(7)],
    };
    assert_eq!(
        ask(&mut stream, &group.to_frame(8).unwrap()).await.code,
        SUCCESS
    );
    assert_eq!(
        ask(&mut stream, &topic("bad.name", Kind::Normal))
            .await
            .code,
        SYSTEM_ERROR
    );
    assert_eq!(
        ask(&mut stream, &topic("%DLQ%g", Kind::Normal)).await.code,
        SYSTEM_ERROR
    );
    assert_eq!(
        ask(&mut stream, &topic("fifo", Kind::Fifo)).await.code,
        SYSTEM_ERROR
    );
    assert_eq!(
        ask(&mut stream, &Frame::request(999, 9)).await.code,
        REQUEST_CODE_NOT_SUPPORTED
    );

    let running = running.restart().await;
    let mut client = running.client("c").await;
    let mut telemetry = client.open_telemetry().await;
    let settings = telemetry
        .settings(consumer_settings("made-too"))
        .await
        .unwrap();
    assert_eq!(settings.backoff_policy.unwrap().max_attempts, 1001);
    let half_message = {
        let mut message = half("m1", 1);
        message.topic = Some(rocketmq_wire::resource("made"));
        message
    };
    assert_eq!(
        code(client.send_all(vec![half_message]).await.status),
        Code::Ok
    );
}

#[tokio::test]
async fn bytes_that_are_no_frame_close_the_connection() {
    let running = start(|_| {}).await;
    let mut stream = TcpStream::connect(running.broker.remoting_address().unwrap())
        .await
        .unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    // Closed or reset: either way there is no answer.
    assert_eq!(stream.read_to_end(&mut rest).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_folder_in_use_is_refused_by_name() {
    let running = start(|_| {}).await;
    let refused = Broker::start(running.config.clone()).await.err().unwrap();
    assert!(matches!(refused, StartError::InUse(_)), "{refused}");
    assert!(
        refused
            .to_string()
            .contains(&running.config.data.display().to_string()),
        "{refused}"
    );
    let mut client = running.client("c").await;
    client
        .send(message(NORMAL, "m1", "the first is none the worse for it"))
        .await;
}

#[tokio::test]
async fn a_port_in_use_is_refused_with_its_field() {
    let running = start(|_| {}).await;
    let other = tempfile::tempdir().unwrap();
    let config = Config {
        data: other.path().into(),
        listen: running.broker.address(),
        ..Config::default()
    };
    let refused = Broker::start(config).await.err().unwrap().to_string();
    let address = running.broker.address();
    assert!(
        refused.contains(&format!("listen = \"{address}\"")),
        "{refused}"
    );
}

#[tokio::test]
async fn impossible_names_and_values_are_refused_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let sound = Config {
        data: folder.path().into(),
        listen: ([127, 0, 0, 1], 0).into(),
        ..Config::default()
    };
    let named = TopicConfig {
        name: "a.b".into(),
        kind: TopicKind::Normal,
    };
    for (config, field) in [
        (
            Config {
                topics: vec![named],
                ..sound.clone()
            },
            "topic.name",
        ),
        (
            Config {
                data: Default::default(),
                ..sound.clone()
            },
            "data",
        ),
        (
            Config {
                check_interval: Duration::ZERO,
                ..sound.clone()
            },
            "check_interval",
        ),
        (
            Config {
                long_poll_min: Duration::from_secs(60),
                ..sound.clone()
            },
            "long_poll_min",
        ),
    ] {
        let refused = Broker::start(config).await.err().unwrap().to_string();
        assert!(refused.contains(field), "{refused}");
    }
}
