//! A receiver on a raw socket, with or without TLS, that plays a script of bytes on each connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// One thing that it does with a connection.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Reads the first byte of a request.
    Begin,
    /// Reads a whole request.
    Read,
    /// Reads an HTTP/2 client's opening up to the head of its first request, that included.
    ReadHttp2,
    /// Reads a whole request, and answers this and no more if its head does not hold the text.
    Want(&'static str, Bytes),
    Send(Bytes),
    /// The same bytes, with a pause behind each, until the other side has had enough.
    Repeat(Bytes, Duration),
    /// Says that it will send no more.
    HalfClose,
    /// Breaks the connection off: the other side gets a reset.
    Reset,
    /// Ends it without a word: under TLS, without saying so.
    Vanish,
    /// Says nothing until the other side leaves.
    Hold,
}

/// What runs below HTTP.
#[derive(Clone)]
pub(super) enum Transport {
    Plain,
    Tls(Arc<ServerConfig>),
}

/// How a script ended.
enum End {
    Ordinary,
    Reset,
    Vanish,
}

pub(super) struct Scripted {
    pub(super) address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Scripted {
    pub(super) async fn start(transport: Transport, script: Vec<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script: Arc<[Step]> = script.into();
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (transport, script) = (transport.clone(), script.clone());
                connections.spawn(async move {
                    // What the other side does to its connection is its affair.
                    let _broken = serve(stream, &transport, &script).await.is_err();
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, serving }
    }
}

async fn serve(stream: TcpStream, transport: &Transport, script: &[Step]) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match transport {
        Transport::Plain => {
            let mut stream = stream;
            match play(&mut stream, script).await? {
                End::Ordinary => part(&mut stream).await,
                End::Reset => stream.set_zero_linger(),
                End::Vanish => stream.shutdown().await,
            }
        }
        Transport::Tls(config) => {
            let handshake = TlsAcceptor::from(config.clone()).accept(stream);
            let mut stream = match handshake.into_fallible().await {
                Ok(stream) => stream,
                // Its alert is on its way, and must arrive.
                Err((_, mut below)) => return part(&mut below).await,
            };
            match play(&mut stream, script).await? {
                End::Ordinary => part(&mut stream).await,
                End::Reset => stream.into_inner().0.set_zero_linger(),
                End::Vanish => {
                    stream.flush().await?;
                    let mut below = stream.into_inner().0;
                    part(&mut below).await
                }
            }
        }
    }
}

/// Ends its own side and waits for the other's end, so that nothing that was sent is lost by a reset.
async fn part(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    stream.shutdown().await?;
    drain(stream).await
}

async fn drain(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut rest = [0; 4096];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

async fn play(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    script: &[Step],
) -> io::Result<End> {
    for step in script {
        match step {
            Step::Begin => drop(stream.read_u8().await?),
            Step::Read => drop(read_request(stream).await?),
            Step::ReadHttp2 => read_http2(stream).await?,
            Step::Want(text, otherwise) => {
                let head = read_request(stream).await?;
                if !head.contains(text) {
                    stream.write_all(otherwise).await?;
                    return Ok(End::Ordinary);
                }
            }
            Step::Send(bytes) => {
                stream.write_all(bytes).await?;
                stream.flush().await?;
            }
            Step::Repeat(bytes, pause) => loop {
                stream.write_all(bytes).await?;
                stream.flush().await?;
                tokio::time::sleep(*pause).await;
            },
            Step::HalfClose => stream.shutdown().await?,
            Step::Reset => return Ok(End::Reset),
            Step::Vanish => return Ok(End::Vanish),
            Step::Hold => drain(stream).await?,
        }
    }
    Ok(End::Ordinary)
}

/// Reads a request, and gives its head.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(head)
}

/// Reads the preface (24 bytes) and frames (9 bytes of head: length 3, type 1, flags 1, stream 4)
/// up to the first HEADERS: from there on what is wrong with the connection is wrong with a request.
async fn read_http2(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    const HEADERS: u8 = 1;
    stream.read_exact(&mut [0; 24]).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let [a, b, c, kind, ..] = head;
        let mut rest = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut rest).await?;
        if kind == HEADERS {
            return Ok(());
        }
    }
}
