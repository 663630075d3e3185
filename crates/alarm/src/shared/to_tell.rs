//! A notice on its way to whoever is told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::notice::Notice;

/// A notice, and whom to tell that it went out.
pub(crate) struct ToTell {
    pub notice: Notice,
    pub gone: oneshot::Sender<()>,
}

/// The same on its way to each destination: it went out once one has taken it, or all have given it up.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    /// The same everywhere.
    pub id: String,
    pub notice: Arc<Notice>,
    gone: Arc<Mutex<Option<oneshot::Sender<()>>>>,
    left: Arc<AtomicUsize>,
}

impl ToTell {
    /// It went out, or nobody is to be told of it.
    pub(crate) fn has_gone(self) {
        // Whoever asked may be gone.
        let _unasked = self.gone.send(());
    }

    /// For so many destinations.
    pub(crate) fn into_outgoing(self, destinations: usize) -> Outgoing {
        Outgoing {
            id: service::ids::uuid7(service::clock::now_ms()),
            notice: Arc::new(self.notice),
            gone: Arc::new(Mutex::new(Some(self.gone))),
            left: Arc::new(AtomicUsize::new(destinations)),
        }
    }
}

impl Outgoing {
    /// A destination has taken it: somebody knows.
    pub(crate) fn went_out(self) {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gone) = gone.take() {
            // Whoever asked may be gone.
            let _unasked = gone.send(());
        }
    }

    /// A destination does not get it.
    pub(crate) fn was_given_up(self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.went_out();
        }
    }
}

impl From<Notice> for ToTell {
    /// One that nobody else asks for.
    fn from(notice: Notice) -> Self {
        let (gone, _) = oneshot::channel();
        Self { notice, gone }
    }
}
