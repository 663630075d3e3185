//! Hears the alarms in the log's events, whatever the log's own filter leaves out.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::board::Event;
use crate::catalogue;

/// Events that wait to be folded. More are counted, and told of.
const MOST_WAITING: usize = 4096;

/// The longest value of a field that is passed on, in bytes.
const LONGEST_VALUE: usize = 500;

/// The layer that hears.
#[derive(Debug)]
pub struct Ears {
    sender: mpsc::Sender<Event>,
    missed: Arc<AtomicU64>,
}

/// What was heard.
#[derive(Debug)]
pub struct Heard {
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) missed: Arc<AtomicU64>,
}

/// A layer for the process's log, and what it hears from now on.
pub fn listen() -> (Ears, Heard) {
    let (sender, events) = mpsc::channel(MOST_WAITING);
    let missed = Arc::new(AtomicU64::new(0));
    let ears = Ears {
        sender,
        missed: missed.clone(),
    };
    (ears, Heard { events, missed })
}

impl<S: Subscriber> Layer<S> for Ears {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if !may_concern(event.metadata()) {
            return;
        }
        let mut concerns = Concerns(false, *event.metadata().level());
        event.record(&mut concerns);
        if !concerns.0 {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Some(name) = fields.0.remove("event") else {
            return;
        };
        let heard = Event {
            name,
            at_ms: service::clock::now_ms(),
            fields: fields.0,
        };
        if self.sender.try_send(heard).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Alarms and their ends are events of level INFO or above that have a name.
fn may_concern(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO && metadata.fields().field("event").is_some()
}

/// Whether an event of that level is an alarm or the end of one: told by its name alone, as most are
/// neither.
struct Concerns(bool, Level);

impl Visit for Concerns {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "event" {
            let wakes = self.1 <= Level::WARN && catalogue::find(value).is_some();
            self.0 = wakes || catalogue::ended_by(value).next().is_some();
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

#[derive(Default)]
struct Fields(BTreeMap<String, String>);

impl Fields {
    fn take(&mut self, field: &Field, value: String) {
        self.0.insert(field.name().to_owned(), cut(value));
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, format!("{value:?}"));
    }
}

fn cut(mut value: String) -> String {
    if value.len() > LONGEST_VALUE {
        let mut end = LONGEST_VALUE;
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        value.truncate(end);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    fn heard(say: impl FnOnce()) -> Vec<Event> {
        let (ears, mut heard) = listen();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(ears), say);
        std::iter::from_fn(|| heard.events.try_recv().ok()).collect()
    }

    #[test]
    fn alarms_and_their_ends_are_heard_and_nothing_else() {
        let heard = heard(|| {
            tracing::warn!(event = "record_store_down", error = %"away");
            tracing::info!(event = "record_store_up");
            tracing::info!(event = "record_store_down");
            tracing::warn!(event = "nobody_knows_this");
            tracing::warn!("record_store_down");
            tracing::debug!(event = "record_store_up");
        });
        let names: Vec<&str> = heard.iter().map(|event| event.name.as_str()).collect();
        assert_eq!(names, ["record_store_down", "record_store_up"]);
        assert_eq!(heard[0].fields["error"], "away");
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let heard = heard(|| tracing::warn!(event = "record_refused", error = "é".repeat(400)));
        assert_eq!(heard[0].fields["error"].len(), 500);
        assert_eq!(cut("aé".repeat(250)).len(), 499);
    }

    #[test]
    fn what_finds_no_place_is_counted() {
        let (ears, heard) = listen();
        let missed = heard.missed.clone();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(ears), || {
            for _ in 0..MOST_WAITING + 3 {
                tracing::warn!(event = "unknown_format");
            }
        });
        assert_eq!(missed.load(Ordering::Relaxed), 3);
        drop(heard);
    }
}
