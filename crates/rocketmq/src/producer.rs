//! Sending messages that are visible at once.

use rocketmq_wire::v2;

use crate::call::Caller;
use crate::client::Client;
use crate::dispatch::{Patience, dispatch};
use crate::error::Error;
use crate::message::{Message, Sent};
use crate::session::{Role, Sessions, publishing};
use crate::{clock, session};

/// Sends messages. Dropping it ends its sessions without a goodbye.
#[derive(Debug)]
pub struct Producer {
    caller: Caller,
    sessions: Sessions,
    _stop: tokio_util::sync::DropGuard,
}

impl Producer {
    /// A producer that declares `topics`. The brokers need not be up: what they must know of this
    /// client is told them in the background.
    ///
    /// # Errors
    /// None today.
    pub async fn start(client: &Client, topics: Vec<String>) -> Result<Self, Error> {
        let caller = Caller::new(client.shared());
        let sessions = Sessions::new(Role {
            settings: publishing(&caller, &topics),
            caller: caller.clone(),
            checks: None,
            policy: session::unwatched_policy(),
        });
        sessions.follow(topics);
        Ok(Self {
            caller,
            _stop: sessions.stop_on_drop(),
            sessions,
        })
    }

    /// Sends a message and waits until a broker has stored it. Endpoints that cannot be reached, or
    /// whose broker is away, are passed over, and all of them tried again, within the client's
    /// deadline for one request.
    ///
    /// # Errors
    /// When no endpoint took it in time, or one refused it. It may have been stored all the same if
    /// [`Error::may_have_been_stored`] says so.
    pub async fn send(&self, message: Message) -> Result<Sent, Error> {
        const OPERATION: &str = "send";
        message.check(OPERATION)?;
        let topic = message.topic.clone();
        let wire = message.into_wire(v2::MessageType::Normal, clock::timestamp());
        let (sent, address) =
            dispatch(&self.caller, OPERATION, &topic, wire, Patience::Endless).await?;
        self.sessions.open(&address);
        Ok(sent)
    }

    /// Says goodbye to the servers.
    pub async fn close(self) {
        self.sessions.close().await;
    }
}
