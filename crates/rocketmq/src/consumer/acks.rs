//! Acks, many to a call: 32 in one request halve a broker's work per message.
//!
//! Whoever acks waits for its own entry's result, so a batch that fails in part fails for those
//! alone. An ack waits for company at most [`LINGER`].

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use rocketmq_wire::{limits, resource, v2};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::Core;
use super::lease::Lease;
use crate::address::Address;
use crate::call::{Caller, check};
use crate::error::{Error, ErrorKind};

const OPERATION: &str = "ack";
/// How long a batch waits to fill.
const LINGER: Duration = Duration::from_millis(2);
/// Batches in flight at once.
const IN_FLIGHT: usize = 16;

/// One message to ack.
#[derive(Debug)]
pub(crate) struct Ack {
    address: Address,
    topic: String,
    message_id: String,
    handle: String,
    done: oneshot::Sender<Result<(), Error>>,
}

/// Acks one message; its own result.
pub(super) async fn ack(core: &Core, lease: &Lease, handle: String) -> Result<(), Error> {
    let (done, result) = oneshot::channel();
    let ack = Ack {
        address: lease.address.clone(),
        topic: lease.topic.clone(),
        message_id: lease.message_id.clone(),
        handle,
        done,
    };
    let closed = || Error::new(OPERATION, ErrorKind::Closed);
    core.acks.send(ack).await.map_err(|_| closed())?;
    result.await.map_err(|_| closed())?
}

/// Sends what is to be acked, for ever.
pub(super) async fn send_for_ever(caller: Caller, group: String, mut acks: mpsc::Receiver<Ack>) {
    let mut running = FuturesUnordered::new();
    let mut batch = Vec::with_capacity(limits::MAX_BATCH);
    let mut send_by = None;
    loop {
        let room = limits::MAX_BATCH - batch.len();
        tokio::select! {
            received = acks.recv_many(&mut batch, room), if room > 0 => {
                if received == 0 {
                    return;
                }
                send_by.get_or_insert_with(|| Instant::now() + LINGER);
            }
            () = full_or_due(room, send_by), if running.len() < IN_FLIGHT => {
                send_by = None;
                for (address, topic, part) in by_place(batch.drain(..)) {
                    running.push(send(&caller, &group, address, topic, part));
                }
            }
            Some(()) = running.next() => {}
        }
    }
}

/// Ends when the batch is to be sent.
async fn full_or_due(room: usize, send_by: Option<Instant>) {
    match send_by {
        Some(_) if room == 0 => {}
        Some(send_by) => tokio::time::sleep_until(send_by).await,
        None => std::future::pending().await,
    }
}

/// A request goes to one endpoint and names one topic.
fn by_place(acks: impl Iterator<Item = Ack>) -> impl Iterator<Item = (Address, String, Vec<Ack>)> {
    let mut places: HashMap<(Address, String), Vec<Ack>> = HashMap::new();
    for ack in acks {
        places
            .entry((ack.address.clone(), ack.topic.clone()))
            .or_default()
            .push(ack);
    }
    places
        .into_iter()
        .map(|((address, topic), acks)| (address, topic, acks))
}

async fn send(caller: &Caller, group: &str, address: Address, topic: String, acks: Vec<Ack>) {
    let entries = acks.iter().map(|ack| v2::AckMessageEntry {
        message_id: ack.message_id.clone(),
        receipt_handle: ack.handle.clone(),
        lite_topic: None,
    });
    let request = v2::AckMessageRequest {
        group: Some(resource(group)),
        topic: Some(resource(topic)),
        entries: entries.collect(),
    };
    let reply = caller
        .call(
            OPERATION,
            &address,
            caller.timeout(),
            request,
            |mut service, request| async move { service.ack_message(request).await },
        )
        .await;
    match reply {
        Err(error) => {
            for ack in acks {
                answer(ack, Err(error.clone()));
            }
        }
        Ok(reply) => {
            let results = Results::new(reply);
            for ack in acks {
                let result = results.of(&ack.handle);
                answer(ack, result);
            }
        }
    }
}

fn answer(ack: Ack, result: Result<(), Error>) {
    // Nobody listens when the caller gave up waiting; the message was acked all the same.
    let _ = ack.done.send(result);
}

/// What a reply says of each entry.
struct Results {
    whole: Result<(), Error>,
    each: HashMap<String, Result<(), Error>>,
}

impl Results {
    fn new(reply: v2::AckMessageResponse) -> Self {
        let whole = check(OPERATION, reply.status.as_ref());
        let each = reply.entries.into_iter().map(|entry| {
            let result = check(OPERATION, entry.status.as_ref());
            (entry.receipt_handle, result)
        });
        Self {
            whole,
            each: each.collect(),
        }
    }

    /// The entry's own result; where the reply has none, that of the whole, which is an error when
    /// the results differ.
    fn of(&self, handle: &str) -> Result<(), Error> {
        self.each.get(handle).unwrap_or(&self.whole).clone()
    }
}

#[cfg(test)]
mod tests {
    use rocketmq_wire::status;

    use super::*;

    fn entry(handle: &str, code: v2::Code) -> v2::AckMessageResultEntry {
        v2::AckMessageResultEntry {
            message_id: String::new(),
            receipt_handle: handle.to_owned(),
            status: Some(status(code, "")),
        }
    }

    #[test]
    fn of_multiple_results_each_gets_its_own() {
        let results = Results::new(v2::AckMessageResponse {
            status: Some(status(v2::Code::MultipleResults, "")),
            entries: vec![
                entry("b", v2::Code::InvalidReceiptHandle),
                entry("a", v2::Code::Ok),
            ],
        });
        assert_eq!(results.of("a"), Ok(()));
        assert_eq!(
            results.of("b").unwrap_err().kind(),
            &ErrorKind::HandleExpired
        );
        assert!(
            results.of("absent").is_err(),
            "an entry that the reply leaves out is not acked"
        );
    }

    #[test]
    fn one_status_for_all_counts_for_all() {
        let reply = |code| v2::AckMessageResponse {
            status: Some(status(code, "")),
            entries: vec![],
        };
        assert_eq!(Results::new(reply(v2::Code::Ok)).of("a"), Ok(()));
        assert!(
            Results::new(reply(v2::Code::InternalServerError))
                .of("a")
                .is_err()
        );
    }
}
