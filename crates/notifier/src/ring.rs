//! One attempt: a signed POST, and whatever came of it.
//!
//! One deadline covers everything from the name to the last byte of the answer. The answer is read
//! up to 64 KiB and no further, so that a receiver that floods costs no memory; no compression is
//! asked for, and what comes compressed all the same is bytes like any other. Redirects are not
//! followed and no proxy is taken from the environment; both are the client's settings. A failure
//! is a value here, never an `Err`: what it means is the verdict's business.

mod failure;
mod retry_after;

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use notification::{AttemptError, Invalid, Reply, TraceParent, TxNo, headers, sign};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{Client, Method, Request, RequestBuilder, Response, Url};
use service::clock::Clock;

use crate::copy::{Copy, cut};
use crate::egress::Refusal;
use crate::endpoint::Endpoint;
use crate::record::ids;

/// The most of an answer that is read.
const LARGEST_REPLY: usize = 64 * 1024;

/// As many headers as a request has that its endpoint adds few to.
const USUAL_HEADERS: usize = 12;

/// The most of an answer that is kept.
const EXCERPT: usize = 1024;

/// What an attempt brought.
#[derive(Debug)]
pub(crate) struct Rung {
    /// The attempt's own; its last eight bytes are the span id that the receiver is told.
    pub id: TxNo,
    pub started_ms: i64,
    pub finished_ms: i64,
    /// By a clock that nobody sets.
    pub took: Duration,
    /// The status, if an answer began.
    pub status: Option<u16>,
    /// The whole answer, or why there is none.
    pub result: Result<Reply, AttemptError>,
    /// The failure in words.
    pub detail: Option<String>,
    /// How far the receiver's clock, by its `Date`, is ahead of ours; whole seconds at best.
    pub skew: Option<i64>,
}

impl Rung {
    /// The beginning of the answer's body, detached from the rest.
    pub(crate) fn excerpt(&self) -> Bytes {
        match &self.result {
            Ok(reply) => Bytes::copy_from_slice(&reply.body[..reply.body.len().min(EXCERPT)]),
            Err(_) => Bytes::new(),
        }
    }
}

/// Sends POSTs.
#[derive(Debug, Clone)]
pub(crate) struct Ringer {
    clock: Clock,
}

/// What is known of an answer when its deadline passes or it breaks off.
#[derive(Debug, Default)]
struct Seen {
    status: Option<u16>,
    skew: Option<i64>,
}

/// Why there is no answer.
struct Failed {
    error: AttemptError,
    detail: String,
}

impl Ringer {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock }
    }

    /// Makes attempt `number` of its generation, signed with those of the endpoint's secrets that sign at this moment.
    /// It goes to the endpoint's URL, or to the one that the message names within what the endpoint allows.
    pub(crate) async fn ring(&self, endpoint: &Endpoint, copy: &Copy, number: u32) -> Rung {
        let started_ms = self.clock.now_ms();
        let began = Instant::now();
        let id = ids::one(started_ms);
        let mut seen = Seen::default();
        let attempt = async {
            let url = endpoint.target(copy.content.notify_url.as_deref())?.url;
            endpoint.policy.check(&url)?;
            let request = request(endpoint, url, copy, number, started_ms, id);
            self.attempt(request, &mut seen).await
        };
        let result = match tokio::time::timeout(endpoint.timeout, attempt).await {
            Ok(result) => result,
            Err(_) => Err(Failed {
                error: AttemptError::Timeout,
                detail: format!("no whole answer within {}", span(endpoint.timeout)),
            }),
        };
        let (result, detail) = match result {
            Ok(reply) => (Ok(reply), None),
            Err(Failed { error, detail }) => (Err(error), Some(detail)),
        };
        let took = began.elapsed();
        Rung {
            id,
            started_ms,
            // By one clock: what is on record of an attempt agrees with itself.
            finished_ms: started_ms.saturating_add(service::clock::millis(took)),
            took,
            status: seen.status,
            result,
            detail,
            skew: seen.skew,
        }
    }

    async fn attempt(&self, request: RequestBuilder, seen: &mut Seen) -> Result<Reply, Failed> {
        let response = request.send().await.map_err(|error| Failed::from(&error))?;
        let now_ms = self.clock.now_ms();
        let header = |name| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        seen.status = Some(response.status().as_u16());
        seen.skew = header(DATE)
            .and_then(retry_after::http_date_ms)
            .map(|theirs_ms| (theirs_ms - now_ms) / 1000);
        let retry_after = header(RETRY_AFTER).and_then(|value| retry_after::parse(value, now_ms));
        let status = response.status().as_u16();
        let (body, cut) = read(response).await?;
        Ok(Reply {
            status,
            retry_after,
            body,
            cut,
        })
    }
}

/// What is sent.
fn request(
    endpoint: &Endpoint,
    url: Url,
    copy: &Copy,
    number: u32,
    now_ms: i64,
    attempt: TxNo,
) -> RequestBuilder {
    let id = copy.key.tx_no.to_string();
    let timestamp_s = now_ms.div_euclid(1000);
    let body = copy.content.body.clone();
    let in_force = endpoint.secrets.iter().filter(|s| s.signs_at(now_ms));
    let signature = sign(in_force.map(|s| &s.secret), &id, timestamp_s, &body);
    let mut request = Request::new(Method::POST, url);
    request.headers_mut().reserve(USUAL_HEADERS);
    let name = HeaderName::from_static;
    // Of host and credentials nothing is asked here: the policy has.
    RequestBuilder::from_parts(Client::clone(&endpoint.client), request)
        .headers(endpoint.headers.clone())
        .headers(trace(copy, attempt))
        .header(ACCEPT_ENCODING, "identity")
        .header(CONTENT_TYPE, &copy.content.content_type)
        .header(name(headers::WEBHOOK_ID), id)
        .header(name(headers::WEBHOOK_TIMESTAMP), timestamp_s)
        .header(name(headers::WEBHOOK_SIGNATURE), signature)
        .header(name(headers::WEBHOOK_ATTEMPT), number)
        .header(name(headers::RINGBACK_SOURCE), copy.key.source.as_str())
        .header(name(headers::RINGBACK_EVENT_TYPE), &copy.content.event_type)
        .header(name(headers::RINGBACK_GENERATION), copy.generation)
        .body(body)
}

/// The initiator's trace goes on, in a span of the attempt's own; what is no trace is left out.
fn trace(copy: &Copy, attempt: TxNo) -> HeaderMap {
    let parent = copy
        .content
        .traceparent
        .as_deref()
        .and_then(TraceParent::parse);
    let value = parent.and_then(|parent| parent.with_span(attempt.tail()).to_string().parse().ok());
    let name = HeaderName::from_static(headers::TRACEPARENT);
    value.map(|value| (name, value)).into_iter().collect()
}

/// Reads a body, and whether there is more of it than is read. What is more stays with the receiver: the connection is
/// given up.
async fn read(mut response: Response) -> Result<(Bytes, bool), Failed> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| Failed::from(&error))?
    {
        let room = LARGEST_REPLY - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Ok((body.freeze(), true));
        }
    }
    Ok((body.freeze(), false))
}

/// A message's own URL that the endpoint does not allow.
impl From<Invalid> for Failed {
    fn from(outside: Invalid) -> Self {
        Self {
            error: AttemptError::AddressRefused,
            detail: outside.to_string(),
        }
    }
}

impl From<&reqwest::Error> for Failed {
    fn from(error: &reqwest::Error) -> Self {
        Self {
            error: failure::classify(error),
            detail: failure::detail(error),
        }
    }
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self {
            error: AttemptError::AddressRefused,
            detail: cut(&refusal.to_string(), failure::DETAIL),
        }
    }
}

fn span(span: Duration) -> String {
    humantime::format_duration(span).to_string()
}

#[cfg(test)]
mod tests;
