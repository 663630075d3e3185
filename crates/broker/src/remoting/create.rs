//! Making topics and groups.

use rocketmq_wire::remoting::{CreateGroup, CreateTopic, Frame, SUCCESS, TopicKind as WireKind};

use super::{Refused, Remoting};
use crate::catalog::Policy;
use crate::writer::op::Op;
use crate::{TopicKind, names};

impl Remoting {
    pub(super) async fn create_topic(&self, request: &Frame) -> Result<Frame, Refused> {
        let asked = CreateTopic::from_frame(request)?;
        names::check_new_topic(&asked.topic).map_err(Refused::failed)?;
        let kind = match asked.kind {
            WireKind::Normal => TopicKind::Normal,
            WireKind::Transaction => TopicKind::Transaction,
            WireKind::Delay => TopicKind::Delay,
            other => {
                let why = format!("{other} topics are not supported by this broker");
                return Err(Refused::failed(why));
            }
        };
        let name = asked.topic;
        let made = self
            .queue
            .ask(|reply| Op::CreateTopic { name, kind, reply });
        made.await?;
        Ok(request.response(SUCCESS, None))
    }

    pub(super) async fn create_group(&self, request: &Frame) -> Result<Frame, Refused> {
        let asked = CreateGroup::from_frame(request)?;
        names::check_group(&asked.group).map_err(Refused::failed)?;
        let policy = Policy::new(asked.retry_max_times, &asked.delays);
        let name = asked.group;
        let made = self.queue.ask(|reply| Op::CreateGroup {
            name,
            policy,
            reply,
        });
        made.await?;
        Ok(request.response(SUCCESS, None))
    }
}
