//! A request's part in a trace: given by who asks, or begun here while spans are wanted.

use axum::http::{HeaderMap, StatusCode};
use notification::{Sampled, TraceParent, TxNo, headers};
use service::clock::Clock;
use service::traces::{self, Kind, Open, Trace};

/// A request that may belong to a trace.
#[derive(Debug)]
pub(crate) struct Traced {
    open: Open,
    goes_on: Option<TraceParent>,
}

impl Traced {
    /// In the trace of whoever asks; one that begins with it, if there is none and spans are wanted.
    pub(crate) fn or_first(name: &'static str, asked: &HeaderMap, clock: &Clock) -> Self {
        let given = given(asked);
        if given.is_some() || !traces::is_on() {
            return Self::within(name, given, clock);
        }
        let (trace_id, own): ([u8; 16], [u8; 8]) = (service::ids::random(), service::ids::random());
        let sampled = match traces::is_wanted(u128::from_be_bytes(trace_id)) {
            true => Sampled::Yes,
            false => Sampled::No,
        };
        let begun = TraceParent::begin(trace_id, own, sampled);
        let first =
            Trace::of(|| begun.as_ref()?.wanted()).open(name, Kind::Server, || clock.now_ms());
        Self {
            open: first.with_id(own).first(),
            goes_on: begun,
        }
    }

    /// In the trace of whoever asks, if there is one.
    pub(crate) fn request(name: &'static str, asked: &HeaderMap, clock: &Clock) -> Self {
        Self::within(name, given(asked), clock)
    }

    fn within(name: &'static str, given: Option<TraceParent>, clock: &Clock) -> Self {
        let own = service::ids::random();
        let trace = Trace::of(|| given.as_ref()?.wanted());
        // Where nobody is told of a span of ours, the asker's is who causes what follows.
        let goes_on = match trace == Trace::default() {
            true => given,
            false => given.map(|given| given.with_span(own)),
        };
        Self {
            open: trace
                .open(name, Kind::Server, || clock.now_ms())
                .with_id(own),
            goes_on,
        }
    }

    /// What goes on with whatever this request causes.
    pub(crate) fn goes_on(&self) -> Option<String> {
        self.goes_on.as_ref().map(TraceParent::to_string)
    }

    /// The request is answered with this status.
    pub(crate) fn answered(mut self, tx_no: &TxNo, status: StatusCode, clock: &Clock) {
        self.open.note("ringback.tx_no", tx_no);
        self.open.note("http.response.status_code", status.as_u16());
        if status.is_server_error() {
            self.open.failed("server error", || clock.now_ms());
        } else if status.is_client_error() {
            self.open.failed("refused", || clock.now_ms());
        } else {
            self.open.ended(|| clock.now_ms());
        }
    }
}

fn given(asked: &HeaderMap) -> Option<TraceParent> {
    let given = asked.get(headers::TRACEPARENT)?;
    TraceParent::parse(given.to_str().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trace_of_who_asks_goes_on_though_nobody_here_tells_spans() {
        let clock = Clock::system();
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        let mut asked = HeaderMap::new();
        asked.insert(headers::TRACEPARENT, text.parse().unwrap());
        for traced in [
            Traced::request("a", &asked, &clock),
            Traced::or_first("a", &asked, &clock),
        ] {
            assert_eq!(traced.goes_on().as_deref(), Some(text));
        }
        asked.insert(headers::TRACEPARENT, "none".parse().unwrap());
        for traced in [
            Traced::request("a", &asked, &clock),
            Traced::or_first("a", &asked, &clock),
        ] {
            assert_eq!(traced.goes_on(), None);
        }
    }
}
