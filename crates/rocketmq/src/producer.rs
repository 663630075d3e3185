//! Sending: which endpoint, how often, and until when.
//!
//! A normal message may be sent again when its answer is lost: consumers remove duplicates anyway,
//! and a lost message cannot be made good. A half message is left without an answer at most twice by
//! each endpoint; one too many is checked back and does no harm.
//!
//! A server that answers and blames itself is no dead endpoint: behind a proxy of a cluster one broker
//! may be away, and the next try goes to another. So it is tried again until the deadline.

use rocketmq_wire::v2;
use std::time::Duration;
use tokio::time::Instant;

use crate::call::{Caller, check};
use crate::client::Client;
use crate::endpoints::Address;
use crate::error::{Error, ErrorKind};
use crate::message::{Message, Sent};
use crate::session::{Role, Sessions, publishing};
use crate::{clock, session};

/// First pause between two rounds over the endpoints; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

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
    /// When no endpoint took it in time, or one refused it. After [`ErrorKind::Timeout`] and
    /// [`ErrorKind::Unreachable`] it may have been stored.
    pub async fn send(&self, message: Message) -> Result<Sent, Error> {
        const OPERATION: &str = "send";
        message.check(OPERATION)?;
        let topic = message.topic.clone();
        let wire = message.into_wire(v2::MessageType::Normal, clock::timestamp());
        let (sent, address) = dispatch(&self.caller, OPERATION, &topic, wire, usize::MAX).await?;
        self.sessions.open(&address);
        Ok(sent)
    }

    /// Says goodbye to the servers.
    pub async fn close(self) {
        self.sessions.close().await;
    }
}

/// Sends one message by the topic's route, until the deadline: what the server answered, and which
/// endpoint took it. An endpoint that leaves `patience` tries without an answer is asked no more. Each
/// try has a message id of its own.
pub(crate) async fn dispatch(
    caller: &Caller,
    operation: &'static str,
    topic: &str,
    message: v2::Message,
    patience: usize,
) -> Result<(Sent, Address), Error> {
    let deadline = Instant::now() + caller.timeout();
    let mut failure = None;
    // One entry for each try that was not answered.
    let mut silent: Vec<Address> = Vec::new();
    let mut unrouted = 0;
    for round in 0u32.. {
        if round > 0 {
            let pause = FIRST_PAUSE * 2u32.saturating_pow(round.min(10) - 1);
            let pause = pause.min(LONGEST_PAUSE).mul_f64(0.5 + fastrand::f64());
            tokio::time::sleep(pause).await;
        }
        if Instant::now() >= deadline {
            break;
        }
        let route = match tokio::time::timeout_at(deadline, caller.route(topic)).await {
            Ok(Ok(route)) => route,
            Ok(Err(error)) if error.is_unreachable() || error.is_of_the_server() => {
                failure = Some(error);
                unrouted += 1;
                if unrouted >= patience {
                    break;
                }
                continue;
            }
            Ok(Err(error)) => return Err(error),
            Err(_elapsed) => break,
        };
        let mut addresses = caller
            .shared
            .endpoints
            .in_order(&route.addresses(caller.shared.turn()));
        addresses.retain(|address| silent.iter().filter(|&one| one == address).count() < patience);
        if addresses.is_empty() {
            break;
        }
        for (tried, address) in addresses.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            // One that hangs leaves each of the others its share.
            let share = left / u32::try_from(addresses.len() - tried).unwrap_or(1);
            match send_one(caller, operation, address, share, message.clone()).await {
                Ok(sent) => return Ok((sent, address.clone())),
                Err(error) if error.is_unreachable() => {
                    caller.shared.routes.doubt(topic);
                    silent.push(address.clone());
                    failure = Some(error);
                }
                Err(error) if error.is_of_the_server() => {
                    tracing::debug!(%address, topic, %error, "send_tried_again");
                    failure = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
    }
    Err(failure.unwrap_or_else(|| {
        let address = caller
            .shared
            .addresses
            .iter()
            .map(Address::as_str)
            .collect::<Vec<_>>()
            .join(", ");
        Error::new(
            operation,
            ErrorKind::Timeout {
                address,
                after: caller.timeout(),
            },
        )
    }))
}

async fn send_one(
    caller: &Caller,
    operation: &'static str,
    address: &Address,
    timeout: Duration,
    mut message: v2::Message,
) -> Result<Sent, Error> {
    let message_id = caller.shared.message_id();
    if let Some(system) = &mut message.system_properties {
        system.message_id.clone_from(&message_id);
    }
    let request = v2::SendMessageRequest {
        messages: vec![message],
    };
    let reply = caller
        .call(
            operation,
            address,
            timeout,
            request,
            |mut service, request| async move { service.send_message(request).await },
        )
        .await?;
    check(operation, reply.status.as_ref())?;
    let entry = reply.entries.into_iter().next().unwrap_or_default();
    if entry.status.is_some() {
        check(operation, entry.status.as_ref())?;
    }
    // The id of the message as consumers see it is the one sent; servers echo it.
    Ok(Sent {
        message_id,
        transaction_id: entry.transaction_id,
        offset: entry.offset,
    })
}
