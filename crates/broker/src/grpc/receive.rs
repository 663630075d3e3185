//! Handing messages out: the long poll.

use std::time::{Duration, Instant};

use rocketmq_wire::limits::{MAX_BATCH, MAX_INVISIBLE, MIN_RECEIVE_INVISIBLE};
use rocketmq_wire::v2;
use rocketmq_wire::v2::receive_message_response::Content;
use tonic::{Request, Status};

use super::refusal::{self, Refusal};
use super::{Service, client_id, delivery, group_name, topic_name};
use crate::clock::millis;
use crate::writer::op::{Op, TagFilter, Take, Taken};

/// The lease of a receive that leaves renewing to the broker.
const AUTO_RENEWED: Duration = Duration::from_secs(60);
/// Taken off the client's deadline, so that the answer still arrives in time.
const MARGIN: Duration = Duration::from_millis(30);

type Reply = Result<v2::ReceiveMessageResponse, Status>;

impl Service {
    pub(super) async fn answer_receive(
        &self,
        request: Request<v2::ReceiveMessageRequest>,
    ) -> Vec<Reply> {
        let (status, messages) = match self.receive(request).await {
            Ok((_, messages)) if !messages.is_empty() => (refusal::ok(), messages),
            Ok((buried, messages)) => {
                let why = if buried > 0 {
                    "no match message"
                } else {
                    "no new message"
                };
                (
                    rocketmq_wire::status(v2::Code::MessageNotFound, why),
                    messages,
                )
            }
            Err(refused) => (refused.into(), Vec::new()),
        };
        let mut contents = Vec::with_capacity(messages.len() + 2);
        contents.push(Content::Status(status));
        contents.extend(messages.into_iter().map(Content::Message));
        contents.push(Content::DeliveryTimestamp(delivery::timestamp(
            self.clock.now_ms(),
        )));
        contents
            .into_iter()
            .map(|content| {
                Ok(v2::ReceiveMessageResponse {
                    content: Some(content),
                })
            })
            .collect()
    }

    /// The messages, and how many were buried instead.
    async fn receive(
        &self,
        request: Request<v2::ReceiveMessageRequest>,
    ) -> Result<(u32, Vec<v2::Message>), Refusal> {
        let id = client_id(&request)?;
        if !self.clients.knows(&id, Instant::now()) {
            return Err(Refusal::server_error(
                "Cannot invoke \"apache.rocketmq.v2.Settings.getClientType()\" because \"settings\" is null. \
                 NullPointerException",
            ));
        }
        let left = deadline(&request);
        let asked = request.into_inner();
        let group = group_name(asked.group.as_ref())?;
        let queue = asked.message_queue.as_ref();
        let topic_name = topic_name(queue.and_then(|queue| queue.topic.as_ref()))?;
        let invisible = invisible(&asked)?;
        let filter = filter(asked.filter_expression.as_ref())?;
        let poll = poll(
            asked
                .long_polling_timeout
                .and_then(|timeout| Duration::try_from(timeout).ok()),
            left,
            (self.rules.long_poll_min, self.rules.long_poll_max),
        )?;
        let max = usize::try_from(asked.batch_size).map_err(|_| {
            Refusal::server_error(format!("Illegal Capacity: {}", asked.batch_size))
        })?;
        // The proxy's own answer to a topic that is not there.
        let topic = self.catalog.topic(&topic_name).ok_or_else(|| {
            Refusal::server_error(format!(
                "no route to topic {topic_name}. NullPointerException"
            ))
        })?;
        if max == 0 {
            return Ok((0, Vec::new()));
        }
        let taken = self
            .queue
            .ask(|reply| {
                Op::Take(Take {
                    group,
                    topic: topic.id,
                    max: max.min(MAX_BATCH),
                    invisible_ms: millis(invisible),
                    filter,
                    deadline: Instant::now() + poll,
                    reply,
                })
            })
            .await?;
        Ok((taken.buried, self.messages(&taken, &topic_name)?))
    }

    fn messages(&self, taken: &Taken, topic: &str) -> Result<Vec<v2::Message>, Refusal> {
        let host = &self.rules.host;
        let messages = taken.messages.iter();
        Ok(messages
            .map(|message| delivery::handed_out(message, topic, host))
            .collect::<Result<_, _>>()?)
    }
}

/// How long the handed-out messages stay invisible.
fn invisible(asked: &v2::ReceiveMessageRequest) -> Result<Duration, Refusal> {
    if asked.auto_renew {
        return Ok(AUTO_RENEWED);
    }
    let span = asked
        .invisible_duration
        .and_then(|span| Duration::try_from(span).ok())
        .unwrap_or_default();
    let illegal = |why| Err(Refusal::new(v2::Code::IllegalInvisibleTime, why));
    if span < MIN_RECEIVE_INVISIBLE {
        return illegal(format!(
            "the invisibleTime is too small. min is {}",
            millis(MIN_RECEIVE_INVISIBLE)
        ));
    }
    if span > MAX_INVISIBLE {
        return illegal(format!(
            "the invisibleTime is too large. max is {}",
            millis(MAX_INVISIBLE)
        ));
    }
    Ok(span)
}

fn filter(expression: Option<&v2::FilterExpression>) -> Result<TagFilter, Refusal> {
    let Some(expression) = expression else {
        return Ok(TagFilter::All);
    };
    if expression.r#type() == v2::FilterType::Sql {
        return Err(Refusal::unsupported(
            "this broker filters by tag, not by SQL",
        ));
    }
    Ok(TagFilter::parse(&expression.expression))
}

/// How long to wait for messages: as asked, or as long as the client waits, within the bounds.
fn poll(
    asked: Option<Duration>,
    deadline: Option<Duration>,
    (least, most): (Duration, Duration),
) -> Result<Duration, Refusal> {
    if deadline.is_some_and(|left| left < least) {
        return Err(Refusal::new(
            v2::Code::BadRequest,
            "The deadline time remaining is not enough for polling, please check network condition",
        ));
    }
    let poll = asked.or(deadline).unwrap_or(most).clamp(least, most);
    Ok(deadline.map_or(poll, |left| poll.min(left.saturating_sub(MARGIN))))
}

/// What the client's gRPC deadline leaves.
fn deadline<T>(request: &Request<T>) -> Option<Duration> {
    parse_deadline(request.metadata().get("grpc-timeout")?.to_str().ok()?)
}

/// Digits and a unit: hours, minutes, seconds, milli-, micro-, nanoseconds.
fn parse_deadline(text: &str) -> Option<Duration> {
    let (unit_at, _) = text.char_indices().next_back()?;
    let (digits, unit) = text.split_at(unit_at);
    let n: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(n.saturating_mul(3600))),
        "M" => Some(Duration::from_secs(n.saturating_mul(60))),
        "S" => Some(Duration::from_secs(n)),
        "m" => Some(Duration::from_millis(n)),
        "u" => Some(Duration::from_micros(n)),
        "n" => Some(Duration::from_nanos(n)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(20));
    const fn s(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_long_poll_lasts_from_5_to_20_seconds() {
        assert_eq!(poll(Some(s(0)), None, BOUNDS), Ok(s(5)));
        assert_eq!(poll(Some(s(7)), None, BOUNDS), Ok(s(7)));
        assert_eq!(poll(Some(s(60)), None, BOUNDS), Ok(s(20)));
        assert_eq!(poll(None, Some(s(40)), BOUNDS), Ok(s(20)));
        assert_eq!(poll(None, Some(s(10)), BOUNDS), Ok(s(10) - MARGIN));
        assert_eq!(poll(Some(s(5)), Some(s(5)), BOUNDS), Ok(s(5) - MARGIN));
        assert_eq!(
            poll(Some(s(20)), Some(s(4)), BOUNDS).unwrap_err().code,
            v2::Code::BadRequest
        );
    }

    #[test]
    fn a_deadline_is_digits_and_a_unit() {
        assert_eq!(parse_deadline("25S"), Some(s(25)));
        assert_eq!(parse_deadline("1500m"), Some(Duration::from_millis(1500)));
        for wrong in ["", "S", "5", "5x", "5秒", "-5S"] {
            assert_eq!(parse_deadline(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_lease_lasts_from_10_seconds_to_12_hours() {
        let asked = |seconds: Option<i64>, auto_renew| {
            let invisible_duration =
                seconds.map(|seconds| prost_types::Duration { seconds, nanos: 0 });
            invisible(&v2::ReceiveMessageRequest {
                invisible_duration,
                auto_renew,
                ..Default::default()
            })
        };
        assert_eq!(asked(Some(10), false), Ok(s(10)));
        assert_eq!(asked(Some(43_200), false), Ok(s(43_200)));
        assert_eq!(asked(None, true), Ok(s(60)));
        for wrong in [None, Some(9), Some(-1), Some(43_201)] {
            assert_eq!(
                asked(wrong, false).unwrap_err().code,
                v2::Code::IllegalInvisibleTime,
                "{wrong:?}"
            );
        }
    }
}
