//! stub
use crate::Error;
/// A half message.
#[derive(Debug)]
#[must_use = "a half message that is neither committed nor rolled back is checked back"]
pub struct Half {}
impl Half {
    /// The message's id.
    #[must_use]
    pub fn message_id(&self) -> &str {
        todo!()
    }
    /// The transaction's id.
    #[must_use]
    pub fn transaction_id(&self) -> &str {
        todo!()
    }
    /// Commits.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn commit(self) -> Result<(), Error> {
        todo!()
    }
    /// Rolls back.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn rollback(self) -> Result<(), Error> {
        todo!()
    }
}
