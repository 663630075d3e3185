//! The stage of the table: one broker, one notifier, and for each row an endpoint and a receiver.
//!
//! All messages are in one group, and each names its endpoint. What becomes of each is seen on its record; that the
//! broker was told the same is seen by what is left in the group in the end, and by the second attempts, which only come
//! if the first was deferred for its rung.

use std::time::Duration;

use database::testing::Vacant;
use notification::TxNo;
use notifier::{EgressConfig, EndpointConfig};
use serde_json::{Map, Value, json};

use super::receiver::{Scripted, Transport};
use super::row::{At, LADDER, Row, answer_with, whole};
use crate::support::{Receiver, Running, World, envelope, eventually};

/// Longer than the table takes: what comes back comes by its rung, not because a lease ran out.
const LEASE: Duration = Duration::from_secs(600);

/// A next attempt that is due within this is waited for.
const SOON: Duration = Duration::from_secs(5);

pub(super) struct Stage {
    world: World,
    notifier: Running,
    rows: Vec<Rung>,
    _answering: Scripted,
}

/// A row under way.
struct Rung {
    tx_no: TxNo,
    expects_again: bool,
    _there: Option<There>,
}

/// What is at a row's address until the end.
#[expect(dead_code, reason = "they are kept, and dropped")]
enum There {
    Scripted(Scripted),
    Nobody(Vacant),
}

/// What can be seen of a row afterwards.
pub(super) struct Seen {
    pub(super) verdict: String,
    pub(super) status: Option<u16>,
    pub(super) error: Option<String>,
    pub(super) excerpt: Option<String>,
    pub(super) settlement: &'static str,
    /// From the first attempt's end to when the next one is due.
    next_ms: Option<i64>,
    /// From the first attempt's end to the next one's beginning, and from its end to when the third is due.
    again_ms: Option<(i64, Option<i64>)>,
}

impl Stage {
    pub(super) async fn raise(rows: &[&Row]) -> Self {
        let world = World::new().await;
        let ok = answer_with(whole("200 OK", "", "ok"));
        let answering = Scripted::start(Transport::Plain, ok).await;
        let mut endpoints = Vec::new();
        let mut receivers = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            let (receiver, url) = receiver(row, &answering).await;
            endpoints.push(endpoint(at, row, &url));
            receivers.push(receiver);
        }
        let mut config = world.config();
        config.notifier.lease = LEASE;
        config.endpoints = endpoints;
        config.subscriptions[0].endpoint = "*".parse().unwrap();
        config.egress = egress(rows);
        let notifier = Running::start(config).await;
        let mut under_way = Vec::new();
        for ((at, row), there) in rows.iter().enumerate().zip(receivers) {
            let mut envelope = envelope();
            envelope.notification.endpoint = Some(id(at).parse().unwrap());
            world.send(&envelope).await;
            under_way.push(Rung {
                tx_no: envelope.notification.tx_no,
                expects_again: row.means.next.is_some_and(|(_, most)| most <= SOON),
                _there: there,
            });
        }
        Self {
            world,
            notifier,
            rows: under_way,
            _answering: answering,
        }
    }

    /// Waits until a row has been rung as often as it is to be, and says what is on record of it.
    pub(super) async fn observe(&self, at: usize) -> Seen {
        let rung = &self.rows[at];
        let attempts = if rung.expects_again { 2 } else { 1 };
        let what = format!("row {at}: {attempts} attempts");
        let view = eventually(&what, async || {
            let view = self.notifier.find(rung.tx_no).await?;
            let ended = view.notification.state.as_str() != "waiting";
            (ended || view.attempts.len() >= attempts).then_some(view)
        });
        let view = view.await;
        let first = &view.attempts[0];
        let end = |attempt: &notification::api::notifier::Attempt| {
            attempt.started_ms + i64::try_from(attempt.took_ms).unwrap()
        };
        let again_ms = view.attempts.get(1).map(|second| {
            let due = second.next_due_ms.map(|due_ms| due_ms - end(second));
            (second.started_ms - end(first), due)
        });
        Seen {
            verdict: first.verdict.to_string(),
            status: first.status,
            error: first.error.map(|error| error.to_string()),
            excerpt: first.excerpt.clone(),
            settlement: match view.notification.state.as_str() {
                "delivered" => "acked",
                "waiting" => "deferred",
                "dead" => "DLQ",
                _ => "?",
            },
            next_ms: first.next_due_ms.map(|due_ms| due_ms - end(first)),
            again_ms,
        }
    }

    /// Waits until the broker holds what the rows say: as many deferred, as many dead, and nothing else.
    pub(super) async fn settles_as(&self, seen: &[Seen]) {
        let count = |word| seen.iter().filter(|seen| seen.settlement == word).count();
        let (deferred, dead) = (count("deferred"), count("DLQ"));
        let expected = (
            u64::try_from(deferred).unwrap(),
            u64::try_from(dead).unwrap(),
        );
        eventually("the broker told of every settlement", async || {
            let held = (self.world.left("bank2"), self.world.dead());
            (held == expected).then_some(())
        })
        .await;
        let letters = self.notifier.letters().await;
        assert_eq!(letters.total_open, expected.1, "a letter for each");
    }

    pub(super) async fn strike(self) {
        self.notifier.kill().await;
    }
}

impl Seen {
    /// Whether it is what the row has to mean; in words what is not.
    pub(super) fn agrees_with(&self, row: &Row) -> Result<(), String> {
        let means = &row.means;
        let settlement = match means.verdict {
            "delivered" => "acked",
            "rejected" => "DLQ",
            _ => "deferred",
        };
        let expected = (means.verdict, means.status, means.error, settlement);
        let seen = (
            self.verdict.as_str(),
            self.status,
            self.error.as_deref(),
            self.settlement,
        );
        if expected != seen {
            return Err(format!("{expected:?} was expected, {seen:?} came"));
        }
        let ms = |span: Duration| i64::try_from(span.as_millis()).unwrap();
        let in_time = match (means.next, self.next_ms) {
            (None, None) => true,
            // What is measured of an attempt is rounded down to a millisecond.
            (Some((least, most)), Some(next_ms)) => (ms(least)..=ms(most) + 500).contains(&next_ms),
            _ => false,
        };
        if !in_time {
            return Err(format!(
                "next in {:?} was expected, {:?} ms came",
                means.next, self.next_ms
            ));
        }
        match (means.next, self.again_ms) {
            (Some((least, most)), Some((came_ms, due_ms))) if most <= SOON => {
                // Long before the lease would have brought it back.
                let again = (ms(least)..ms(LEASE) / 4).contains(&came_ms);
                let second = due_ms.is_some_and(|due_ms| (600_000..600_500).contains(&due_ms));
                if again && second {
                    Ok(())
                } else {
                    Err(format!(
                        "the second came after {came_ms} ms, and the third is due after {due_ms:?}"
                    ))
                }
            }
            (Some((_, most)), None) if most > SOON => Ok(()),
            (None, None) => Ok(()),
            other => Err(format!("not rung as often as expected: {other:?}")),
        }
    }
}

fn id(at: usize) -> String {
    format!("endpoint-{at}")
}

/// Receivers are on this machine, and may be rung by its number; by its name they may not.
fn egress(rows: &[&Row]) -> EgressConfig {
    let named = |row: &Row| matches!(row.at, At::Url(url) if url.contains("localhost"));
    let closed = rows.iter().enumerate().filter(|(_, row)| named(row));
    let closed: Map<String, Value> = closed
        .map(|(at, _)| (id(at), json!({ "allow": [] })))
        .collect();
    serde_json::from_value(json!({ "allow": ["127.0.0.0/8"], "endpoint": closed })).unwrap()
}

async fn receiver(row: &Row, answering: &Scripted) -> (Option<There>, String) {
    match &row.at {
        At::Script(transport, script) => {
            let receiver = Scripted::start(transport.clone(), script.clone()).await;
            let tls = matches!(transport, Transport::Tls(_)) || row.more.get("tls").is_some();
            let scheme = if tls { "https" } else { "http" };
            let url = format!("{scheme}://{}/", receiver.address);
            (Some(There::Scripted(receiver)), url)
        }
        At::Nobody => {
            let vacant = Vacant::new();
            let url = format!("http://{}/", vacant.address());
            (Some(There::Nobody(vacant)), url)
        }
        At::Url(url) => {
            let port = answering.address.port().to_string();
            (None, url.replace("{port}", &port))
        }
    }
}

fn endpoint(at: usize, row: &Row, url: &str) -> EndpointConfig {
    let mut given = json!({
        "id": id(at),
        "url": url,
        "secrets": [Receiver::secret().expose()],
        "ladder": LADDER,
        "timeout": humantime::format_duration(row.patience).to_string(),
    });
    for more in [row.rule.keys(), row.more.clone()] {
        let Value::Object(more) = more else { continue };
        given.as_object_mut().unwrap().extend(more);
    }
    serde_json::from_value(given).unwrap()
}
