//! Spans for an OpenTelemetry collector, where somebody wants them.
//!
//! Whoever does a step of a [`Trace`] opens a span and ends it; it is told when it has ended. It then waits in a
//! bounded queue and goes out with others, over OTLP/HTTP: nothing ever waits for a collector, and what does not fit
//! or is not taken is left out and counted. Without `[telemetry] otlp`, or in a build without the feature `otlp`, a
//! trace is empty: its spans cost the look at a flag, and no time is asked for. The queue is the process's, like its log.

#[cfg(not(feature = "otlp"))]
mod absent;
#[cfg(feature = "otlp")]
mod batch;
#[cfg(feature = "otlp")]
mod export;

use std::fmt::Display;
use std::future::Future;

use anyhow::Context;
use serde::Deserialize;

use crate::clock::Clock;

#[cfg(not(feature = "otlp"))]
use absent as told;
#[cfg(feature = "otlp")]
use export as told;
pub use told::Exporter;

/// `[telemetry]` of `ringback.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where an OpenTelemetry collector takes OTLP over HTTP, such as `http://127.0.0.1:4318`; spans go to
    /// `/v1/traces` below it. Absent: no spans.
    pub otlp: Option<String>,
    /// The part of the traces that begin here whose spans are wanted, 0 to 1. A trace that comes from elsewhere says
    /// by itself.
    pub sample: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            otlp: None,
            sample: 1.0,
        }
    }
}

impl Config {
    /// # Errors
    /// `sample` is not within 0 and 1, or `otlp` is given and is no `http://` or `https://` URL, or this build knows no OTLP.
    pub fn check(&self) -> anyhow::Result<()> {
        self.check_as(cfg!(feature = "otlp"))
    }

    /// As a build with or without the feature `otlp` checks it.
    fn check_as(&self, built_with_otlp: bool) -> anyhow::Result<()> {
        let sample = self.sample;
        anyhow::ensure!(
            (0.0..=1.0).contains(&sample),
            "telemetry.sample: {sample} is refused: 0 to 1"
        );
        match &self.otlp {
            None => Ok(()),
            Some(given) if !built_with_otlp => anyhow::bail!(
                "telemetry.otlp: {given:?} is refused: this build tells no spans; build it with `--features otlp`"
            ),
            Some(given) => traces_url(given).map(drop),
        }
    }
}

/// Where spans go below the collector's address.
fn traces_url(given: &str) -> anyhow::Result<reqwest::Url> {
    let refused =
        || format!("telemetry.otlp: {given:?} is refused: http://host:port or https://host:port");
    let url = format!("{}/v1/traces", given.trim_end_matches('/'));
    let url = reqwest::Url::parse(&url).with_context(refused)?;
    anyhow::ensure!(matches!(url.scheme(), "http" | "https"), refused());
    Ok(url)
}

/// Which side of a conversation a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It was asked.
    Server,
    /// It asked.
    Client,
    /// It gave a message to a broker.
    Producer,
    /// It took a message from a broker.
    Consumer,
    /// Nobody else had to do with it.
    Internal,
}

/// A trace whose spans are wanted, seen from the span that causes what follows; or an empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trace(Option<Seen>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    trace_id: u128,
    span_id: u64,
}

impl Trace {
    /// The trace of this id seen from the span of that id, if it is sampled. Nobody is asked while no spans are wanted.
    pub fn of(sampled: impl FnOnce() -> Option<(u128, u64)>) -> Self {
        if !told::is_on() {
            return Self::default();
        }
        Self(sampled().map(|(trace_id, span_id)| Seen { trace_id, span_id }))
    }

    /// Opens a span of it, which is told when it is ended.
    pub fn open(self, name: &'static str, kind: Kind, now_ms: impl FnOnce() -> i64) -> Open {
        Open(self.0.map(|seen| {
            Box::new(Span {
                trace_id: seen.trace_id,
                span_id: u64::from_be_bytes(crate::ids::random()),
                parent: Some(seen.span_id),
                name,
                kind,
                started_ms: now_ms(),
                ended_ms: 0,
                attributes: Vec::new(),
                error: None,
            })
        }))
    }

    /// Does a step in a span of its own; `failed` names what went wrong with it, if anything did.
    pub async fn around<T>(
        self,
        (name, kind): (&'static str, Kind),
        clock: &Clock,
        step: impl Future<Output = T>,
        failed: impl FnOnce(&T) -> Option<&'static str>,
    ) -> T {
        if self.0.is_none() {
            return step.await;
        }
        let open = self.open(name, kind, || clock.now_ms());
        let done = step.await;
        match failed(&done) {
            Some(why) => open.failed(why, || clock.now_ms()),
            None => open.ended(|| clock.now_ms()),
        }
        done
    }
}

/// What somebody does from one moment to another. Dropped without an end it is not told.
#[derive(Debug)]
#[must_use = "a span is told by its end"]
pub struct Open(Option<Box<Span>>);

impl Open {
    /// The first of its trace, caused by nobody's.
    pub fn first(mut self) -> Self {
        if let Some(span) = &mut self.0 {
            span.parent = None;
        }
        self
    }

    /// Under an id that somebody else is told. All zero is none: its own stays.
    pub fn with_id(mut self, span_id: [u8; 8]) -> Self {
        match (&mut self.0, u64::from_be_bytes(span_id)) {
            (None, _) | (_, 0) => {}
            (Some(span), span_id) => span.span_id = span_id,
        }
        self
    }

    /// The trace as seen from this span.
    pub fn trace(&self) -> Trace {
        Trace(self.0.as_deref().map(|span| Seen {
            trace_id: span.trace_id,
            span_id: span.span_id,
        }))
    }

    /// Says more about it: no secret, no body, nothing that somebody else wrote freely.
    pub fn note(&mut self, key: &'static str, value: impl Display) {
        if let Some(span) = &mut self.0 {
            span.attributes.push((key, value.to_string()));
        }
    }

    /// It is over, and all is well.
    pub fn ended(self, now_ms: impl FnOnce() -> i64) {
        self.close(None, now_ms);
    }

    /// It is over and has failed: why, in words that repeat.
    pub fn failed(self, why: &'static str, now_ms: impl FnOnce() -> i64) {
        self.close(Some(why), now_ms);
    }

    fn close(self, error: Option<&'static str>, now_ms: impl FnOnce() -> i64) {
        if let Some(mut span) = self.0 {
            span.ended_ms = now_ms().max(span.started_ms);
            span.error = error;
            told::tell(*span);
        }
    }
}

/// Whether spans are wanted at all.
pub fn is_on() -> bool {
    told::is_on()
}

/// Whether the spans of a trace that begins here are wanted: the same answer for the same id everywhere.
pub fn is_wanted(trace_id: u128) -> bool {
    told::sample().is_some_and(|sample| within(sample, trace_id))
}

/// Half of an id's last 64 bits is a number that ids spread over evenly.
fn within(sample: f64, trace_id: u128) -> bool {
    let [.., a, b, c, d, e, f, g, h] = trace_id.to_be_bytes();
    let number = u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 11;
    #[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
    let place = number as f64 / (1_u64 << 53) as f64;
    place < sample
}

/// A span that has ended.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    not(feature = "otlp"),
    allow(dead_code, reason = "nobody is told of it")
)]
struct Span {
    trace_id: u128,
    span_id: u64,
    parent: Option<u64>,
    name: &'static str,
    kind: Kind,
    started_ms: i64,
    ended_ms: i64,
    attributes: Vec<(&'static str, String)>,
    error: Option<&'static str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_traces_that_begin_here_the_wished_part_is_wanted() {
        let ids = (0..1000_u64).map(|n| u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let wanted = |sample| ids.clone().filter(|id| within(sample, *id)).count();
        assert_eq!((wanted(0.0), wanted(1.0)), (0, 1000));
        assert!((200..300).contains(&wanted(0.25)), "{}", wanted(0.25));
        assert!(within(1.0, u128::MAX));
    }

    #[test]
    fn without_a_collector_a_trace_is_empty_and_nobody_asks_for_the_time() {
        let trace = Trace::of(|| panic!("asked for a trace"));
        assert_eq!(trace, Trace::default());
        let mut open = trace.open("step", Kind::Internal, || panic!("asked for the time"));
        open.note("key", "value");
        assert_eq!(open.trace(), Trace::default());
        open.ended(|| panic!("asked for the time"));
        assert!(!is_wanted(1));
    }

    #[test]
    fn a_part_beyond_the_whole_and_an_address_that_is_none_are_refused() {
        let refused = |config: Config| config.check().unwrap_err().to_string();
        let sample = |sample| Config {
            sample,
            ..Config::default()
        };
        for bad in [-0.1, 1.1, f64::NAN] {
            assert!(refused(sample(bad)).contains("telemetry.sample"), "{bad}");
        }
        for bad in ["collector:4318", "ftp://collector", ""] {
            let otlp = Some(bad.to_owned());
            let message = refused(Config {
                otlp,
                ..Config::default()
            });
            assert!(message.contains("telemetry.otlp"), "{message}");
        }
        assert!(Config::default().check().is_ok());
    }

    #[test]
    fn a_collector_is_refused_by_a_build_that_could_tell_it_nothing() {
        let config = Config {
            otlp: Some("http://127.0.0.1:4318".to_owned()),
            ..Config::default()
        };
        let refused = config.check_as(false).unwrap_err().to_string();
        for part in [
            "telemetry.otlp: \"http://127.0.0.1:4318\"",
            "--features otlp",
        ] {
            assert!(refused.contains(part), "{refused}");
        }
        config.check_as(true).unwrap();
        assert!(Config::default().check_as(false).is_ok());
        // Which of the two this build is.
        assert_eq!(config.check().is_ok(), cfg!(feature = "otlp"));
    }
}
