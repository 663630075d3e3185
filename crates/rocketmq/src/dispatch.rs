//! One message on its way to a broker: which endpoint is tried, when the next, and what the tries say.
//!
//! A normal message may be sent again when its answer is lost: consumers remove duplicates anyway,
//! and a lost message cannot be made good. Of a half message each endpoint leaves at most two open:
//! unanswered, or answered without saying that it is not stored ([`ErrorKind::leaves_open`]). One too
//! many is checked back and does no harm; many would be a load.
//!
//! A try that does not answer within its share of the time is not given up: the next one is begun
//! beside it, also where there is but one endpoint. Behind a proxy the broker of the first try may be
//! gone, and that of the next one lives; a server that is merely slow still answers the first.
//!
//! A server that answers and blames itself is no dead endpoint: behind a proxy of a cluster one broker
//! may be away, and the next try goes to another. So it is tried again until the deadline; a half at
//! most [`Patience::tries`] times in all, for that answer is taken on trust. A broker that has too much
//! to do says so before it begins, so such a try counts for nothing.
//!
//! Once a try may have been stored, that is what the caller is told, whatever later tries bring.

use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use rocketmq_wire::v2;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::address::Address;
use crate::call::{Caller, check};
use crate::endpoints::InOrder;
use crate::error::{Error, ErrorKind};
use crate::message::Sent;

/// First pause between two rounds over the endpoints; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);
/// The most tries that one endpoint has under way for one message.
const BESIDE: usize = 2;
/// However little time is left, the next try is begun no sooner after the one before.
const SHORTEST_SHARE: Duration = Duration::from_millis(100);
/// Of the whole time, what has to be left for another try, divided.
const LAST: u32 = 8;

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
}

/// What the server answered, and which endpoint took the message.
type Taken = (Sent, Address);

/// Sends one message by the topic's route, until the deadline. Each try has a message id of its own.
pub(crate) async fn dispatch(
    caller: &Caller,
    operation: &'static str,
    topic: &str,
    message: v2::Message,
    patience: Patience,
) -> Result<Taken, Error> {
    let mut dispatch = Dispatch {
        caller,
        operation,
        topic,
        message,
        patience,
        began: Instant::now(),
        deadline: Instant::now() + caller.timeout(),
        under_way: FuturesUnordered::new(),
        beside: Vec::new(),
        open: Vec::new(),
        made: 0,
        counted: 0,
        worst: Worst::default(),
    };
    match dispatch.run().await {
        Some(end) => end,
        None => Err(dispatch.failure()),
    }
}

struct Dispatch<'a> {
    caller: &'a Caller,
    operation: &'static str,
    topic: &'a str,
    message: v2::Message,
    patience: Patience,
    began: Instant,
    deadline: Instant,
    under_way: FuturesUnordered<BoxFuture<'a, (Try, Result<Sent, Error>)>>,
    /// The tries that are under way.
    beside: Vec<Try>,
    /// One entry for each try of which it is open what became of it.
    open: Vec<Address>,
    /// How many tries were begun, and how many of them count.
    made: usize,
    counted: usize,
    worst: Worst,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Try {
    number: usize,
    address: Address,
}

/// What ends the whole: a try that was taken, or one that was refused for good.
type End = Result<Taken, Error>;

impl Dispatch<'_> {
    /// `None` when nobody took it and nobody is left to be asked.
    async fn run(&mut self) -> Option<End> {
        let mut unrouted = 0;
        for round in 0u32.. {
            if round > 0 {
                let pause = FIRST_PAUSE * 2u32.saturating_pow(round.min(10) - 1);
                let pause = pause.min(LONGEST_PAUSE).mul_f64(0.5 + fastrand::f64());
                if let Some(end) = self.while_waiting(sleep(pause)).await.err() {
                    return Some(end);
                }
            }
            if Instant::now() >= self.deadline {
                break;
            }
            let (caller, topic) = (self.caller, self.topic);
            let asked = timeout_at(self.deadline, caller.route(topic));
            let route = match self.while_waiting(asked).await {
                Err(end) => return Some(end),
                Ok(Ok(Ok(route))) => route,
                Ok(Ok(Err(error))) if error.is_unreachable() || error.is_of_the_server() => {
                    // It was a question; no message was on its way.
                    self.worst.add(error.unsent());
                    unrouted += 1;
                    if unrouted >= self.patience.open() {
                        break;
                    }
                    continue;
                }
                Ok(Ok(Err(error))) => return Some(self.refused(error.unsent())),
                Ok(Err(_elapsed)) => break,
            };
            let addresses = route.addresses(caller.shared.turn());
            let most = self.patience.tries(addresses.len());
            let mut ordered = caller.shared.endpoints.in_order(&addresses);
            ordered.retain(|address| self.may_be_asked(address));
            if ordered.addresses.is_empty() && self.beside.is_empty() {
                break;
            }
            if let Some(end) = self.round(&ordered, most).await {
                return Some(end);
            }
            if self.counted >= most {
                break;
            }
        }
        // Nobody else is to be asked; whoever was has until the deadline.
        while let Some((tried, answer)) = self.under_way.next().await {
            if let Some(end) = self.settle(&tried, answer) {
                return Some(end);
            }
        }
        None
    }

    /// One try at each endpoint, the next one when the one before has failed or its share is over.
    async fn round(&mut self, ordered: &InOrder, most: usize) -> Option<End> {
        if ordered.addresses.is_empty() {
            // Those that may be asked all have their tries under way.
            return self.until_one_fails(None).await;
        }
        for (tried, address) in ordered.addresses.iter().enumerate() {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if !self.has_time(left) || self.counted >= most {
                return None;
            }
            let share = ordered.share(tried, left).min(left / 2);
            let begun = self.begin(address.clone(), left);
            let turn = self.until_one_fails(Some(begun.number));
            match timeout(share.max(SHORTEST_SHARE), turn).await {
                Ok(Some(end)) => return Some(end),
                Ok(None) => {}
                Err(_elapsed) => self.overdue(&begun),
            }
        }
        None
    }

    /// Whether a try may be begun. Another one without time for its answer would only leave open what the tries before
    /// have settled.
    fn has_time(&self, left: Duration) -> bool {
        match self.made {
            0 => !left.is_zero(),
            _ => left >= self.caller.timeout() / LAST,
        }
    }

    fn may_be_asked(&self, address: &Address) -> bool {
        let open = self.open.iter().filter(|&open| open == address).count();
        let beside = self.beside.iter().filter(|one| one.address == *address);
        open < self.patience.open() && beside.count() < BESIDE
    }

    /// Begins a try, which may take all the time that is left.
    fn begin(&mut self, address: Address, left: Duration) -> Try {
        self.made += 1;
        self.counted += 1;
        let tried = Try {
            number: self.made,
            address: address.clone(),
        };
        self.open.push(address);
        self.beside.push(tried.clone());
        let (caller, operation) = (self.caller, self.operation);
        let (under_way, message) = (tried.clone(), self.message.clone());
        self.under_way.push(Box::pin(async move {
            let answer = send_one(caller, operation, &under_way.address, left, message).await;
            (under_way, answer)
        }));
        tried
    }

    /// Its share of the time is over: others are asked first from here on.
    fn overdue(&mut self, tried: &Try) {
        tracing::debug!(event = "send_overdue", address = %tried.address, topic = self.topic);
        self.caller.shared.endpoints.failed(&tried.address);
        self.caller.shared.routes.doubt(self.topic);
    }

    /// Waits until the try of that number has failed, or any one. `Some` for what ends the whole.
    async fn until_one_fails(&mut self, number: Option<usize>) -> Option<End> {
        while let Some((tried, answer)) = self.under_way.next().await {
            let end = self.settle(&tried, answer);
            if end.is_some() || number.is_none_or(|number| number == tried.number) {
                return end;
            }
        }
        None
    }

    /// Does something else while tries are under way; `Err` for what ends the whole meanwhile.
    async fn while_waiting<T>(&mut self, other: impl Future<Output = T>) -> Result<T, End> {
        tokio::pin!(other);
        loop {
            tokio::select! {
                done = &mut other => return Ok(done),
                Some((tried, answer)) = self.under_way.next() => {
                    if let Some(end) = self.settle(&tried, answer) {
                        return Err(end);
                    }
                }
            }
        }
    }

    /// Takes note of what a try brought; `Some` if that is the end of it.
    fn settle(&mut self, tried: &Try, answer: Result<Sent, Error>) -> Option<End> {
        self.beside.retain(|one| one != tried);
        let (address, topic) = (&tried.address, self.topic);
        match answer {
            Ok(sent) => Some(Ok((sent, address.clone()))),
            Err(error) if error.is_unreachable() => {
                self.caller.shared.routes.doubt(topic);
                self.worst.add(error);
                None
            }
            Err(error) if error.is_of_the_server() => {
                tracing::debug!(event = "send_tried_again", %address, topic, %error);
                if error.is_flow_control() {
                    self.counted -= 1;
                }
                if !error.may_have_been_stored() {
                    let known = self.open.iter().position(|open| open == address);
                    known.map(|at| self.open.swap_remove(at));
                }
                self.worst.add(error);
                None
            }
            Err(error) => Some(self.refused(error)),
        }
    }

    /// What to tell when a try failed for good: the tries that are under way may be stored as well.
    fn refused(&mut self, last: Error) -> End {
        self.worst.add(last.clone());
        if let Some(one) = self.beside.first() {
            self.worst.add(self.unanswered(one.address.to_string()));
        }
        Err(self.worst.0.take().unwrap_or(last))
    }

    fn failure(&mut self) -> Error {
        let asked = &self.caller.shared.addresses;
        let asked: Vec<_> = asked.iter().map(Address::as_str).collect();
        // Every try ends with a failure, so without one there was none.
        let unanswered = self.unanswered(asked.join(", ")).unsent();
        self.worst.0.take().unwrap_or(unanswered)
    }

    fn unanswered(&self, address: String) -> Error {
        let after = self.began.elapsed();
        Error::new(self.operation, ErrorKind::Timeout { address, after })
    }
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
