//! What runs at a time: calls about one message, and telemetry streams.

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::State;

/// Marks that a call about a message runs, and notices when another one does.
pub(super) struct About {
    state: Arc<State>,
    message_id: String,
}

impl About {
    pub(super) fn begin(state: &Arc<State>, message_id: &str) -> Self {
        let mut running = state.running_about.lock().unwrap();
        let count = running.entry(message_id.to_owned()).or_default();
        *count += 1;
        if *count > 1 {
            state.overlaps.fetch_add(1, Ordering::SeqCst);
        }
        Self {
            state: Arc::clone(state),
            message_id: message_id.to_owned(),
        }
    }
}

impl Drop for About {
    fn drop(&mut self) {
        let mut running = self.state.running_about.lock().unwrap();
        if let Entry::Occupied(mut count) = running.entry(self.message_id.clone()) {
            *count.get_mut() -= 1;
        }
    }
}

/// Counts a telemetry stream while its client holds it.
pub(super) struct OpenStream(Arc<State>);

impl OpenStream {
    pub(super) fn begin(state: &Arc<State>) -> Self {
        state.streams_open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(state))
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.streams_open.fetch_sub(1, Ordering::SeqCst);
    }
}
