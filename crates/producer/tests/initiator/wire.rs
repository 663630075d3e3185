//! The wire to the broker, which can be cut.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use tokio::io::{AsyncReadExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What routes name in the broker's stead.
pub(crate) struct Wire {
    pub(crate) address: SocketAddr,
    broker: Arc<OnceLock<SocketAddr>>,
    cut: watch::Sender<bool>,
    _serving: JoinSet<()>,
}

impl Wire {
    pub(crate) async fn start() -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let broker = Arc::new(OnceLock::new());
        let cut = watch::Sender::new(false);
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::clone(&broker), cut.subscribe()));
        Wire {
            address,
            broker,
            cut,
            _serving: serving,
        }
    }

    pub(crate) fn leads_to(&self, broker: SocketAddr) {
        self.broker.set(broker).expect("it leads to one broker");
    }

    /// From now on every connection ends when the client has said something.
    pub(crate) fn cut(&self) {
        self.cut.send_replace(true);
    }
}

async fn serve(
    listener: TcpListener,
    broker: Arc<OnceLock<SocketAddr>>,
    cut: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let broker = *broker.get().expect("it leads somewhere");
        connections.spawn(connect(client, broker, cut.clone()));
    }
}

async fn connect(mut client: TcpStream, broker: SocketAddr, mut cut: watch::Receiver<bool>) {
    if *cut.borrow() {
        // However it ends, the client is cut off.
        client.read_u8().await.ok();
        return;
    }
    let Ok(mut broker) = TcpStream::connect(broker).await else {
        return;
    };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut broker) => {}
        _ = cut.wait_for(|cut| *cut) => {}
    }
}
