//! A notice on its way to whoever is told.

use tokio::sync::oneshot;

use crate::notice::Notice;

/// A notice, and whom to tell that it went out.
pub(crate) struct ToTell {
    pub notice: Notice,
    pub gone: oneshot::Sender<()>,
}

impl ToTell {
    /// It went out, or nobody is to be told of it.
    pub(crate) fn has_gone(self) {
        // Whoever asked may be gone.
        let _unasked = self.gone.send(());
    }
}

impl From<Notice> for ToTell {
    /// One that nobody else asks for.
    fn from(notice: Notice) -> Self {
        let (gone, _) = oneshot::channel();
        Self { notice, gone }
    }
}
