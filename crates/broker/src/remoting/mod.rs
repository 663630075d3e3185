//! The remoting listener: administration and browsing, as Apache RocketMQ's brokers and name
//! servers answer them. It is name server and broker in one; whatever it does not know is answered
//! "not supported". A connection that sends what is no frame is closed.
//!
//! - [`conversation`]: one connection, its deadlines and limits;
//! - [`describe`]: the cluster (106), a topic's route (105), lists of topics (21) and groups (201),
//!   the configuration (26), the state (28);
//! - [`create`]: topics (17) and groups (200);
//! - [`browse`]: offsets (30, 31, 14; 15 sets a group's) and reading any queue (11); [`stored`]: messages in the form
//!   in which they are read.
//!
//! What is written goes through the writer like everything else; what is read is read beside it,
//! from the last commit.

mod browse;
mod conversation;
mod create;
mod describe;
mod stored;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use conversation::converse;
use rocketmq_wire::remoting::{
    self as wire, FieldError, Frame, INVALID_PARAMETER, REQUEST_CODE_NOT_SUPPORTED, SUCCESS,
    SYSTEM_ERROR, TOPIC_NOT_FOUND,
};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::catalog::Catalog;
use crate::store::Store;
use crate::writer::queue::Queue;
use crate::{Config, StoreError};

/// Connections served at a time; administration needs few.
const CONNECTIONS: usize = 64;
/// Before the next try when no connection can be accepted: mostly there are no files left.
const PAUSE: Duration = Duration::from_millis(100);

/// What the answers are made from.
#[derive(Clone)]
pub(crate) struct Remoting {
    pub(crate) queue: Queue,
    pub(crate) store: Arc<Store>,
    pub(crate) catalog: Arc<Catalog>,
    /// Reads that are under way: whoever stops the broker waits for them.
    pub(crate) reads: TaskTracker,
    settings: Arc<BTreeMap<String, String>>,
}

impl Remoting {
    pub(crate) fn new(
        queue: Queue,
        store: Arc<Store>,
        catalog: Arc<Catalog>,
        config: &Config,
    ) -> Self {
        Self {
            queue,
            store,
            catalog,
            reads: TaskTracker::new(),
            settings: Arc::new(describe::settings(config)),
        }
    }

    /// Serves until the broker stops.
    pub(crate) async fn serve(self, listener: TcpListener, stopping: CancellationToken) {
        let mut connections = JoinSet::new();
        loop {
            let full = connections.len() >= CONNECTIONS;
            let accepted = tokio::select! {
                () = stopping.cancelled() => break,
                Some(_) = connections.join_next() => continue,
                accepted = listener.accept(), if !full => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let remoting = self.clone();
                    connections.spawn(async move {
                        let Ok(itself) = stream.local_addr() else {
                            return;
                        };
                        let answer = |request| {
                            let remoting = remoting.clone();
                            async move { remoting.answer(&request, itself).await }
                        };
                        if let Err(error) = converse(stream, answer).await {
                            tracing::debug!(event = "remoting_connection_ended", %error);
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(event = "remoting_accept_failed", %error);
                    tokio::select! {
                        () = stopping.cancelled() => break,
                        () = tokio::time::sleep(PAUSE) => {}
                    }
                }
            }
        }
        // After this nobody begins to read.
        connections.shutdown().await;
    }

    /// Answers a request that came in at the address `itself`.
    async fn answer(&self, request: &Frame, itself: SocketAddr) -> Frame {
        let answered = match request.code {
            wire::CLUSTER => describe::cluster(request, itself),
            wire::ROUTE => self.route(request, itself),
            wire::TOPICS => self.topics(request),
            wire::GROUPS => self.groups(request),
            wire::BROKER_SETTINGS => Ok(self.broker_settings(request, itself)),
            wire::RUNTIME_INFO => describe::state(request),
            wire::CREATE_TOPIC => self.create_topic(request).await,
            wire::CREATE_GROUP => self.create_group(request).await,
            wire::MIN_OFFSET | wire::MAX_OFFSET => self.end(request).await,
            wire::CONSUMER_OFFSET => self.consumer_offset(request).await,
            wire::SET_CONSUMER_OFFSET => self.set_consumer_offset(request).await,
            wire::PULL => self.pull(request, itself).await,
            code => Err(Refused {
                code: REQUEST_CODE_NOT_SUPPORTED,
                why: format!("request type {code} not supported"),
            }),
        };
        answered.unwrap_or_else(|Refused { code, why }| request.response(code, Some(why)))
    }
}

/// A request that is not carried out: the response code, and why.
#[derive(Debug)]
struct Refused {
    code: i32,
    why: String,
}

impl Refused {
    fn failed(why: impl ToString) -> Self {
        Self {
            code: SYSTEM_ERROR,
            why: why.to_string(),
        }
    }

    fn no_such_topic(topic: &str) -> Self {
        Self {
            code: TOPIC_NOT_FOUND,
            why: format!("topic[{topic}] not exist, apply first please!"),
        }
    }
}

impl From<FieldError> for Refused {
    fn from(error: FieldError) -> Self {
        Self {
            code: INVALID_PARAMETER,
            why: error.to_string(),
        }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::failed(error)
    }
}

/// The answer "done" with a body.
fn with_body(request: &Frame, body: Vec<u8>) -> Frame {
    Frame {
        body: body.into(),
        ..request.response(SUCCESS, None)
    }
}
