//! Administration over remoting, against a server that answers by script.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use rocketmq::{
    Admin, AdminConfig, ErrorKind, GroupSpec, QueueRef, StoredMessage, TopicKind, TopicSpec,
};
use rocketmq_wire::remoting::{
    BrokerData, CLUSTER, CREATE_TOPIC, ClusterAnswer, CreateGroup, CreateTopic, Frame, PullAnswer,
    PullOutcome,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::fake::vacant;

/// What the server does with a request.
#[derive(Clone, Copy)]
enum Answer {
    Code(i32),
    /// A response to something else first.
    StrayFirst,
    Garbage,
    HangUp,
    /// Of a queue that ends at 20, this many messages from 5 on, and then what is none.
    Broken(u8),
    /// None; the connection stays open.
    Silence,
}

/// The description of a cluster with one broker.
fn alone(address: SocketAddr) -> Vec<u8> {
    let broker = BrokerData {
        cluster: "cluster".to_owned(),
        broker_name: "broker".to_owned(),
        broker_addrs: [(0, address.to_string())].into(),
    };
    let cluster = ClusterAnswer {
        broker_addr_table: [("broker".to_owned(), broker)].into(),
        ..ClusterAnswer::default()
    };
    cluster.to_body().unwrap()
}

fn admin(address: SocketAddr) -> Admin {
    Admin::new(AdminConfig {
        addresses: vec![address.to_string()],
        ..AdminConfig::default()
    })
    .unwrap()
}

/// Answers the requests of any number of connections in turn; the requests come out of the channel.
/// The cluster is itself alone: that is answered besides the script.
async fn server(answers: Vec<Answer>) -> (SocketAddr, mpsc::Receiver<Frame>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, requests) = mpsc::channel(16);
    tokio::spawn(async move {
        let mut answers = answers.into_iter().peekable();
        while answers.peek().is_some() {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = BytesMut::new();
            while let Some(request) = read(&mut stream, &mut buffer).await {
                let mut reply = BytesMut::new();
                if request.code == CLUSTER {
                    let described = Frame {
                        body: alone(address).into(),
                        ..request.response(0, None)
                    };
                    described.encode(&mut reply).unwrap();
                    stream.write_all(&reply).await.unwrap();
                    continue;
                }
                let answer = answers.next().unwrap();
                match answer {
                    Answer::Code(code) => request
                        .response(code, Some("remark".to_owned()))
                        .encode(&mut reply)
                        .unwrap(),
                    Answer::StrayFirst => {
                        let stray = Frame {
                            opaque: request.opaque - 1,
                            ..request.response(1, None)
                        };
                        stray.encode(&mut reply).unwrap();
                        request.response(0, None).encode(&mut reply).unwrap();
                    }
                    Answer::Broken(sound) => broken_page(sound)
                        .to_frame(&request)
                        .encode(&mut reply)
                        .unwrap(),
                    Answer::Garbage => reply.extend_from_slice(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
                    Answer::HangUp | Answer::Silence => {}
                }
                seen.send(request).await.unwrap();
                stream.write_all(&reply).await.unwrap();
                if matches!(answer, Answer::HangUp | Answer::Garbage) {
                    break;
                }
            }
        }
    });
    (address, requests)
}

fn broken_page(sound: u8) -> PullAnswer {
    let mut messages = BytesMut::new();
    for queue_offset in 5..5 + i64::from(sound) {
        let message = StoredMessage {
            queue_offset,
            ..StoredMessage::default()
        };
        message.encode(&mut messages).unwrap();
    }
    // Four bytes of length that are their own, and nothing behind them.
    messages.extend_from_slice(&4_u32.to_be_bytes());
    PullAnswer {
        outcome: PullOutcome::Found,
        next_offset: 10,
        min_offset: 0,
        max_offset: 20,
        messages: messages.freeze(),
    }
}

async fn read(stream: &mut tokio::net::TcpStream, buffer: &mut BytesMut) -> Option<Frame> {
    loop {
        if let Some(frame) = Frame::decode(buffer).unwrap() {
            return Some(frame);
        }
        if stream.read_buf(buffer).await.unwrap() == 0 {
            return None;
        }
    }
}

fn topic() -> TopicSpec {
    TopicSpec {
        name: "topic_a".to_owned(),
        kind: TopicKind::Transaction,
        queues: 8,
    }
}

#[tokio::test]
async fn topics_and_groups_are_asked_for_as_they_are_meant() {
    let (address, mut requests) = server(vec![Answer::Code(0), Answer::StrayFirst]).await;
    let admin = admin(address);
    admin.create_topic(&topic()).await.unwrap();
    let group = GroupSpec {
        name: "group_a".to_owned(),
        retry_max_times: 1000,
        delays: vec![Duration::from_secs(10)],
    };
    admin.create_group(&group).await.unwrap();
    let made = CreateTopic::from_frame(&requests.recv().await.unwrap()).unwrap();
    assert_eq!(
        (made.topic.as_str(), made.queues, made.kind),
        ("topic_a", 8, TopicKind::Transaction)
    );
    let made = CreateGroup::from_frame(&requests.recv().await.unwrap()).unwrap();
    assert_eq!((made.retry_max_times, made.delays), (1000, group.delays));
}

#[tokio::test]
async fn a_refusal_carries_the_servers_code_and_words() {
    let (address, _requests) = server(vec![Answer::Code(13)]).await;
    let admin = admin(address);
    let error = admin.create_topic(&topic()).await.unwrap_err();
    assert_eq!(
        error.kind(),
        &ErrorKind::Rejected {
            code: 13,
            message: "remark".to_owned()
        }
    );
}

#[tokio::test]
async fn what_is_not_allowed_has_a_kind_of_its_own() {
    let (address, _requests) = server(vec![Answer::Code(16)]).await;
    let error = admin(address).create_topic(&topic()).await.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::NotAllowed { message } if message == "remark"),
        "{error}"
    );
}

#[tokio::test]
async fn a_connection_that_failed_is_made_anew_for_the_next_request() {
    let (address, _requests) = server(vec![Answer::Garbage, Answer::HangUp, Answer::Code(0)]).await;
    let admin = admin(address);
    // The first request goes out twice: its connection had answered before.
    let error = admin.create_topic(&topic()).await.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Unreachable { .. }),
        "{error}"
    );
    admin.create_topic(&topic()).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_made_anew_unseen() {
    let (address, _requests) = server(vec![Answer::HangUp, Answer::Code(0)]).await;
    admin(address).create_topic(&topic()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_at_the_deadline() {
    let (address, mut requests) = server(vec![Answer::Silence, Answer::Code(0)]).await;
    let admin = Admin::new(AdminConfig {
        addresses: vec![address.to_string()],
        request_timeout: Duration::from_millis(300),
        ..AdminConfig::default()
    })
    .unwrap();
    let error = admin.create_topic(&topic()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout { .. }), "{error}");
    // What may still come on that connection is nobody's answer any more.
    admin.create_topic(&topic()).await.unwrap();
    assert_eq!(requests.recv().await.unwrap().code, CREATE_TOPIC);
}

#[tokio::test]
async fn addresses_that_are_none_are_refused_by_name() {
    for wrong in [vec![], vec!["broker"], vec![":9876"], vec!["host:port"]] {
        let addresses = wrong.iter().map(|&address| address.to_owned()).collect();
        let refused = Admin::new(AdminConfig {
            addresses,
            ..AdminConfig::default()
        });
        let refused = refused.err().unwrap().to_string();
        assert!(refused.contains("address"), "{refused}");
    }
}

#[tokio::test]
async fn nobody_there_is_said_with_the_address() {
    let vacant = vacant();
    let address = vacant.local_addr().unwrap();
    let error = admin(address).create_topic(&topic()).await.unwrap_err();
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn a_broken_message_costs_nobody_but_itself() {
    let (address, _requests) = server(vec![Answer::Broken(2), Answer::Broken(0)]).await;
    let admin = admin(address);
    let queue = QueueRef {
        topic: "topic_a".to_owned(),
        broker: "broker".to_owned(),
        queue_id: 0,
    };
    let before = admin.pull(&queue, 5, 32).await.unwrap();
    let offsets: Vec<_> = before.messages.iter().map(|m| m.queue_offset).collect();
    assert_eq!((offsets, before.next_offset), (vec![5, 6], 7));
    assert_eq!(before.unreadable, None);
    let broken = admin.pull(&queue, 7, 32).await.unwrap();
    assert_eq!((broken.messages, broken.next_offset), (vec![], 8));
    let unreadable = broken.unreadable.unwrap();
    assert_eq!(unreadable.offset, 7);
    assert!(unreadable.reason.contains("magic"), "{unreadable:?}");
}
