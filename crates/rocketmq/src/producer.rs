//! Sending: which endpoint, how often, and until when.
//!
//! A normal message may be sent again when its answer is lost: consumers remove duplicates anyway,
//! and a lost message cannot be made good. Of a half message each endpoint leaves at most two open:
//! unanswered, or answered without saying that it is not stored ([`ErrorKind::leaves_open`]). One too
//! many is checked back and does no harm; many would be a load.
//!
//! A server that answers and blames itself is no dead endpoint: behind a proxy of a cluster one broker
//! may be away, and the next try goes to another. So it is tried again until the deadline; a half at
//! most [`Patience::tries`] times in all, for that answer is taken on trust.
//!
//! Once a try may have been stored, that is what the caller is told, whatever later tries bring.

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

/// How often a message may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Until the deadline.
    Endless,
    /// An endpoint that leaves so many tries open is asked no more.
    PerEndpoint(usize),
}

impl Patience {
    /// How many tries an endpoint may leave open.
    fn open(self) -> usize {
        match self {
            Self::Endless => usize::MAX,
            Self::PerEndpoint(most) => most,
        }
    }

    /// How many tries there are in all, by a route of so many endpoints: each endpoint's, and two
    /// more for brokers behind them that are away.
    fn tries(self, endpoints: usize) -> usize {
        self.open().saturating_mul(endpoints).saturating_add(2)
    }
}

/// What the tries brought so far: the failure that says most of whether the message is stored.
#[derive(Debug, Default)]
struct Worst(Option<Error>);

impl Worst {
    fn add(&mut self, error: Error) {
        // A connection that broke says less than silence: most often the request was lost with it.
        let weight = |error: &Error| match (error.may_have_been_stored(), error.kind()) {
            (false, _) => 0,
            (true, ErrorKind::Unreachable { .. }) => 1,
            (true, _) => 2,
        };
        if self
            .0
            .as_ref()
            .is_none_or(|worst| weight(&error) >= weight(worst))
        {
            self.0 = Some(error);
        }
    }

    /// What to tell when the last try failed for good.
    fn and(mut self, last: Error) -> Error {
        self.add(last.clone());
        self.0.unwrap_or(last)
    }
}

/// Sends one message by the topic's route, until the deadline: what the server answered, and which
/// endpoint took it. Each try has a message id of its own.
pub(crate) async fn dispatch(
    caller: &Caller,
    operation: &'static str,
    topic: &str,
    message: v2::Message,
    patience: Patience,
) -> Result<(Sent, Address), Error> {
    let deadline = Instant::now() + caller.timeout();
    let mut worst = Worst::default();
    // One entry for each try of which it is open what became of it.
    let mut open: Vec<Address> = Vec::new();
    let (mut unrouted, mut tries) = (0, 0usize);
    'rounds: for round in 0u32.. {
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
                worst.add(error);
                unrouted += 1;
                if unrouted >= patience.open() {
                    break;
                }
                continue;
            }
            Ok(Err(error)) => return Err(worst.and(error)),
            Err(_elapsed) => break,
        };
        let addresses = route.addresses(caller.shared.turn());
        let most = patience.tries(addresses.len());
        let mut ordered = caller.shared.endpoints.in_order(&addresses);
        ordered
            .retain(|address| open.iter().filter(|&one| one == address).count() < patience.open());
        if ordered.addresses.is_empty() {
            break;
        }
        for (tried, address) in ordered.addresses.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || tries >= most {
                break 'rounds;
            }
            tries += 1;
            let share = ordered.share(tried, left);
            match send_one(caller, operation, address, share, message.clone()).await {
                Ok(sent) => return Ok((sent, address.clone())),
                Err(error) if error.is_unreachable() => {
                    caller.shared.routes.doubt(topic);
                    open.push(address.clone());
                    worst.add(error);
                }
                Err(error) if error.is_of_the_server() => {
                    tracing::debug!(%address, topic, %error, "send_tried_again");
                    if error.may_have_been_stored() {
                        open.push(address.clone());
                    }
                    worst.add(error);
                }
                Err(error) => return Err(worst.and(error)),
            }
        }
    }
    Err(worst.0.unwrap_or_else(|| {
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
