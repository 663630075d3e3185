//! What consumers say of the messages they hold: done, later, dead.

use std::time::Duration;

use rocketmq_wire::limits::MAX_INVISIBLE;
use rocketmq_wire::v2;
use tonic::Request;

use super::refusal::{self, Refusal};
use super::{Service, client_id, group_name, topic_name};
use crate::clock::millis;
use crate::store::receipt::Receipt;
use crate::writer::op::{NextAttempt, Op, Settled};

impl Service {
    pub(super) async fn answer_ack(
        &self,
        request: Request<v2::AckMessageRequest>,
    ) -> v2::AckMessageResponse {
        match self.ack(request).await {
            Ok(entries) => v2::AckMessageResponse {
                status: Some(overall(&entries)),
                entries,
            },
            Err(refused) => v2::AckMessageResponse {
                status: refused.into(),
                entries: Vec::new(),
            },
        }
    }

    async fn ack(
        &self,
        request: Request<v2::AckMessageRequest>,
    ) -> Result<Vec<v2::AckMessageResultEntry>, Refusal> {
        client_id(&request)?;
        let asked = request.into_inner();
        topic_name(asked.topic.as_ref())?;
        group_name(asked.group.as_ref())?;
        if asked.entries.is_empty() {
            return Err(Refusal::server_error("ack message result is empty"));
        }
        let parsed: Vec<Result<Receipt, Refusal>> = asked
            .entries
            .iter()
            .map(|entry| receipt(&entry.receipt_handle))
            .collect();
        let receipts: Vec<Receipt> = parsed
            .iter()
            .filter_map(|receipt| receipt.as_ref().ok())
            .copied()
            .collect();
        let settled = match receipts.is_empty() {
            true => Vec::new(),
            false => self.queue.ask(|reply| Op::Ack { receipts, reply }).await?,
        };
        let mut settled = settled.into_iter();
        let results = parsed.into_iter().map(|parsed| match parsed {
            Ok(_) => verdict(settled.next().unwrap_or(Settled::Unknown), "ack"),
            Err(refused) => Err(refused),
        });
        let entries = asked.entries.iter().zip(results);
        Ok(entries
            .map(|(entry, result)| v2::AckMessageResultEntry {
                message_id: entry.message_id.clone(),
                receipt_handle: entry.receipt_handle.clone(),
                status: Some(result.err().map_or_else(refusal::ok, Into::into)),
            })
            .collect())
    }

    pub(super) async fn answer_change(
        &self,
        request: Request<v2::ChangeInvisibleDurationRequest>,
    ) -> v2::ChangeInvisibleDurationResponse {
        match self.change(request).await {
            Ok(receipt) => v2::ChangeInvisibleDurationResponse {
                status: Some(refusal::ok()),
                receipt_handle: receipt.to_string(),
            },
            Err(refused) => v2::ChangeInvisibleDurationResponse {
                status: refused.into(),
                receipt_handle: String::new(),
            },
        }
    }

    async fn change(
        &self,
        request: Request<v2::ChangeInvisibleDurationRequest>,
    ) -> Result<Receipt, Refusal> {
        client_id(&request)?;
        let asked = request.into_inner();
        topic_name(asked.topic.as_ref())?;
        group_name(asked.group.as_ref())?;
        let invisible_ms = millis(change_span(asked.invisible_duration)?);
        let receipt = receipt(&asked.receipt_handle)?;
        let next = if asked.suspend() {
            NextAttempt::Same
        } else {
            NextAttempt::Counted
        };
        let changed = self
            .queue
            .ask(|reply| Op::Change {
                receipt,
                invisible_ms,
                next,
                reply,
            })
            .await?;
        changed.or_else(|settled| verdict(settled, "change invisible duration").map(|()| receipt))
    }

    pub(super) async fn answer_forward(
        &self,
        request: Request<v2::ForwardMessageToDeadLetterQueueRequest>,
    ) -> v2::ForwardMessageToDeadLetterQueueResponse {
        let forwarded = self.forward(request).await;
        let status = forwarded
            .err()
            .map_or_else(|| rocketmq_wire::status(v2::Code::Ok, "0"), Into::into);
        v2::ForwardMessageToDeadLetterQueueResponse {
            status: Some(status),
        }
    }

    async fn forward(
        &self,
        request: Request<v2::ForwardMessageToDeadLetterQueueRequest>,
    ) -> Result<(), Refusal> {
        client_id(&request)?;
        let asked = request.into_inner();
        topic_name(asked.topic.as_ref())?;
        let group = group_name(asked.group.as_ref())?;
        let receipt = receipt(&asked.receipt_handle)?;
        let settled = self
            .queue
            .ask(|reply| Op::Bury {
                receipt,
                group,
                reply,
            })
            .await?;
        verdict(settled, "forward to dead letter queue")
    }
}

fn receipt(handle: &str) -> Result<Receipt, Refusal> {
    handle
        .parse()
        .map_err(|error: crate::store::receipt::NotAReceipt| {
            Refusal::server_error(error.to_string())
        })
}

fn verdict(settled: Settled, what: &str) -> Result<(), Refusal> {
    match settled {
        Settled::Done => Ok(()),
        Settled::Expired => Err(Refusal::new(
            v2::Code::InvalidReceiptHandle,
            "receipt handle is expired",
        )),
        Settled::Unknown => Err(Refusal::server_error(format!(
            "{what} failed: status is abnormal"
        ))),
    }
}

/// One status for all entries: their code, by its name, if they agree.
fn overall(entries: &[v2::AckMessageResultEntry]) -> v2::Status {
    let code = |entry: &v2::AckMessageResultEntry| {
        let status = entry.status.as_ref();
        status.map_or(v2::Code::Unspecified, v2::Status::code)
    };
    let first = entries.first().map_or(v2::Code::Ok, code);
    let whole = if entries.iter().all(|entry| code(entry) == first) {
        first
    } else {
        v2::Code::MultipleResults
    };
    rocketmq_wire::status(whole, whole.as_str_name())
}

/// From 0 to 12 hours; a receive has a floor, a change has none.
fn change_span(asked: Option<prost_types::Duration>) -> Result<Duration, Refusal> {
    let illegal = |why| Refusal::new(v2::Code::IllegalInvisibleTime, why);
    let span = Duration::try_from(asked.unwrap_or_default())
        .map_err(|_| illegal("the invisibleTime is too small. min is 0".to_owned()))?;
    if span > MAX_INVISIBLE {
        return Err(illegal(format!(
            "the invisibleTime is too large. max is {}",
            millis(MAX_INVISIBLE)
        )));
    }
    Ok(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(code: v2::Code) -> v2::AckMessageResultEntry {
        v2::AckMessageResultEntry {
            status: Some(rocketmq_wire::status(code, "")),
            ..Default::default()
        }
    }

    #[test]
    fn one_status_speaks_for_entries_that_agree() {
        use v2::Code;
        let of =
            |codes: &[Code]| overall(&codes.iter().copied().map(entry).collect::<Vec<_>>()).code();
        assert_eq!(of(&[Code::Ok, Code::Ok]), Code::Ok);
        assert_eq!(
            of(&[Code::InvalidReceiptHandle; 2]),
            Code::InvalidReceiptHandle
        );
        assert_eq!(
            of(&[Code::Ok, Code::InvalidReceiptHandle]),
            Code::MultipleResults
        );
    }

    #[test]
    fn a_change_has_no_floor_and_ends_at_12_hours() {
        let asked = |seconds| change_span(Some(prost_types::Duration { seconds, nanos: 0 }));
        assert_eq!(asked(0), Ok(Duration::ZERO));
        assert_eq!(asked(43_200), Ok(MAX_INVISIBLE));
        assert!(asked(-1).is_err());
        assert!(asked(43_201).is_err());
    }
}
