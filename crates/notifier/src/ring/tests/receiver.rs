//! A receiver on a real socket that answers with whatever bytes it is told to, or does not.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

/// A request as it arrived.
pub(super) struct Seen {
    pub head: BTreeMap<String, String>,
    pub body: Bytes,
}

#[derive(Clone)]
enum Manner {
    /// These bytes, then the end of the connection.
    Answer(Arc<str>),
    /// Reads, and says nothing.
    Hang,
    /// A body without an end, as fast as it goes.
    Flood,
    /// A body that trickles.
    Drip,
}

pub(super) struct Receiver {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    seen: Mutex<mpsc::UnboundedReceiver<Seen>>,
    serving: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Receiver {
    pub(super) async fn answering(answer: &str) -> Self {
        Self::start(Manner::Answer(answer.into())).await
    }

    pub(super) async fn hanging() -> Self {
        Self::start(Manner::Hang).await
    }

    pub(super) async fn flooding() -> Self {
        Self::start(Manner::Flood).await
    }

    pub(super) async fn dripping() -> Self {
        Self::start(Manner::Drip).await
    }

    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let (arrived, seen) = mpsc::unbounded_channel();
        let counter = requests.clone();
        let serving = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (manner, arrived, counter) = (manner.clone(), arrived.clone(), counter.clone());
                connections.spawn(async move {
                    // What a test client does to its connection is no failure here.
                    let _broken = serve(stream, manner, arrived, counter).await.is_err();
                });
            }
        });
        Self {
            address,
            requests,
            seen: Mutex::new(seen),
            serving,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/notifications", self.address)
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// The next request, oldest first.
    pub(super) async fn seen(&self) -> Seen {
        let mut seen = self.seen.lock().await;
        let next = tokio::time::timeout(Duration::from_secs(5), seen.recv());
        next.await.expect("a request").unwrap()
    }
}

async fn serve(
    stream: TcpStream,
    manner: Manner,
    arrived: mpsc::UnboundedSender<Seen>,
    counter: Arc<AtomicUsize>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let seen = read(&mut stream).await?;
    counter.fetch_add(1, Ordering::SeqCst);
    // The test may have gone without looking.
    let _unseen = arrived.send(seen).is_err();
    match manner {
        Manner::Answer(bytes) => stream.write_all(bytes.as_bytes()).await?,
        Manner::Hang => std::future::pending().await,
        Manner::Flood => {
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(head).await?;
            let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
            loop {
                stream.write_all(chunk.as_bytes()).await?;
            }
        }
        Manner::Drip => {
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n";
            stream.write_all(head).await?;
            let mut tick = tokio::time::interval(Duration::from_millis(20));
            loop {
                tick.tick().await;
                stream.write_all(b"x").await?;
                stream.flush().await?;
            }
        }
    }
    stream.shutdown().await
}

async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Seen> {
    let mut head = BTreeMap::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) => head.insert(name.to_ascii_lowercase(), value.to_owned()),
            None if line == "\r\n" => break,
            None => None,
        };
    }
    let length = head
        .get("content-length")
        .map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Seen {
        head,
        body: body.into(),
    })
}
