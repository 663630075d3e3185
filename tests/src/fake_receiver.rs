//! A receiver with a script: a real HTTP server that answers, fails, hangs or waits as told, and logs
//! every POST that reached it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use demo::eventually;
use tokio::sync::watch;
use tokio::time::Instant;

/// What the receiver does with one POST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers with this status and body.
    Answer(u16, String),
    /// Keeps the request without an answer until [`FakeReceiver::release`], then answers 200.
    Hold,
    /// Never answers.
    Hang,
    /// Passes it on to another receiver, whose answer is given back: one that counts what reaches that.
    Forward(String),
}

/// A POST that reached the receiver.
#[derive(Debug, Clone)]
pub struct Ring {
    /// Its `webhook-id`.
    pub tx_no: String,
    /// When it came.
    pub at: Instant,
    /// All its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

#[derive(Debug, Default)]
struct Script {
    rings: Vec<Ring>,
    once: VecDeque<Behaviour>,
    treats: Option<Treatment>,
    otherwise: Option<Behaviour>,
}

/// Given a number and how often it was rung before: what to do, if it is treated apart.
type Treatment = fn(&str, usize) -> Option<Behaviour>;

#[derive(Debug, Clone)]
struct Shared {
    script: Arc<Mutex<Script>>,
    released: watch::Sender<u64>,
    /// For what is passed on.
    http: reqwest::Client,
}

/// The receiver; it ends when it is dropped.
#[derive(Debug)]
pub struct FakeReceiver {
    url: String,
    shared: Shared,
    server: tokio::task::JoinHandle<()>,
}

impl FakeReceiver {
    /// Starts one that answers 200 to everything, until it is told otherwise.
    pub async fn start() -> FakeReceiver {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("some port is free");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let shared = Shared {
            script: Arc::default(),
            released: watch::Sender::new(0),
            http: crate::http(),
        };
        let router = Router::new()
            .route("/notifications", post(take))
            .with_state(shared.clone());
        let server = tokio::spawn(async move {
            axum::serve(listener, router)
                .await
                .expect("serving ends with the test");
        });
        FakeReceiver {
            url: format!("http://{address}/notifications"),
            shared,
            server,
        }
    }

    /// Where it is rung.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// From now on, whatever has no behaviour of its own.
    pub fn otherwise(&self, behaviour: Behaviour) {
        self.script().otherwise = Some(behaviour);
    }

    /// From now on, some notifications apart from the others, by their numbers.
    pub fn treats(&self, treatment: fn(&str, usize) -> Option<Behaviour>) {
        self.script().treats = Some(treatment);
    }

    /// The next POSTs, one behaviour each, in this order.
    pub fn next(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.script().once.extend(behaviours);
    }

    /// Answers all that is held.
    pub fn release(&self) {
        self.shared.released.send_modify(|round| *round += 1);
    }

    /// Every POST so far, oldest first.
    pub fn rings(&self) -> Vec<Ring> {
        self.script().rings.clone()
    }

    /// How often each notification was rung.
    pub fn count(&self) -> BTreeMap<String, usize> {
        let mut count = BTreeMap::new();
        for ring in &self.script().rings {
            *count.entry(ring.tx_no.clone()).or_default() += 1;
        }
        count
    }

    /// Waits until at least `many` POSTs have come.
    pub async fn rung(&self, many: usize, within: Duration) {
        let what = format!("{many} POSTs at the receiver");
        let came = eventually(&what, within, || async {
            Ok((self.script().rings.len() >= many).then_some(()))
        });
        came.await
            .unwrap_or_else(|error| panic!("{error:#}, {} came", self.script().rings.len()));
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.shared
            .script
            .lock()
            .expect("no test panics with the script in hand")
    }
}

impl Drop for FakeReceiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let mut released = shared.released.subscribe();
    let behaviour = {
        let mut script = shared
            .script
            .lock()
            .expect("no test panics with the script in hand");
        let tx_no = headers
            .get("webhook-id")
            .and_then(|id| id.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let before = script.rings.iter().filter(|ring| ring.tx_no == tx_no);
        let before = before.count();
        let apart = script.treats.and_then(|treat| treat(&tx_no, before));
        script.rings.push(Ring {
            tx_no,
            at: Instant::now(),
            headers: headers.clone(),
            body: body.clone(),
        });
        let next = script.once.pop_front().or(apart);
        let next = next.or_else(|| script.otherwise.clone());
        next.unwrap_or(Behaviour::Answer(200, r#"{"result":"applied"}"#.to_owned()))
    };
    match behaviour {
        Behaviour::Answer(status, body) => (
            StatusCode::from_u16(status).expect("a test names a real status"),
            body,
        )
            .into_response(),
        Behaviour::Hold => {
            // The sender lives in `shared`, so this ends with a release.
            released.changed().await.expect("the receiver lives");
            StatusCode::OK.into_response()
        }
        Behaviour::Hang => std::future::pending().await,
        Behaviour::Forward(url) => forward(&shared.http, &url, headers, body).await,
    }
}

/// 502 says that the other receiver was not there.
async fn forward(
    http: &reqwest::Client,
    url: &str,
    mut headers: HeaderMap,
    body: Bytes,
) -> Response {
    // They are this connection's own.
    for own in [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION] {
        headers.remove(own);
    }
    let answer = async {
        let response = http.post(url).headers(headers).body(body).send().await?;
        let status = response.status();
        Ok::<_, reqwest::Error>((status, response.bytes().await?))
    };
    match answer.await {
        Ok(answer) => answer.into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}
