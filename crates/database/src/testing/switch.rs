//! A TCP address that leads to one server now and to another later, as DNS or a virtual address does, and whose
//! connections can be cut or fall silent.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::Config;

/// The address, for as long as it is kept.
#[derive(Debug)]
pub struct Switch {
    address: SocketAddr,
    leads_to: Arc<Mutex<String>>,
    fate: watch::Sender<Fate>,
}

/// What becomes of the connections that there are.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Cut,
    Silent,
}

impl Switch {
    /// Leads to `host:port`.
    pub async fn to(server: &str) -> Switch {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let leads_to = Arc::new(Mutex::new(server.to_owned()));
        let (fate, _) = watch::channel(Fate::Cut);
        let (target, fates) = (Arc::clone(&leads_to), fate.clone());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let server = lock(&target).clone();
                tokio::spawn(carry(near, server, fates.subscribe()));
            }
        });
        Switch {
            address,
            leads_to,
            fate,
        }
    }

    /// Leads to the server of a database's URL; gives the same database by this address.
    pub async fn before(config: &Config) -> (Switch, Config) {
        let (scheme, rest) = config.url.split_once("://").expect("a server's URL");
        let (authority, name) = rest.split_once('/').expect("a server's URL");
        let (user, server) = authority.rsplit_once('@').expect("a server's URL");
        let switch = Switch::to(server).await;
        let url = format!("{scheme}://{user}@{}/{name}", switch.address);
        let by_switch = Config {
            url,
            ..config.clone()
        };
        (switch, by_switch)
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// New connections lead there; those that there are stay where they are.
    pub fn lead_to(&self, server: &str) {
        server.clone_into(&mut lock(&self.leads_to));
    }

    /// Ends the connections that there are.
    pub fn cut(&self) {
        self.fate.send_replace(Fate::Cut);
    }

    /// The connections that there are stay open, and nothing comes through: as if the host had lost its power.
    pub fn fall_silent(&self) {
        self.fate.send_replace(Fate::Silent);
    }
}

async fn carry(mut near: TcpStream, server: String, mut fates: watch::Receiver<Fate>) {
    let Ok(mut far) = TcpStream::connect(server).await else {
        return;
    };
    tokio::select! {
        // It ends as it ends.
        _ = copy_bidirectional(&mut near, &mut far) => return,
        changed = fates.changed() => if changed.is_err() { return },
    }
    if matches!(*fates.borrow(), Fate::Silent) {
        // Held open until its owner is gone.
        while fates.changed().await.is_ok() {}
    }
}

fn lock(target: &Mutex<String>) -> std::sync::MutexGuard<'_, String> {
    target.lock().unwrap_or_else(PoisonError::into_inner)
}
