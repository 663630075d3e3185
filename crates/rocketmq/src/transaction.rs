//! Half messages: sending them, and taking part in the check-backs that end what was left open.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use rocketmq_wire::{limits, v2};

use crate::call::Caller;
use crate::checks::Checks;
use crate::client::Client;
use crate::clock;
use crate::config::TransactionConfig;
use crate::dispatch::{Patience, dispatch};
use crate::error::Error;
use crate::half::Half;
use crate::message::Message;
use crate::session::{self, Role, Sessions, publishing};

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

/// Answers check-backs. Whoever declares a topic is asked about all its half messages, also those
/// that other processes sent.
pub trait TransactionChecker: Send + Sync + 'static {
    /// What became of the half message's transaction. A panic, and an answer that takes longer
    /// than 30 s, answer nothing.
    fn check<'a>(&'a self, half: &'a OrphanedHalf) -> BoxFuture<'a, Resolution>;
}

/// How often an endpoint may leave open whether it has stored a half message before it is asked no
/// more: once more for a connection that broke while it was idle.
const PATIENCE: Patience = Patience::PerEndpoint(2);

/// Sends half messages and answers check-backs. Clones are the same producer; its sessions end with
/// the last clone.
#[derive(Debug, Clone)]
pub struct TransactionProducer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    caller: Caller,
    recovery: Option<prost_types::Duration>,
    sessions: Sessions,
    checks: Option<Arc<Checks>>,
    _stop: tokio_util::sync::DropGuard,
}

impl TransactionProducer {
    /// A producer of half messages. The brokers need not be up: sessions with them are kept in the
    /// background, and check-backs come over those.
    ///
    /// # Errors
    /// For a recovery time that is not whole seconds up to 3600, or no room for a check.
    pub async fn start(
        client: &Client,
        config: TransactionConfig,
        checker: Option<Arc<dyn TransactionChecker>>,
    ) -> Result<Self, Error> {
        const OPERATION: &str = "transaction producer";
        let recovery = config.recovery;
        let whole = recovery.subsec_nanos() == 0;
        if !whole || recovery > limits::MAX_TRANSACTION_RECOVERY {
            let reason = format!("{recovery:?}: whole seconds, at most 3600");
            return Err(Error::invalid(OPERATION, "recovery", reason));
        }
        if config.checks_in_flight == 0 {
            return Err(Error::invalid(
                OPERATION,
                "checks_in_flight",
                "must be at least 1",
            ));
        }
        let caller = Caller::new(client.shared());
        let checks = checker.map(|checker| Arc::new(Checks::new(checker, config.checks_in_flight)));
        let sessions = Sessions::new(Role {
            settings: publishing(&caller, &config.topics),
            caller: caller.clone(),
            checks: checks.clone(),
            policy: session::unwatched_policy(),
        });
        sessions.follow(config.topics);
        let stop = sessions.stop_on_drop();
        Ok(Self {
            inner: Arc::new(Inner {
                caller,
                recovery: (!recovery.is_zero()).then(|| session::wire_span(recovery)),
                sessions,
                checks,
                _stop: stop,
            }),
        })
    }

    /// Sends a half message and waits until a broker has stored it.
    ///
    /// # Errors
    /// When no endpoint took it, or one refused it. It may have been stored all the same if
    /// [`Error::may_have_been_stored`] says so; it is then checked back.
    pub async fn begin(&self, message: Message) -> Result<Half, Error> {
        const OPERATION: &str = "send half message";
        message.check(OPERATION)?;
        let topic = message.topic.clone();
        let mut wire = message.into_wire(v2::MessageType::Transaction, clock::timestamp());
        if let Some(system) = &mut wire.system_properties {
            system.orphaned_transaction_recovery_duration = self.inner.recovery;
        }
        let caller = &self.inner.caller;
        let (sent, address) = dispatch(caller, OPERATION, &topic, wire, PATIENCE).await?;
        self.inner.sessions.open(&address);
        Ok(Half {
            caller: caller.clone(),
            address,
            topic,
            sent,
        })
    }

    /// Says goodbye to the servers, so that they ask others, and lets running checks end, for at
    /// most one request's deadline.
    pub async fn close(&self) {
        self.inner.sessions.close().await;
        if let Some(checks) = &self.inner.checks {
            checks.finish(self.inner.caller.timeout()).await;
        }
    }
}
