//! stub
use crate::{config::ClientConfig, error::Error, route::Route};
/// The connections to one cluster; cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {}
impl Client {
    /// A client; nothing is connected yet.
    ///
    /// # Errors
    /// Only for an address or name that cannot be one.
    pub fn new(_config: ClientConfig) -> Result<Self, Error> {
        todo!()
    }
    /// The route of `topic`.
    ///
    /// # Errors
    /// When no endpoint answers, or the topic does not exist.
    pub async fn route(&self, _topic: &str) -> Result<Route, Error> {
        todo!()
    }
}
