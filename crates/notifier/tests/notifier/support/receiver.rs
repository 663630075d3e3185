//! A receiver that does what its script says and remembers each request.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use notification::{Secret, TxNo, verify};
use service::clock;
use service::shutdown::Shutdown;
use tokio::sync::watch;

/// What to do with a request.
#[derive(Debug, Clone)]
pub(crate) enum Behaviour {
    Answer(u16),
    /// Answer after a while.
    After(Duration, u16),
    Hang,
    /// Answer with `Retry-After`.
    Later(u16, Duration),
    /// Answer by a clock that is so many seconds ahead.
    Ahead(u16, i64),
    /// Answer with the status that is in it, once there is one.
    Told(watch::Receiver<Option<u16>>),
}

/// A request as it came, after its signature was verified.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) tx_no: TxNo,
    pub(crate) generation: u32,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) at: Instant,
    pub(crate) path: String,
    /// How many secrets it was signed with.
    pub(crate) signatures: usize,
}

type Script = Box<dyn Fn(&Call, usize) -> Behaviour + Send + Sync>;

#[derive(Clone)]
struct Shared {
    calls: Arc<Mutex<Vec<Call>>>,
    script: Arc<Mutex<Script>>,
    /// By which it verifies.
    secret: Arc<Mutex<Secret>>,
}

/// The server; it ends with the test.
pub(crate) struct Receiver {
    address: SocketAddr,
    shared: Shared,
    shutdown: Shutdown,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shutdown.force();
    }
}

impl Receiver {
    /// One that answers 200.
    pub(crate) async fn start() -> Self {
        let listener = service::http::bind(([127, 0, 0, 1], 0).into())
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared {
            calls: Arc::default(),
            script: Arc::new(Mutex::new(Box::new(|_, _| Behaviour::Answer(200)))),
            secret: Arc::new(Mutex::new(Self::secret())),
        };
        let router = Router::new()
            .route("/{*path}", post(receive))
            .with_state(shared.clone());
        let shutdown = Shutdown::new();
        tokio::spawn(service::http::serve(listener, router, shutdown.clone()));
        Self {
            address,
            shared,
            shutdown,
        }
    }

    pub(crate) fn secret() -> Secret {
        "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
            .parse()
            .unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/notifications", self.address)
    }

    /// From now on it knows this secret and no other.
    pub(crate) fn knows(&self, secret: &str) {
        *self.shared.secret.lock().unwrap() = secret.parse().unwrap();
    }

    /// Where it is, without the path.
    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on: given a call and how many came before it for its number.
    pub(crate) fn script(
        &self,
        script: impl Fn(&Call, usize) -> Behaviour + Send + Sync + 'static,
    ) {
        *self.shared.script.lock().unwrap() = Box::new(script);
    }

    /// From now on, the same answer to everything.
    pub(crate) fn answer(&self, status: u16) {
        self.script(move |_, _| Behaviour::Answer(status));
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().unwrap().clone()
    }

    pub(crate) fn calls_of(&self, tx_no: TxNo) -> Vec<Call> {
        self.calls()
            .into_iter()
            .filter(|call| call.tx_no == tx_no)
            .collect()
    }
}

async fn receive(
    State(shared): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| headers[name].to_str().unwrap();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let signature = header("webhook-signature");
    let (timestamp_s, now_s) = (timestamp.parse().unwrap(), clock::now_ms() / 1000);
    let secret = shared.secret.lock().unwrap().clone();
    let secrets = std::slice::from_ref(&secret);
    if verify(secrets, id, timestamp_s, signature, &body, now_s, 300).is_err() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let call = Call {
        tx_no: id.parse().unwrap(),
        generation: header("ringback-generation").parse().unwrap(),
        headers: headers.clone(),
        body,
        at: Instant::now(),
        path: uri.path().to_owned(),
        signatures: signature.split(' ').count(),
    };
    let before = {
        let mut calls = shared.calls.lock().unwrap();
        let before = calls
            .iter()
            .filter(|known| known.tx_no == call.tx_no)
            .count();
        calls.push(call.clone());
        before
    };
    let behaviour = shared.script.lock().unwrap()(&call, before);
    let mut more = HeaderMap::new();
    let status = match behaviour {
        Behaviour::Later(status, after) => {
            more.insert("retry-after", after.as_secs().into());
            status
        }
        Behaviour::Ahead(status, seconds) => {
            let their_s = u64::try_from(clock::now_ms() / 1_000 + seconds).unwrap();
            let theirs = SystemTime::UNIX_EPOCH + Duration::from_secs(their_s);
            more.insert("date", httpdate::fmt_http_date(theirs).parse().unwrap());
            status
        }
        Behaviour::Told(mut told) => {
            let status = told.wait_for(Option::is_some).await;
            status.map_or(503, |status| status.unwrap())
        }
        Behaviour::Answer(status) => status,
        Behaviour::After(delay, status) => {
            tokio::time::sleep(delay).await;
            status
        }
        Behaviour::Hang => std::future::pending().await,
    };
    let text = format!("answer number {before}");
    (StatusCode::from_u16(status).unwrap(), more, text).into_response()
}
