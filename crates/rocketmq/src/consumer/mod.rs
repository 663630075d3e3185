//! stub
use std::time::Duration;

use crate::{Client, ConsumerConfig, Error, ReceivedMessage, SettleError};

/// The group's retry policy, from the server's Settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackoffPolicy {
    /// Deliveries in all, the first included.
    pub max_attempts: u32,
    /// The delay after each attempt.
    pub delays: Vec<Duration>,
}
/// Whether a deferral uses one of the broker's attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deferral {
    /// The broker's counter goes up.
    CountsAttempt,
    /// It stays.
    Suspended,
}
/// Receives messages with leases.
#[derive(Debug)]
pub struct Consumer {}
impl Consumer {
    /// Starts.
    ///
    /// # Errors
    /// For a configuration that cannot be.
    pub async fn start(_client: &Client, _config: ConsumerConfig) -> Result<Self, Error> {
        todo!()
    }
    /// The next batch; `None` after [`Consumer::stop`] when the last poll has ended.
    pub async fn next(&self) -> Option<Vec<Delivery>> {
        todo!()
    }
    /// The group's retry policy, once the server has told it.
    #[must_use]
    pub fn backoff_policy(&self) -> tokio::sync::watch::Receiver<Option<BackoffPolicy>> {
        todo!()
    }
    /// No new polls; running ones end by themselves.
    pub fn stop(&self) {
        todo!()
    }
    /// Waits until all permits are back.
    pub async fn drained(&self) {
        todo!()
    }
    /// Stops, and says goodbye to the servers.
    pub async fn close(self) {
        todo!()
    }
}
/// A received message, its permit and its lease.
#[derive(Debug)]
pub struct Delivery {}
impl Delivery {
    /// The message.
    #[must_use]
    pub fn message(&self) -> &ReceivedMessage {
        todo!()
    }
    /// What is left of the lease; zero when it is lost.
    #[must_use]
    pub fn lease_left(&self) -> Duration {
        todo!()
    }
    /// Renews the lease now.
    ///
    /// # Errors
    /// See [`SettleError`].
    pub async fn renew(&mut self) -> Result<(), SettleError> {
        todo!()
    }
    /// Done with it.
    ///
    /// # Errors
    /// See [`SettleError`].
    pub async fn ack(self) -> Result<(), SettleError> {
        todo!()
    }
    /// Comes back after `delay`.
    ///
    /// # Errors
    /// See [`SettleError`].
    pub async fn defer(self, _delay: Duration, _deferral: Deferral) -> Result<(), SettleError> {
        todo!()
    }
    /// Moves it to the group's dead-letter topic.
    ///
    /// # Errors
    /// See [`SettleError`].
    pub async fn dead_letter(self) -> Result<(), SettleError> {
        todo!()
    }
}
