//! A notifier's outcome feed: a real HTTP server that holds state and refuses like the real one.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use notification::api::notifier::{OutcomeLine, OutcomesPage, OutcomesQuery};
use notification::{Group, OutcomeKind, Source, TxNo};
use tokio::task::JoinHandle;

use crate::stage::{GROUP, SOURCE, TOKEN};

/// What the feed holds.
pub(crate) struct Feed {
    pub(crate) epoch: String,
    pub(crate) lines: Vec<OutcomeLine>,
    /// The most lines of a page, whatever is asked for.
    pub(crate) page: usize,
    /// Has another epoch at each request while set: two notifiers behind one address.
    pub(crate) restless: bool,
    /// Answers 503 while set.
    pub(crate) away: bool,
    /// The cursors that were asked with.
    pub(crate) asked: Vec<String>,
}

/// The running server.
pub(crate) struct FakeNotifier {
    address: SocketAddr,
    feed: Arc<Mutex<Feed>>,
    server: JoinHandle<()>,
}

impl FakeNotifier {
    pub(crate) async fn start() -> FakeNotifier {
        let feed = Feed {
            epoch: "e1".into(),
            lines: Vec::new(),
            page: 1_000,
            restless: false,
            away: false,
            asked: Vec::new(),
        };
        let feed = Arc::new(Mutex::new(feed));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("bound");
        let router = Router::new()
            .route("/v1/outcomes", get(outcomes))
            .with_state(Arc::clone(&feed));
        let server = tokio::spawn(async move {
            axum::serve(listener, router)
                .await
                .expect("serves until aborted")
        });
        FakeNotifier {
            address,
            feed,
            server,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Looks at the feed, or changes it.
    pub(crate) fn feed<R>(&self, change: impl FnOnce(&mut Feed) -> R) -> R {
        change(&mut self.feed.lock().expect("no test panics in here"))
    }

    /// Writes an outcome of the acceptor's, with an id of the time `id_ms`.
    pub(crate) fn say(&self, id_ms: u64, tx_no: TxNo, kind: OutcomeKind) {
        self.say_as(GROUP, SOURCE, id_ms, tx_no, kind);
    }

    pub(crate) fn say_as(
        &self,
        group: &str,
        source: &str,
        id_ms: u64,
        tx_no: TxNo,
        kind: OutcomeKind,
    ) {
        self.say_line(group, source, id_ms, tx_no, 0, kind);
    }

    /// The same of another generation.
    pub(crate) fn say_line(
        &self,
        group: &str,
        source: &str,
        id_ms: u64,
        tx_no: TxNo,
        generation: u32,
        kind: OutcomeKind,
    ) {
        self.feed(|feed| {
            let number = u64::try_from(feed.lines.len())
                .expect("few lines")
                .to_be_bytes();
            let random = [
                0, 0, number[0], number[1], number[2], number[3], number[4], number[5], number[6],
                number[7],
            ];
            let line = OutcomeLine {
                id: TxNo::from_parts(id_ms, random).to_string(),
                group: Group::new(group).expect("a group"),
                source: Source::new(source).expect("a source"),
                tx_no,
                generation,
                kind,
                at_ms: i64::try_from(id_ms).expect("a time"),
            };
            let place = feed.lines.partition_point(|other| other.id < line.id);
            feed.lines.insert(place, line);
        });
    }
}

impl Drop for FakeNotifier {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn outcomes(
    State(feed): State<Arc<Mutex<Feed>>>,
    headers: HeaderMap,
    Query(query): Query<OutcomesQuery>,
) -> Result<Json<OutcomesPage>, StatusCode> {
    let mut feed = feed.lock().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let bearer = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    if bearer != Some(&format!("Bearer {TOKEN}")) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    if feed.away {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    feed.asked.push(query.after.clone());
    if feed.restless {
        feed.epoch = format!("e{}", feed.asked.len());
    }
    let limit = usize::try_from(query.limit.unwrap_or(1_000))
        .unwrap_or(1_000)
        .min(feed.page);
    let later: Vec<_> = feed
        .lines
        .iter()
        .filter(|line| line.id > query.after)
        .cloned()
        .collect();
    let outcomes: Vec<_> = later.iter().take(limit).cloned().collect();
    Ok(Json(OutcomesPage {
        epoch: feed.epoch.clone(),
        next: outcomes.last().map_or(query.after, |line| line.id.clone()),
        at_end: outcomes.len() == later.len(),
        outcomes,
    }))
}
