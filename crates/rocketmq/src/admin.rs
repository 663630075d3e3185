//! Making topics and groups, over the older remoting protocol: the gRPC one has no such calls.
//!
//! One connection, one request at a time: administration is rare, and a connection on which a
//! request was cut off is given up with it.

use std::time::Duration;

use bytes::BytesMut;
use rocketmq_wire::remoting::{CreateGroup, CreateTopic, Frame, SUCCESS, TopicKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::error::{Error, ErrorKind};

/// Deadline of a connection, and of a request with its answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A topic to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// Which messages it takes.
    pub kind: TopicKind,
    /// How many queues it has.
    pub queues: u32,
}

/// A consumer group to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSpec {
    /// Its name.
    pub name: String,
    /// Redeliveries before the broker dead-letters a message by itself: one less than deliveries.
    pub retry_max_times: u32,
    /// The delays that consumers are told to ask for. Empty: the broker's own, from 1 s on.
    pub delays: Vec<Duration>,
}

/// Administers one broker.
#[derive(Debug)]
pub struct Admin {
    address: String,
    connection: Mutex<Connection>,
}

#[derive(Debug)]
struct Connection {
    /// `None` after a failure: what would come next on it is not known.
    stream: Option<TcpStream>,
    opaque: i32,
}

impl Admin {
    /// Connects to a broker's remoting address, `host:port` (by default port 10911).
    ///
    /// # Errors
    /// When it cannot be reached within 5 s.
    pub async fn connect(address: &str) -> Result<Self, Error> {
        let stream = connect(address).await?;
        let connection = Mutex::new(Connection {
            stream: Some(stream),
            opaque: 0,
        });
        Ok(Self {
            address: address.to_owned(),
            connection,
        })
    }

    /// Creates a topic, or changes the one of that name. Clients see it within seconds.
    ///
    /// # Errors
    /// When the broker refuses or does not answer.
    pub async fn create_topic(&self, topic: &TopicSpec) -> Result<(), Error> {
        let request = CreateTopic {
            topic: topic.name.clone(),
            queues: topic.queues,
            kind: topic.kind,
        };
        self.ask("create topic", request.to_frame(0)).await
    }

    /// Creates a consumer group, or changes the one of that name.
    ///
    /// # Errors
    /// When the broker refuses or does not answer.
    pub async fn create_group(&self, group: &GroupSpec) -> Result<(), Error> {
        const OPERATION: &str = "create group";
        let request = CreateGroup {
            group: group.name.clone(),
            retry_max_times: group.retry_max_times,
            delays: group.delays.clone(),
        };
        let frame = request.to_frame(0);
        let frame = frame.map_err(|error| Error::invalid(OPERATION, "group", error.to_string()))?;
        self.ask(OPERATION, frame).await
    }

    /// Sends a request and reads its answer, on a new connection if the last one failed.
    async fn ask(&self, operation: &'static str, mut request: Frame) -> Result<(), Error> {
        let mut connection = self.connection.lock().await;
        connection.opaque = connection.opaque.wrapping_add(1);
        request.opaque = connection.opaque;
        // Taken: if this future is dropped or fails, so is the connection.
        let mut stream = match connection.stream.take() {
            Some(stream) => stream,
            None => connect(&self.address).await?,
        };
        let answer = tokio::time::timeout(TIMEOUT, exchange(&mut stream, &request)).await;
        let answer = answer.map_err(|_elapsed| {
            let address = self.address.clone();
            Error::new(
                operation,
                ErrorKind::Timeout {
                    address,
                    after: TIMEOUT,
                },
            )
        })?;
        let answer = answer.map_err(|reason| self.unreachable(operation, reason))?;
        connection.stream = Some(stream);
        if answer.code == SUCCESS {
            return Ok(());
        }
        let message = answer.remark.unwrap_or_default();
        Err(Error::new(
            operation,
            ErrorKind::Rejected {
                code: answer.code,
                message,
            },
        ))
    }

    fn unreachable(&self, operation: &'static str, reason: String) -> Error {
        let address = self.address.clone();
        Error::new(operation, ErrorKind::Unreachable { address, reason })
    }
}

async fn connect(address: &str) -> Result<TcpStream, Error> {
    const OPERATION: &str = "connect";
    let kind = match tokio::time::timeout(TIMEOUT, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => return Ok(stream),
        Ok(Err(error)) => ErrorKind::Unreachable {
            address: address.to_owned(),
            reason: error.to_string(),
        },
        Err(_elapsed) => ErrorKind::Timeout {
            address: address.to_owned(),
            after: TIMEOUT,
        },
    };
    Err(Error::new(OPERATION, kind))
}

/// Writes the request and reads frames until its answer comes.
async fn exchange(stream: &mut TcpStream, request: &Frame) -> Result<Frame, String> {
    let mut buffer = BytesMut::new();
    request
        .encode(&mut buffer)
        .map_err(|error| error.to_string())?;
    stream
        .write_all(&buffer)
        .await
        .map_err(|error| error.to_string())?;
    buffer.clear();
    loop {
        while let Some(frame) = Frame::decode(&mut buffer).map_err(|error| error.to_string())? {
            if frame.is_response() && frame.opaque == request.opaque {
                return Ok(frame);
            }
        }
        let read = stream
            .read_buf(&mut buffer)
            .await
            .map_err(|error| error.to_string())?;
        if read == 0 {
            return Err("the connection was closed before the answer".to_owned());
        }
    }
}
