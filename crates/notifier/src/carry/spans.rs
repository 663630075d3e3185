//! An attempt in its notification's trace: `receive`, and in it `attempt`, `record` and `settle`.
//!
//! The attempt's span has the id that the receiver is told. A copy that is put away without an attempt has no span.

use notification::{TraceParent, Verdict};
use service::clock::Clock;
use service::traces::{Kind, Open, Trace};

use super::Parcel;
use crate::directory::Line;
use crate::ring::Rung;
use crate::verdict::Judgement;

/// What is open of it; nothing if nobody wants spans.
#[derive(Debug)]
pub(super) struct Way {
    receive: Open,
    step: Open,
}

impl Way {
    /// Begins where the copy was received.
    pub(super) fn of(parcel: &Parcel, line: &Line, number: u32) -> Self {
        let copy = &parcel.copy;
        let parent = || TraceParent::parse(copy.content.traceparent.as_deref()?)?.wanted();
        let trace = Trace::of(parent);
        let mut receive = trace.open("receive", Kind::Consumer, || parcel.received_ms);
        receive.note("ringback.tx_no", copy.key.tx_no);
        receive.note("ringback.group", &copy.key.group);
        receive.note("ringback.endpoint", line.id());
        receive.note("ringback.generation", copy.generation);
        receive.note("ringback.attempt", number);
        Self {
            receive,
            step: Trace::default().open("none", Kind::Internal, || 0),
        }
    }

    /// The attempt is made and judged; now it is written down.
    pub(super) fn rung(&mut self, rung: &Rung, judgement: &Judgement) {
        let opened = self.receive.trace();
        let mut attempt = opened.open("attempt", Kind::Client, || rung.started_ms);
        attempt = attempt.with_id(rung.id.tail());
        attempt.note("http.request.method", "POST");
        attempt.note("ringback.verdict", judgement.verdict);
        if let Some(status) = rung.status {
            attempt.note("http.response.status_code", status);
        }
        let finished = || rung.finished_ms;
        match (judgement.verdict, judgement.error) {
            (Verdict::Delivered, _) => attempt.ended(finished),
            (_, Some(error)) => attempt.failed(error.as_str(), finished),
            (verdict, None) => attempt.failed(verdict.as_str(), finished),
        }
        self.step = opened.open("record", Kind::Internal, finished);
    }

    /// It is on record; now the broker is told.
    pub(super) fn recorded(&mut self, clock: &Clock) {
        let settle = self
            .receive
            .trace()
            .open("settle", Kind::Client, || clock.now_ms());
        std::mem::replace(&mut self.step, settle).ended(|| clock.now_ms());
    }

    /// It stays here for its next attempt: the broker is told nothing.
    pub(super) fn kept(self, clock: &Clock) {
        self.receive.ended(|| clock.now_ms());
    }

    /// The broker was told, or will find out.
    pub(super) fn settled(self, clock: &Clock) {
        self.step.ended(|| clock.now_ms());
        self.receive.ended(|| clock.now_ms());
    }
}
