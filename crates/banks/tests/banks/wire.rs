//! The wire between a bank and its database server: a TCP proxy that cuts one COMMIT off, on either side of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Where the next COMMIT is cut off; the ones after it pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The server never gets it.
    Before = 1,
    /// The server has carried it out; its answer never arrives.
    After = 2,
}

/// What stands in the packet that commits.
const COMMIT: &[u8] = b"; COMMIT;";
/// The server answers its three statements with a packet each.
const ANSWERS: usize = 3;

/// A proxy in front of a server.
pub(crate) struct Wire {
    address: SocketAddr,
    armed: Arc<AtomicU8>,
}

impl Wire {
    /// A proxy in front of the server of `config`, and what opens the same database through it.
    pub(crate) async fn to(config: &database::Config) -> (Wire, database::Config) {
        let (scheme, rest) = config.url.split_once("://").unwrap();
        let (authority, name) = rest.split_once('/').unwrap();
        let (user, server) = authority.rsplit_once('@').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Wire {
            address: listener.local_addr().unwrap(),
            armed: Arc::default(),
        };
        let (server, armed) = (server.to_owned(), Arc::clone(&wire.armed));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(carry(client, server, Arc::clone(&armed)));
            }
        });
        let url = format!("{scheme}://{user}@{}/{name}", wire.address);
        (wire, database::Config::new(url))
    }

    /// Cuts the next COMMIT off.
    pub(crate) fn cut(&self, cut: Cut) {
        self.armed.store(cut as u8, Ordering::SeqCst);
    }

    /// Whether a cut was made, since it was asked for.
    pub(crate) fn has_cut(&self) -> bool {
        self.armed.load(Ordering::SeqCst) == 0
    }
}

/// Carries bytes both ways until one side ends, or the cut comes; both connections end with it.
async fn carry(client: TcpStream, server: TcpStream, armed: Arc<AtomicU8>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = from_client.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                let bytes = &asked[..length];
                let commits = bytes.windows(COMMIT.len()).any(|part| part == COMMIT);
                let cut = if commits { armed.swap(0, Ordering::SeqCst) } else { 0 };
                if cut == Cut::Before as u8 {
                    return;
                }
                to_server.write_all(bytes).await.unwrap();
                if cut == Cut::After as u8 {
                    let mut answers = Vec::new();
                    while packets(&answers) < ANSWERS {
                        let length = from_server.read(&mut answered).await.unwrap();
                        assert!(length > 0, "the server answers");
                        answers.extend_from_slice(&answered[..length]);
                    }
                    return;
                }
            }
            read = from_server.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                if to_client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// How many whole packets: three bytes of length, one of sequence, and the payload.
fn packets(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let [a, b, c, _, rest @ ..] = bytes {
        let length = usize::from(*a) | usize::from(*b) << 8 | usize::from(*c) << 16;
        let Some(next) = rest.get(length..) else {
            break;
        };
        bytes = next;
        count += 1;
    }
    count
}
