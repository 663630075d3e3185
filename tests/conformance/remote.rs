//! One question over remoting: a connection, a frame, an answer.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::BytesMut;
use rocketmq::Credentials;
use rocketmq_wire::remoting::{Frame, SUCCESS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const WITHIN: Duration = Duration::from_secs(20);
/// Runtime information of a broker; its version is in it.
const RUNTIME_INFO: i32 = 28;
/// The brokers that a name server knows.
const CLUSTER: i32 = 106;

/// Where to ask, and as whom.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    /// `host:port`.
    pub(crate) address: String,
    pub(crate) credentials: Option<Credentials>,
}

/// Asks, and gives back whatever is answered.
pub(crate) async fn ask(remote: &Remote, mut request: Frame) -> anyhow::Result<Frame> {
    if let Some(credentials) = &remote.credentials {
        credentials.sign_remoting(&mut request);
    }
    let address = &remote.address;
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let mut buffer = BytesMut::new();
        request.encode(&mut buffer)?;
        stream.write_all(&buffer).await?;
        buffer.clear();
        loop {
            if let Some(reply) = Frame::decode(&mut buffer)? {
                return Ok(reply);
            }
            ensure!(
                stream.read_buf(&mut buffer).await? > 0,
                "the connection was closed"
            );
        }
    };
    let answered = tokio::time::timeout(WITHIN, exchange).await;
    answered
        .context("no answer in time")?
        .with_context(|| format!("remoting {address}"))
}

/// Asks for something to be done.
pub(crate) async fn done(remote: &Remote, request: Frame) -> anyhow::Result<Frame> {
    let reply = ask(remote, request).await?;
    ensure!(
        reply.code == SUCCESS,
        "remoting code {}: {:?}",
        reply.code,
        reply.remark
    );
    Ok(reply)
}

/// The broker's remoting address and version, given that address or its name server's.
pub(crate) async fn broker_of(remote: Remote) -> anyhow::Result<(Remote, (u32, u32, u32))> {
    if let Ok(version) = version(&remote).await {
        return Ok((remote, version));
    }
    let cluster = done(&remote, Frame::request(CLUSTER, 1)).await?;
    // Keys without quotes make it no JSON; the addresses are in quotes.
    let text = String::from_utf8_lossy(&cluster.body);
    for word in text.split('"') {
        if word.parse::<std::net::SocketAddr>().is_err() {
            continue;
        }
        let broker = Remote {
            address: word.to_owned(),
            ..remote.clone()
        };
        if let Ok(version) = version(&broker).await {
            return Ok((broker, version));
        }
    }
    bail!("{} is no broker and names none: {text}", remote.address)
}

async fn version(broker: &Remote) -> anyhow::Result<(u32, u32, u32)> {
    let info = done(broker, Frame::request(RUNTIME_INFO, 1)).await?;
    let info: serde_json::Value = serde_json::from_slice(&info.body)?;
    let named = info["table"]["brokerVersionDesc"]
        .as_str()
        .unwrap_or_default();
    let mut numbers = named.trim_start_matches('V').split('_').map(str::parse);
    let mut next = || numbers.next().and_then(Result::ok);
    match (next(), next(), next()) {
        (Some(major), Some(minor), Some(patch)) => Ok((major, minor, patch)),
        _ => bail!("no version: {named:?}"),
    }
}
