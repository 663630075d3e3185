//! stub
use crate::{Client, Error, Message, Sent};
/// Sends messages.
#[derive(Debug)]
pub struct Producer {}
impl Producer {
    /// Starts.
    ///
    /// # Errors
    /// For a topic name that cannot be one.
    pub async fn start(_client: &Client, _topics: Vec<String>) -> Result<Self, Error> {
        todo!()
    }
    /// Sends.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn send(&self, _message: Message) -> Result<Sent, Error> {
        todo!()
    }
    /// Says goodbye to the servers.
    pub async fn close(self) {
        todo!()
    }
}
