//! Starting and stopping the whole.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use redb::backends::FileBackend;
use rocketmq_wire::v2;
use rocketmq_wire::v2::messaging_service_server::MessagingServiceServer;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::catalog::{Catalog, Policy};
use crate::clients::Clients;
use crate::clock::{Clock, millis};
use crate::commits::Commits;
use crate::grpc::{Service, ServiceRules};
use crate::remoting::Remoting;
use crate::stats::Counter;
use crate::store::Store;
use crate::store::lock::{FolderLock, store_file};
use crate::writer::half::HalfRules;
use crate::writer::op::Op;
use crate::writer::queue::Queue;
use crate::writer::thread::{Rules, Writer};
use crate::{Config, StartError, Stats, StoreError, TopicKind, checks, names, stats, store};

/// Requests larger than this are cut off by gRPC; the broker's own limits answer below it.
const REQUEST_BYTES: usize = 64 * 1024 * 1024;
/// How long connections may take to end when the broker stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// A running broker. Dropping it stops it without waiting; its folder is free a moment later.
pub struct Broker {
    address: SocketAddr,
    remoting: Option<SocketAddr>,
    store: Arc<Store>,
    catalog: Arc<Catalog>,
    clients: Arc<Clients>,
    clock: Clock,
    queue: Queue,
    writer: Option<JoinHandle<()>>,
    commits: Arc<Commits>,
    failure: watch::Receiver<Option<StoreError>>,
    streams: TaskTracker,
    /// Looks at the store that are under way.
    reads: TaskTracker,
    tasks: JoinSet<()>,
    stopping: CancellationToken,
}

impl Broker {
    /// Opens the folder, makes the configured topics and groups and begins to serve.
    ///
    /// # Errors
    /// [`StartError`] names the configuration's field that is at fault, or the folder.
    pub async fn start(config: Config) -> Result<Broker, StartError> {
        config.check()?;
        let listener = listen("listen", config.listen).await?;
        let remoting_listener = match config.remoting_listen {
            Some(address) => Some(listen("remoting_listen", address).await?),
            None => None,
        };
        let (file, cache, folder) = (
            store_file(&config.data),
            config.cache_bytes,
            config.data.clone(),
        );
        // Opening may take a while: after a kill the store is checked through.
        let opened = tokio::task::spawn_blocking(move || {
            let lock = FolderLock::take(&folder)?;
            let trouble = |source| StartError::Folder {
                folder: folder.clone(),
                source,
            };
            let file = std::fs::OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(file)
                .map_err(trouble)?;
            let backend = FileBackend::new(file).map_err(store::failed)?;
            Ok::<_, StartError>(Arc::new(Store::open(backend, cache, Some(lock))?))
        });
        let store = opened
            .await
            .map_err(|error| StoreError::Failed(error.to_string()))??;
        let broker = Self::serve(&config, store, listener, remoting_listener).await?;
        Ok(broker)
    }

    async fn serve(
        config: &Config,
        store: Arc<Store>,
        listener: TcpListener,
        remoting_listener: Option<TcpListener>,
    ) -> Result<Broker, StartError> {
        let trouble = |source| StartError::Listen {
            field: "listen",
            address: config.listen,
            source,
        };
        let address = listener.local_addr().map_err(trouble)?;
        let catalog = Arc::new(Catalog::default());
        let clock = Clock::system();
        let clients = Arc::new(Clients::new(config.client_idle));
        let (orphans, orphans_out) = mpsc::channel(checks::ON_THE_WAY);
        let (failure_in, failure) = watch::channel(None);
        let commits = Arc::<Commits>::default();
        let (queue, writer) = Writer::spawn(
            Arc::clone(&store),
            Arc::clone(&catalog),
            clock.clone(),
            rules(config),
            orphans,
            Arc::clone(&commits),
            failure_in,
        )?;
        let stopping = CancellationToken::new();
        let mut broker = Broker {
            address,
            remoting: None,
            store,
            catalog,
            clients,
            clock,
            queue,
            writer: Some(writer),
            commits,
            failure,
            streams: TaskTracker::new(),
            reads: TaskTracker::new(),
            tasks: JoinSet::new(),
            stopping,
        };
        broker.create_configured(config).await?;
        let carry = checks::carry(orphans_out, Arc::clone(&broker.clients));
        let until_stopped = broker.stopping.clone().run_until_cancelled_owned(carry);
        broker.tasks.spawn(async move {
            until_stopped.await;
        });
        if let Some(listener) = remoting_listener {
            broker.remoting = listener.local_addr().ok();
            let remoting = Remoting::new(
                broker.queue.clone(),
                Arc::clone(&broker.store),
                Arc::clone(&broker.catalog),
                config,
            );
            broker.reads = remoting.reads.clone();
            let stopping = broker.stopping.clone();
            broker.tasks.spawn(remoting.serve(listener, stopping));
        }
        broker.serve_grpc(config, listener);
        Ok(broker)
    }

    /// Topics and groups of the configuration, and the one topic that the broker itself needs.
    async fn create_configured(&self, config: &Config) -> Result<(), StartError> {
        let limit = (names::CHECK_LIMIT_TOPIC.to_owned(), TopicKind::Normal);
        let configured = config
            .topics
            .iter()
            .map(|topic| (topic.name.clone(), topic.kind));
        for (name, kind) in std::iter::once(limit).chain(configured) {
            if self
                .catalog
                .topic(&name)
                .is_none_or(|known| known.kind != kind)
            {
                self.queue
                    .ask(|reply| Op::CreateTopic { name, kind, reply })
                    .await?;
            }
        }
        for group in &config.groups {
            let policy = Policy::new(group.retry_max_times, &group.delays);
            if self
                .catalog
                .group(&group.name)
                .is_none_or(|known| known.policy != policy)
            {
                let name = group.name.clone();
                self.queue
                    .ask(|reply| Op::CreateGroup {
                        name,
                        policy,
                        reply,
                    })
                    .await?;
            }
        }
        Ok(())
    }

    fn serve_grpc(&mut self, config: &Config, listener: TcpListener) {
        let advertised = config
            .advertise
            .clone()
            .unwrap_or_else(|| self.address.to_string());
        let rules = ServiceRules {
            endpoints: endpoints(&advertised),
            host: advertised,
            check_after: config.check_after,
            long_poll_min: config.long_poll_min,
            long_poll_max: config.long_poll_max,
            recall_enabled: config.recall_enabled,
        };
        let service = Service {
            queue: self.queue.clone(),
            catalog: Arc::clone(&self.catalog),
            clients: Arc::clone(&self.clients),
            clock: self.clock.clone(),
            streams: self.streams.clone(),
            stopping: self.stopping.clone(),
            rules: Arc::new(rules),
        };
        let server = MessagingServiceServer::new(service)
            .max_decoding_message_size(REQUEST_BYTES)
            .max_encoding_message_size(REQUEST_BYTES);
        let stopping = self.stopping.clone();
        self.tasks.spawn(async move {
            let served = tonic::transport::Server::builder()
                .tcp_nodelay(true)
                .add_service(server)
                .serve_with_incoming_shutdown(
                    TcpListenerStream::new(listener),
                    stopping.cancelled(),
                )
                .await;
            if let Err(error) = served {
                tracing::error!(event = "grpc_server_failed", %error);
            }
        });
    }

    /// Where the gRPC service listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where remoting listens, if it does.
    pub fn remoting_address(&self) -> Option<SocketAddr> {
        self.remoting
    }

    /// Waits until the store fails. From then on requests are refused, mostly for good: whoever
    /// runs the broker had better end the process and start it anew.
    pub async fn failed(&self) -> StoreError {
        let mut failure = self.failure.clone();
        match failure.wait_for(Option::is_some).await {
            Ok(told) => told.clone().unwrap_or(StoreError::Stopped),
            Err(_) => StoreError::Stopped,
        }
    }

    /// Ends waiting polls, finishes what was accepted and closes the store.
    ///
    /// # Errors
    /// The store could not be closed; what was answered is on disk nevertheless.
    pub async fn stop(mut self) -> Result<(), StoreError> {
        self.queue.tell(Op::EndPolls).await?;
        self.stopping.cancel();
        self.clients.hang_up_all();
        self.streams.close();
        // Clients that hold their connection open are cut off after a while.
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        drop(tokio::time::timeout(FAREWELL, ended).await);
        self.tasks.shutdown().await;
        // They are short, and hold the store.
        self.reads.close();
        self.reads.wait().await;
        self.queue.stop();
        let Some(writer) = self.writer.take() else {
            return Ok(());
        };
        let joined = tokio::task::spawn_blocking(move || writer.join()).await;
        match joined {
            Ok(Ok(())) => Ok(()),
            _ => Err(StoreError::Failed("the writer panicked".into())),
        }
    }

    /// Counts of the writer's commits so far.
    pub fn commits(&self) -> Arc<Commits> {
        Arc::clone(&self.commits)
    }

    /// Counts what the broker holds, whenever it is asked.
    pub fn counter(&self) -> Counter {
        Counter::new(
            Arc::clone(&self.store),
            self.clock.clone(),
            self.reads.clone(),
        )
    }

    /// What the broker holds right now.
    ///
    /// # Panics
    /// If the store cannot be read: it is for tests, and they have nothing better to do.
    pub fn stats(&self) -> Stats {
        stats::count(&self.store, self.clock.now_ms()).expect("the store can be read")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stopping.cancel();
        self.queue.stop();
    }
}

fn rules(config: &Config) -> Rules {
    Rules {
        halves: HalfRules {
            check_interval_ms: millis(config.check_interval),
            check_max: config.check_max,
            record_ms: millis(config.transaction_record),
        },
        retention_ms: millis(config.retention),
    }
}

async fn listen(field: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| StartError::Listen {
            field,
            address,
            source,
        })
}

fn endpoints(advertised: &str) -> v2::Endpoints {
    let (host, port) = advertised.rsplit_once(':').unwrap_or((advertised, "8081"));
    let host = host.trim_matches(['[', ']']);
    let scheme = match host.parse() {
        Ok(std::net::IpAddr::V4(_)) => v2::AddressScheme::IPv4,
        Ok(std::net::IpAddr::V6(_)) => v2::AddressScheme::IPv6,
        Err(_) => v2::AddressScheme::DomainName,
    };
    let address = v2::Address {
        host: host.to_owned(),
        port: port.parse().unwrap_or(8081),
    };
    v2::Endpoints {
        scheme: scheme.into(),
        addresses: vec![address],
    }
}
