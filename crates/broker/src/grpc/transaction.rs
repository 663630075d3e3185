//! Ending a transaction. Any client may, with nothing but the topic and the transaction's id.

use rocketmq_wire::v2;
use tonic::Request;

use super::refusal::{self, Refusal};
use super::{Service, client_id, topic_name};
use crate::writer::op::{Ending, Op};

impl Service {
    pub(super) async fn answer_end(
        &self,
        request: Request<v2::EndTransactionRequest>,
    ) -> v2::EndTransactionResponse {
        let status = self
            .end(request)
            .await
            .err()
            .map_or_else(refusal::ok, Into::into);
        v2::EndTransactionResponse {
            status: Some(status),
        }
    }

    async fn end(&self, request: Request<v2::EndTransactionRequest>) -> Result<(), Refusal> {
        client_id(&request)?;
        let asked = request.into_inner();
        let topic = topic_name(asked.topic.as_ref())?;
        if asked.transaction_id.trim().is_empty() {
            let why = "transaction id cannot be empty";
            return Err(Refusal::new(v2::Code::InvalidTransactionId, why));
        }
        let not_found = || Refusal::server_error("cannot found transaction data");
        let topic = self.catalog.topic(&topic).ok_or_else(not_found)?.id;
        let ending = match asked.resolution() {
            v2::TransactionResolution::Commit => Ending::Commit,
            v2::TransactionResolution::Rollback => Ending::Rollback,
            v2::TransactionResolution::Unspecified => Ending::Unspecified,
        };
        let transaction_id = asked.transaction_id;
        let ended = self
            .queue
            .ask(|reply| Op::End {
                topic,
                transaction_id,
                ending,
                reply,
            })
            .await?;
        if ended { Ok(()) } else { Err(not_found()) }
    }
}
