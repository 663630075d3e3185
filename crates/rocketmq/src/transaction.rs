//! stub
use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::{Client, Error, Half, Message, TransactionConfig};

/// What became of a half message's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// Make the message visible.
    Commit,
    /// Discard the message.
    Rollback,
    /// Not known yet: nothing is answered, the broker asks again.
    Unknown,
}

/// A half message that the broker asks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrphanedHalf {
    /// The message's id.
    pub message_id: String,
    /// The transaction's id.
    pub transaction_id: String,
    /// The topic.
    pub topic: String,
    /// The tag.
    pub tag: Option<String>,
    /// The keys.
    pub keys: Vec<String>,
    /// The user properties, and those the broker adds.
    pub properties: BTreeMap<String, String>,
    /// The whole body.
    pub body: Bytes,
    /// How often the broker has asked, this time included.
    pub checks: u32,
}

/// Answers check-backs.
pub trait TransactionChecker: Send + Sync + 'static {
    /// What became of the half message's transaction.
    fn check<'a>(&'a self, half: &'a OrphanedHalf) -> BoxFuture<'a, Resolution>;
}

/// Sends half messages.
#[derive(Debug, Clone)]
pub struct TransactionProducer {}
impl TransactionProducer {
    /// Starts; the brokers need not be up.
    ///
    /// # Errors
    /// For a configuration that cannot be.
    pub async fn start(
        _client: &Client,
        _config: TransactionConfig,
        _checker: Option<Arc<dyn TransactionChecker>>,
    ) -> Result<Self, Error> {
        todo!()
    }
    /// Sends a half message.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn begin(&self, _message: Message) -> Result<Half, Error> {
        todo!()
    }
    /// Says goodbye to the servers.
    pub async fn close(&self) {
        todo!()
    }
}
