//! A small server of `apache.rocketmq.v2` that behaves: it holds messages, leases and clients, and
//! refuses as the real one does. A test scripts what goes wrong.

mod answers;
mod running;
mod service;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rocketmq::{Client, ClientConfig};
use rocketmq_wire::v2::messaging_service_server::MessagingServiceServer;
use rocketmq_wire::v2::telemetry_command::Command;
use rocketmq_wire::{properties, resource, v2};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Notify, mpsc, watch};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::ServerTlsConfig;

pub(crate) const TOPIC: &str = "topic_a";
pub(crate) const GROUP: &str = "group_a";

/// What a client asked for, in the order of arrival.
#[derive(Debug, Clone)]
pub(crate) enum Call {
    Settings(v2::Settings),
    Heartbeat,
    Send(v2::Message),
    End(v2::EndTransactionRequest),
    Change(v2::ChangeInvisibleDurationRequest),
    Ack(v2::AckMessageRequest),
    Forward(v2::ForwardMessageToDeadLetterQueueRequest),
    Goodbye,
}

/// What goes wrong, until the test changes it.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// Brokers of every route; this server alone when empty.
    pub(crate) route: Vec<(String, Vec<SocketAddr>)>,
    pub(crate) topic_missing: bool,
    /// Ends each telemetry stream when it has acknowledged the Settings.
    pub(crate) ends_streams: bool,
    /// How long a poll waits; zero for the default of a fifth of a second.
    pub(crate) long_poll: Duration,
    /// What a send is answered instead of OK.
    pub(crate) send_status: Option<v2::Status>,
    /// As behind a proxy whose broker is away: so many of the next sends, routes and assignments are
    /// answered with an error of the server.
    pub(crate) broker_away: usize,
    /// So many of the next sends are refused for flow control.
    pub(crate) busy: usize,
    /// These sends, counted from 0, are never answered.
    pub(crate) hanging: Range<usize>,
    /// Brokers that no assignment names.
    pub(crate) unassigned: Vec<String>,
    /// Handles that an ack refuses.
    pub(crate) refused_handles: Vec<String>,
}

/// One server.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    pub(crate) state: Arc<State>,
    tls: Option<ServerTlsConfig>,
    running: Option<(DropGuard, std::thread::JoinHandle<()>)>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) address: Mutex<Option<SocketAddr>>,
    pub(crate) script: Mutex<Script>,
    pub(crate) calls: Mutex<Vec<Call>>,
    /// Authorization, date and session token of each call that was signed.
    pub(crate) signed: Mutex<Vec<(String, String, String)>>,
    pub(crate) changed: Notify,
    pub(crate) clients: Mutex<HashMap<String, ClientState>>,
    pub(crate) ready: Mutex<VecDeque<v2::Message>>,
    pub(crate) arrived: Notify,
    /// Handle that is good for a message id; absent once it was settled.
    pub(crate) handles: Mutex<HashMap<String, String>>,
    pub(crate) handle_numbers: AtomicUsize,
    /// While false, changes of the invisible time wait.
    pub(crate) changes_pass: Gate,
    pub(crate) sends_pass: Gate,
    pub(crate) sends: AtomicUsize,
    pub(crate) routes_pass: Gate,
    pub(crate) assignments_pass: Gate,
    pub(crate) routes_asked: AtomicUsize,
    /// Telemetry streams that the clients have not ended.
    pub(crate) streams_open: AtomicUsize,
    pub(crate) polls_begun: AtomicUsize,
    pub(crate) polls_ended: AtomicUsize,
    /// Calls about a message that ran while another about the same message ran.
    pub(crate) overlaps: AtomicUsize,
    pub(crate) running_about: Mutex<HashMap<String, usize>>,
}

#[derive(Debug)]
pub(crate) struct Gate(watch::Sender<bool>);

impl Default for Gate {
    fn default() -> Self {
        Self(watch::Sender::new(true))
    }
}

impl Gate {
    pub(crate) fn close(&self) {
        self.0.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    pub(crate) async fn pass(&self) {
        self.0.subscribe().wait_for(|open| *open).await.unwrap();
    }
}

#[derive(Debug)]
pub(crate) struct ClientState {
    pub(crate) settings: Option<v2::Settings>,
    pub(crate) stream: mpsc::Sender<Result<v2::TelemetryCommand, tonic::Status>>,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        Self::begin(None).await
    }

    /// One that speaks TLS and nothing else.
    pub(crate) async fn start_over(tls: ServerTlsConfig) -> Self {
        Self::begin(Some(tls)).await
    }

    async fn begin(tls: Option<ServerTlsConfig>) -> Self {
        let mut fake = Self {
            tls,
            address: ([127, 0, 0, 1], 0).into(),
            state: Arc::default(),
            running: None,
        };
        fake.listen().await;
        fake
    }

    /// Listens, on the address it had before if it had one.
    pub(crate) async fn listen(&mut self) {
        let listener = std::net::TcpListener::bind(self.address).unwrap();
        listener.set_nonblocking(true).unwrap();
        self.address = listener.local_addr().unwrap();
        *self.state.address.lock().unwrap() = Some(self.address);
        let stop = CancellationToken::new();
        let service = service::FakeService {
            state: Arc::clone(&self.state),
        };
        let mut server = tonic::transport::Server::builder();
        if let Some(tls) = self.tls.clone() {
            server = server.tls_config(tls).unwrap();
        }
        let state = Arc::clone(&self.state);
        let note = move |request: tonic::Request<()>| {
            let said = |name: &str| {
                let value = request.metadata().get(name)?.to_str();
                Some(value.unwrap().to_owned())
            };
            if let (Some(authorization), Some(date)) =
                (said("authorization"), said("x-mq-date-time"))
            {
                let token = said("x-mq-session-token").unwrap_or_default();
                let mut signed = state.signed.lock().unwrap();
                signed.push((authorization, date, token));
            }
            Ok(request)
        };
        let service = MessagingServiceServer::new(service).max_decoding_message_size(8 << 20);
        let server = server.add_service(InterceptedService::new(service, note));
        // Cut, not drained: a server that dies asks nobody. Its runtime is its own, so that its
        // connections, each a task, end with it.
        let cut = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                let incoming = TcpListenerStream::new(TcpListener::from_std(listener).unwrap());
                cut.run_until_cancelled(server.serve_with_incoming(incoming))
                    .await;
            });
        });
        self.running = Some((stop.drop_guard(), thread));
    }

    /// Dies, and forgets its clients with it.
    pub(crate) async fn die(&mut self) {
        let (stop, thread) = self.running.take().unwrap();
        drop(stop);
        let ended = tokio::task::spawn_blocking(move || thread.join());
        ended.await.unwrap().unwrap();
        self.state.clients.lock().unwrap().clear();
    }

    pub(crate) fn client(&self) -> Client {
        client_of(&[self.address], Duration::from_secs(3))
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.state.script.lock().unwrap()
    }

    /// Forgets every client's Settings, as an idle server does: the streams stay.
    pub(crate) fn forget_clients(&self) {
        for client in self.state.clients.lock().unwrap().values_mut() {
            client.settings = None;
        }
    }

    /// Ends every telemetry stream.
    pub(crate) fn end_streams(&self) {
        self.state.clients.lock().unwrap().clear();
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state.calls.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, which: impl Fn(&Call) -> bool) -> usize {
        self.state
            .calls
            .lock()
            .unwrap()
            .iter()
            .filter(|call| which(call))
            .count()
    }

    pub(crate) fn ends(&self) -> Vec<v2::EndTransactionRequest> {
        let calls = self.calls().into_iter();
        calls
            .filter_map(|call| match call {
                Call::End(end) => Some(end),
                _ => None,
            })
            .collect()
    }

    /// Puts a message into the topic.
    pub(crate) fn put(&self, id: &str, body: &[u8]) {
        self.put_encoded(id, body, v2::Encoding::Identity);
    }

    pub(crate) fn put_encoded(&self, id: &str, body: &[u8], encoding: v2::Encoding) {
        let message = v2::Message {
            topic: Some(resource(TOPIC)),
            user_properties: BTreeMap::from([("colour".to_owned(), "red".to_owned())]),
            system_properties: Some(v2::SystemProperties {
                message_id: id.to_owned(),
                body_encoding: encoding.into(),
                delivery_attempt: Some(1),
                tag: Some("tag".to_owned()),
                keys: vec!["key".to_owned()],
                ..Default::default()
            }),
            body: body.to_vec().into(),
        };
        self.state.ready.lock().unwrap().push_back(message);
        self.state.arrived.notify_waiters();
    }

    /// Asks some client about a half message; false when no client publishes the topic.
    pub(crate) async fn check_back(&self, id: &str, times: u32) -> bool {
        let stream = {
            let clients = self.state.clients.lock().unwrap();
            let publisher = clients.values().find(|client| match &client.settings {
                Some(v2::Settings {
                    pub_sub: Some(v2::settings::PubSub::Publishing(publishing)),
                    ..
                }) => publishing.topics.iter().any(|topic| topic.name == TOPIC),
                _ => false,
            });
            publisher.map(|client| client.stream.clone())
        };
        let Some(stream) = stream else {
            return false;
        };
        let message = v2::Message {
            topic: Some(resource(TOPIC)),
            user_properties: BTreeMap::from([(
                properties::CHECK_TIMES.to_owned(),
                times.to_string(),
            )]),
            system_properties: Some(v2::SystemProperties {
                message_id: id.to_owned(),
                ..Default::default()
            }),
            body: "half".into(),
        };
        let orphan = v2::RecoverOrphanedTransactionCommand {
            message: Some(message),
            transaction_id: format!("tx-{id}"),
        };
        let command = v2::TelemetryCommand {
            status: None,
            command: Some(Command::RecoverOrphanedTransactionCommand(orphan)),
        };
        stream.send(Ok(command)).await.is_ok()
    }
}

/// A client with these endpoints.
pub(crate) fn client_of(addresses: &[SocketAddr], request_timeout: Duration) -> Client {
    Client::new(ClientConfig {
        endpoints: addresses.iter().map(ToString::to_string).collect(),
        request_timeout,
        name: "test".to_owned(),
        ..Default::default()
    })
    .unwrap()
}

/// An address where nobody listens for as long as this is kept: it is bound, so that nobody else is given it.
pub(crate) fn vacant() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket
}

/// Waits until `condition` holds; fails after 20 s.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "not within 20 s: {what}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl State {
    fn log(&self, call: Call) {
        self.calls.lock().unwrap().push(call);
        self.changed.notify_waiters();
    }

    /// A new handle for a message; older ones are dead.
    fn new_handle(&self, message_id: &str) -> String {
        let number = self.handle_numbers.fetch_add(1, Ordering::SeqCst);
        let handle = format!("handle-{message_id}-{number}");
        self.handles
            .lock()
            .unwrap()
            .insert(message_id.to_owned(), handle.clone());
        handle
    }
}
