//! The remoting listener: the cluster (106), create a topic (17), create a group (200); everything
//! else is answered "not supported".
//!
//! Enough for RocketMQ's admin tool and for a client that makes its own topics. A connection that
//! sends what is no frame is closed.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use rocketmq_wire::remoting::{
    BrokerData, CLUSTER, CREATE_GROUP, CREATE_TOPIC, ClusterAnswer, CreateGroup, CreateTopic,
    Frame, REQUEST_CODE_NOT_SUPPORTED, SUCCESS, SYSTEM_ERROR, TopicKind as WireKind,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::catalog::Policy;
use crate::writer::op::Op;
use crate::writer::queue::Queue;
use crate::{TopicKind, names};

/// Connections served at a time; administration needs few.
const CONNECTIONS: usize = 64;
/// A connection that says nothing for so long is closed: it takes a place.
const IDLE: Duration = Duration::from_secs(60);
/// Before the next try when no connection can be accepted: mostly there are no files left.
const PAUSE: Duration = Duration::from_millis(100);
/// A request that wants no answer.
const ONE_WAY: i32 = 2;

/// Serves until the broker stops.
pub(crate) async fn serve(listener: TcpListener, queue: Queue, stopping: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        let full = connections.len() >= CONNECTIONS;
        let accepted = tokio::select! {
            () = stopping.cancelled() => return,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept(), if !full => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let queue = queue.clone();
                connections.spawn(async move {
                    if let Err(error) = converse(stream, &queue).await {
                        tracing::debug!(event = "remoting_connection_ended", %error);
                    }
                });
            }
            Err(error) => {
                tracing::warn!(event = "remoting_accept_failed", %error);
                tokio::select! {
                    () = stopping.cancelled() => return,
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
        }
    }
}

/// Answers one connection's requests in their order.
async fn converse(mut stream: TcpStream, queue: &Queue) -> std::io::Result<()> {
    let itself = stream.local_addr()?;
    let (mut incoming, mut outgoing) = (BytesMut::new(), BytesMut::new());
    loop {
        while let Some(request) = Frame::decode(&mut incoming).map_err(std::io::Error::other)? {
            let reply = answer(&request, queue, itself).await;
            if request.flag & ONE_WAY == 0 && !request.is_response() {
                reply.encode(&mut outgoing).map_err(std::io::Error::other)?;
                stream.write_all_buf(&mut outgoing).await?;
            }
        }
        if tokio::time::timeout(IDLE, stream.read_buf(&mut incoming)).await?? == 0 {
            return Ok(());
        }
    }
}

async fn answer(request: &Frame, queue: &Queue, itself: SocketAddr) -> Frame {
    let done = match request.code {
        CLUSTER => return cluster(request, itself),
        CREATE_TOPIC => create_topic(request, queue).await,
        CREATE_GROUP => create_group(request, queue).await,
        code => {
            let why = format!("request type {code} not supported");
            return request.response(REQUEST_CODE_NOT_SUPPORTED, Some(why));
        }
    };
    match done {
        Ok(()) => request.response(SUCCESS, None),
        Err(why) => request.response(SYSTEM_ERROR, Some(why)),
    }
}

/// This broker alone, at the address where it was asked.
fn cluster(request: &Frame, itself: SocketAddr) -> Frame {
    let broker = BrokerData {
        cluster: "DefaultCluster".to_owned(),
        broker_name: "broker-a".to_owned(),
        broker_addrs: [(0, itself.to_string())].into(),
    };
    let cluster = ClusterAnswer {
        cluster_addr_table: [(broker.cluster.clone(), vec![broker.broker_name.clone()])].into(),
        broker_addr_table: [(broker.broker_name.clone(), broker)].into(),
    };
    match cluster.to_body() {
        Ok(body) => Frame {
            body: body.into(),
            ..request.response(SUCCESS, None)
        },
        Err(error) => request.response(SYSTEM_ERROR, Some(error.to_string())),
    }
}

async fn create_topic(request: &Frame, queue: &Queue) -> Result<(), String> {
    let asked = CreateTopic::from_frame(request).map_err(|error| error.to_string())?;
    names::check_new_topic(&asked.topic).map_err(|bad| bad.to_string())?;
    let kind = match asked.kind {
        WireKind::Normal => TopicKind::Normal,
        WireKind::Transaction => TopicKind::Transaction,
        WireKind::Delay => TopicKind::Delay,
        other => return Err(format!("{other} topics are not supported by this broker")),
    };
    let name = asked.topic;
    let made = queue
        .ask(|reply| Op::CreateTopic { name, kind, reply })
        .await;
    made.map_err(|error| error.to_string())
}

async fn create_group(request: &Frame, queue: &Queue) -> Result<(), String> {
    let asked = CreateGroup::from_frame(request).map_err(|error| error.to_string())?;
    names::check_group(&asked.group).map_err(|bad| bad.to_string())?;
    let policy = Policy::new(asked.retry_max_times, &asked.delays);
    let name = asked.group;
    let made = queue
        .ask(|reply| Op::CreateGroup {
            name,
            policy,
            reply,
        })
        .await;
    made.map_err(|error| error.to_string())
}
