//! The cluster's endpoints: one connection each, and a memory of which are dead.
//!
//! A dead endpoint is asked last, not never: callers try the living ones first and come to a dead
//! one only when none is left, or when its pause is over. The pause doubles with each failure, so
//! that a machine that is gone costs one slow call now and then and not one in two.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rocketmq_wire::limits;
use rocketmq_wire::v2::messaging_service_client::MessagingServiceClient;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};

use crate::address::Address;
use crate::error::ErrorKind;
use crate::tls::Tls;

/// First pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// How long an endpoint is remembered that nobody asks: it is in no route and no assignment any more.
const FORGOTTEN: Duration = Duration::from_secs(300);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// A connection that is silent for this long is asked whether it still lives. The heartbeat keeps
/// one in use busier than that, so a server that counts pings counts none.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Room for 32 large bodies in flight without a stall.
const STREAM_WINDOW: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
/// A batch of 32 bodies of the largest size, and their headers.
const MAX_REPLY: usize = limits::MAX_BODY * 2;

/// Since when an endpoint is not answering, and until when it is asked last.
#[derive(Debug, Clone, Copy)]
struct Pause {
    length: Duration,
    until: Instant,
}

#[derive(Debug)]
struct Known {
    channel: Option<Channel>,
    pause: Option<Pause>,
    /// When it was asked last.
    used: Instant,
}

/// The endpoints that a client has asked in the last [`FORGOTTEN`].
#[derive(Debug)]
pub(crate) struct Endpoints {
    connect_timeout: Duration,
    /// Absent: plain text.
    tls: Option<Tls>,
    known: Mutex<HashMap<Address, Known>>,
}

impl Endpoints {
    pub(crate) fn new(connect_timeout: Duration, tls: Option<Tls>) -> Self {
        Self {
            connect_timeout,
            tls,
            known: Mutex::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Address, Known>> {
        // The map is whole after every statement, so a panic elsewhere does not spoil it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A service on the endpoint's connection, which is made at its first use and again when lost.
    ///
    /// # Errors
    /// When the address's host is no name that a certificate can be for.
    pub(crate) fn service(
        &self,
        address: &Address,
    ) -> Result<MessagingServiceClient<Channel>, ErrorKind> {
        let mut known = self.known();
        let entry = used(&mut known, address, Instant::now());
        let channel = match &entry.channel {
            Some(channel) => channel.clone(),
            None => {
                let made = connect(address, self.connect_timeout, self.tls.as_ref());
                let channel = made.map_err(|reason| ErrorKind::Unreachable {
                    address: address.to_string(),
                    reason: format!("TLS: {reason}"),
                })?;
                entry.channel.insert(channel).clone()
            }
        };
        Ok(MessagingServiceClient::new(channel).max_decoding_message_size(MAX_REPLY))
    }

    /// What a handshake's failure means, where there are handshakes.
    pub(crate) fn explain(&self, cause: &(dyn std::error::Error + 'static)) -> Option<String> {
        self.tls.as_ref()?.explain(cause)
    }

    /// Remembers that the endpoint answered.
    pub(crate) fn answered(&self, address: &Address) {
        if let Some(entry) = self.known().get_mut(address) {
            entry.pause = None;
        }
    }

    /// Remembers that the endpoint did not answer.
    pub(crate) fn failed(&self, address: &Address) {
        let now = Instant::now();
        let mut known = self.known();
        let entry = used(&mut known, address, now);
        entry.pause = Some(longer(entry.pause, now));
    }

    /// `addresses` with those that are believed to live first, in the order given; then the others,
    /// those first whose pause ends first.
    pub(crate) fn in_order(&self, addresses: &[Address]) -> InOrder {
        let now = Instant::now();
        let known = self.known();
        let pause = |address: &Address| {
            let until = known.get(address)?.pause?.until;
            (until > now).then_some(until)
        };
        let mut ordered = addresses.to_vec();
        // Stable: None (no pause) sorts before every pause.
        ordered.sort_by_key(pause);
        let living = ordered.partition_point(|address| pause(address).is_none());
        InOrder {
            addresses: ordered,
            living,
        }
    }
}

/// Endpoints in the order in which they are to be asked.
#[derive(Debug)]
pub(crate) struct InOrder {
    pub(crate) addresses: Vec<Address>,
    /// So many of the first ones are believed to live.
    living: usize,
}

impl InOrder {
    /// Leaves out what is not to be asked.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Address) -> bool) {
        let living = self.addresses.iter().take(self.living);
        self.living = living.filter(|&address| keep(address)).count();
        self.addresses.retain(keep);
    }

    /// Of the time that is left, the share of number `tried`: one that hangs leaves each of the
    /// others its own. Of what is believed to live alone; the dead ones, which are asked last, share
    /// what that leaves.
    pub(crate) fn share(&self, tried: usize, left: Duration) -> Duration {
        let sharing = if tried < self.living {
            self.living
        } else {
            self.addresses.len()
        };
        left / u32::try_from(sharing.saturating_sub(tried).max(1)).unwrap_or(u32::MAX)
    }
}

/// What is known of an endpoint that is asked now. A new one is the occasion to forget those that
/// nobody asks any more: without new ones they do not grow in number.
fn used<'a>(
    known: &'a mut HashMap<Address, Known>,
    address: &Address,
    now: Instant,
) -> &'a mut Known {
    if !known.contains_key(address) {
        known.retain(|_, known| now.saturating_duration_since(known.used) < FORGOTTEN);
    }
    let entry = known.entry(address.clone()).or_insert(Known {
        channel: None,
        pause: None,
        used: now,
    });
    entry.used = now;
    entry
}

/// The pause after one more failure. Failures of calls that ran side by side count once.
fn longer(before: Option<Pause>, now: Instant) -> Pause {
    match before {
        Some(pause) if pause.until > now => pause,
        Some(pause) => {
            let length = (pause.length * 2).min(LONGEST_PAUSE);
            Pause {
                length,
                until: now + length,
            }
        }
        None => Pause {
            length: FIRST_PAUSE,
            until: now + FIRST_PAUSE,
        },
    }
}

fn connect(
    address: &Address,
    connect_timeout: Duration,
    tls: Option<&Tls>,
) -> Result<Channel, String> {
    // The scheme is what the requests say of themselves.
    let scheme = if tls.is_some() { "https" } else { "http" };
    let endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))
        .map_err(|error| error.to_string())?
        .connect_timeout(connect_timeout)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    let endpoint = match tls {
        Some(tls) => tls.over(endpoint)?,
        None => endpoint,
    };
    Ok(endpoint.connect_lazy())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<Address> {
        texts
            .iter()
            .map(|text| Address::parse(text).unwrap())
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_endpoint_is_asked_last_and_first_again_when_its_pause_is_over() {
        let endpoints = Endpoints::new(Duration::from_secs(1), None);
        let all = addresses(&["a:1", "b:1", "c:1"]);
        endpoints.failed(&all[0]);
        let ordered = endpoints.in_order(&all);
        assert_eq!(ordered.addresses, addresses(&["b:1", "c:1", "a:1"]));
        tokio::time::advance(FIRST_PAUSE).await;
        assert_eq!(endpoints.in_order(&all).addresses, all);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_endpoint_takes_nothing_of_the_time_of_the_living() {
        let endpoints = Endpoints::new(Duration::from_secs(1), None);
        let all = addresses(&["a:1", "b:1", "c:1", "d:1"]);
        endpoints.failed(&all[0]);
        endpoints.failed(&all[1]);
        let mut ordered = endpoints.in_order(&all);
        let left = Duration::from_secs(12);
        let shares = |ordered: &InOrder| {
            let all = 0..ordered.addresses.len();
            let shares = all.map(|tried| ordered.share(tried, left).as_secs());
            shares.collect::<Vec<_>>()
        };
        assert_eq!(shares(&ordered), [6, 12, 6, 12]);
        ordered.retain(|address| address != &all[2]);
        assert_eq!(shares(&ordered), [12, 6, 12]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_nobody_asks_is_forgotten_when_others_come() {
        let endpoints = Endpoints::new(Duration::from_secs(1), None);
        let all = addresses(&["a:1", "b:1", "c:1", "d:1"]);
        let known = || {
            let mut known: Vec<_> = endpoints.known().keys().cloned().collect();
            known.sort();
            known
        };
        endpoints.service(&all[0]).unwrap();
        endpoints.failed(&all[1]);
        tokio::time::advance(FORGOTTEN / 2).await;
        endpoints.service(&all[1]).unwrap();
        tokio::time::advance(FORGOTTEN / 2).await;
        endpoints.service(&all[2]).unwrap();
        assert_eq!(known(), addresses(&["b:1", "c:1"]));
        tokio::time::advance(FORGOTTEN).await;
        endpoints.failed(&all[3]);
        assert_eq!(known(), addresses(&["d:1"]));
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_a_limit_and_an_answer_ends_them() {
        let endpoints = Endpoints::new(Duration::from_secs(1), None);
        let all = addresses(&["a:1", "b:1"]);
        for _ in 0..10 {
            endpoints.failed(&all[0]);
            tokio::time::advance(LONGEST_PAUSE).await;
        }
        endpoints.failed(&all[0]);
        tokio::time::advance(LONGEST_PAUSE - Duration::from_millis(1)).await;
        assert_eq!(endpoints.in_order(&all).addresses[0], all[1]);
        endpoints.answered(&all[0]);
        assert_eq!(endpoints.in_order(&all).addresses[0], all[0]);
    }
}
