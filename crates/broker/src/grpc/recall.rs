//! Taking a delayed message back, by the handle that its send gave out.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use rocketmq_wire::v2;
use tonic::Request;

use super::refusal::{self, Refusal};
use super::{Service, client_id, topic_name};
use crate::clock::UnixMs;
use crate::names::BROKER;
use crate::writer::op::Op;

const VERSION: &str = "v1";

impl Service {
    pub(super) async fn answer_recall(
        &self,
        request: Request<v2::RecallMessageRequest>,
    ) -> v2::RecallMessageResponse {
        match self.recall(request).await {
            Ok(message_id) => v2::RecallMessageResponse {
                status: Some(refusal::ok()),
                message_id,
            },
            Err(refused) => v2::RecallMessageResponse {
                status: refused.into(),
                message_id: String::new(),
            },
        }
    }

    async fn recall(&self, request: Request<v2::RecallMessageRequest>) -> Result<String, Refusal> {
        client_id(&request)?;
        let asked = request.into_inner();
        let topic = topic_name(asked.topic.as_ref())?;
        let handle: RecallHandle = asked.recall_handle.parse()?;
        if !self.rules.recall_enabled {
            return Err(Refusal::server_error(
                "recall failed, operation is forbidden",
            ));
        }
        if handle.topic != topic {
            return Err(Refusal::server_error("recall failed, topic not match"));
        }
        let gone = || Refusal::new(v2::Code::NotFound, "recall failed, no such delayed message");
        let topic = self.catalog.topic(&handle.topic).ok_or_else(gone)?.id;
        let (message_id, due_ms) = (handle.message_id.clone(), handle.due_ms);
        let recalled = self
            .queue
            .ask(|reply| Op::Recall {
                topic,
                message_id,
                due_ms,
                reply,
            })
            .await?;
        recalled.then_some(handle.message_id).ok_or_else(gone)
    }
}

/// Which delayed message is meant, in Apache RocketMQ's form: base64 of
/// `v1 topic broker time message-id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RecallHandle {
    pub(super) topic: String,
    pub(super) due_ms: UnixMs,
    /// It may hold spaces.
    pub(super) message_id: String,
}

impl fmt::Display for RecallHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            topic,
            due_ms,
            message_id,
        } = self;
        let words = format!("{VERSION} {topic} {BROKER} {due_ms} {message_id}");
        f.write_str(&URL_SAFE.encode(words))
    }
}

impl FromStr for RecallHandle {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        parse(text).ok_or_else(|| Refusal::server_error("recall handle is invalid"))
    }
}

fn parse(text: &str) -> Option<RecallHandle> {
    let words = String::from_utf8(URL_SAFE.decode(text).ok()?).ok()?;
    let mut words = words.splitn(5, ' ');
    if words.next()? != VERSION {
        return None;
    }
    let topic = words.next()?.to_owned();
    words.next()?;
    Some(RecallHandle {
        topic,
        due_ms: words.next()?.parse().ok()?,
        message_id: words.next()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_reads_back_as_it_was_written() {
        let handle = RecallHandle {
            topic: "t".into(),
            due_ms: 1_700_000_000_000,
            message_id: "an id with spaces".into(),
        };
        assert_eq!(handle.to_string().parse(), Ok(handle));
    }

    #[test]
    fn garbage_is_no_handle() {
        for words in ["", "v1", "v1 t broker-a soon m", "v2 t broker-a 1 m"] {
            assert!(
                URL_SAFE.encode(words).parse::<RecallHandle>().is_err(),
                "{words:?}"
            );
        }
        assert!("no base64!".parse::<RecallHandle>().is_err());
    }
}
