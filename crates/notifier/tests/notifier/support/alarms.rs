//! What the notifiers of this process have warned of, as an operator's log would show it.

use std::fmt::{Debug, Write};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Metadata, Subscriber};

/// Of all of the process.
static LINES: LazyLock<Lines> = LazyLock::new(Lines::default);

type Lines = Arc<Mutex<Vec<String>>>;

/// Hears this thread alone: a test whose tasks all run on it knows that a line is its own.
pub(crate) struct Apart {
    lines: Lines,
    _until: DefaultGuard,
}

impl Apart {
    pub(crate) fn listen() -> Self {
        let lines = Lines::default();
        let listener = Listener(lines.clone());
        Self {
            lines,
            _until: tracing::subscriber::set_default(listener),
        }
    }

    /// How often an event of this name was told.
    pub(crate) fn told(&self, event: &str) -> usize {
        named(&self.lines, event).len()
    }
}

/// From INFO on, so that ends are heard too.
struct Listener(Lines);

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO && metadata.is_event()
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Listens from now on, to all of the process.
pub(crate) fn listen() {
    static LISTENING: OnceLock<()> = OnceLock::new();
    LISTENING
        .get_or_init(|| tracing::subscriber::set_global_default(Listener(LINES.clone())).unwrap());
}

/// The warnings of this name, or what ends them, each with its fields.
pub(crate) fn alarms(event: &str) -> Vec<String> {
    named(&LINES, event)
}

fn named(lines: &Lines, event: &str) -> Vec<String> {
    let name = format!("event=\"{event}\" ");
    let lines = lines.lock().unwrap();
    let named = lines.iter().filter(|line| line.contains(&name));
    named.cloned().collect()
}

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}
