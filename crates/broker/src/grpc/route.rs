//! Where a topic's messages are: here. Each topic has one queue.

use rocketmq_wire::{resource, v2};
use tonic::Request;

use super::refusal::{self, Refusal};
use super::{Service, client_id, group_name};
use crate::TopicKind;
use crate::names::BROKER;

impl Service {
    pub(super) fn answer_route(
        &self,
        request: Request<v2::QueryRouteRequest>,
    ) -> v2::QueryRouteResponse {
        match self.route(&request) {
            Ok(queue) => v2::QueryRouteResponse {
                status: Some(refusal::ok()),
                message_queues: vec![queue],
            },
            Err(refused) => v2::QueryRouteResponse {
                status: refused.into(),
                message_queues: Vec::new(),
            },
        }
    }

    pub(super) fn answer_assignment(
        &self,
        request: Request<v2::QueryAssignmentRequest>,
    ) -> v2::QueryAssignmentResponse {
        match self.assignment(&request) {
            Ok(queue) => v2::QueryAssignmentResponse {
                status: Some(refusal::ok()),
                assignments: vec![v2::Assignment {
                    message_queue: Some(queue),
                }],
            },
            Err(refused) => v2::QueryAssignmentResponse {
                status: refused.into(),
                assignments: Vec::new(),
            },
        }
    }

    fn route(&self, request: &Request<v2::QueryRouteRequest>) -> Result<v2::MessageQueue, Refusal> {
        client_id(request)?;
        let (name, topic) = self.topic(request.get_ref().topic.as_ref())?;
        let accepts = match topic.kind {
            TopicKind::Normal => v2::MessageType::Normal,
            TopicKind::Transaction => v2::MessageType::Transaction,
            TopicKind::Delay => v2::MessageType::Delay,
        };
        Ok(v2::MessageQueue {
            accept_message_types: vec![accepts.into()],
            ..self.queue(&name, 0)
        })
    }

    fn assignment(
        &self,
        request: &Request<v2::QueryAssignmentRequest>,
    ) -> Result<v2::MessageQueue, Refusal> {
        client_id(request)?;
        group_name(request.get_ref().group.as_ref())?;
        let (name, _) = self.topic(request.get_ref().topic.as_ref())?;
        // All queues of the broker at once.
        Ok(self.queue(&name, -1))
    }

    fn queue(&self, topic: &str, id: i32) -> v2::MessageQueue {
        let broker = v2::Broker {
            name: BROKER.into(),
            id: 0,
            endpoints: Some(self.rules.endpoints.clone()),
        };
        v2::MessageQueue {
            topic: Some(resource(topic)),
            id,
            permission: v2::Permission::ReadWrite.into(),
            broker: Some(broker),
            accept_message_types: Vec::new(),
        }
    }
}
