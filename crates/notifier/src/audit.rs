//! What operators did: who, when, what, to what, why, and what came of it.
//!
//! The invariant: a line is written in the transaction of the deed that it tells of, so that none
//! is done untold and none told undone. What was refused is no deed.

use database::{DatabaseError, Tx};
use notification::api::notifier::AuditAction;

use crate::copy::cut;
use crate::operator::Operator;
use crate::record::ids;

const INSERT: &str = "INSERT INTO audit (audit_id, at_ms, token_id, operator, action, target, \
     reason, result, request_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// The most characters of a reason, a target and a result.
const LONGEST: usize = 200;

/// What is to be told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deed<'a> {
    pub action: AuditAction,
    /// `group/source/tx_no`, a letter's id, an endpoint's, a token's, a job's.
    pub target: &'a str,
    /// Why, in the operator's words.
    pub reason: Option<&'a str>,
    /// What came of it, in few words; never a secret.
    pub result: &'a str,
}

/// Without what would end a line or paint a terminal: an audit's reader must not be led to see lines that nobody
/// wrote.
fn on_one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// Writes a line; it stands or falls with the transaction.
pub(crate) async fn write(
    tx: &mut Tx,
    operator: &Operator,
    deed: Deed<'_>,
    now_ms: i64,
) -> Result<(), DatabaseError> {
    sqlx::query(INSERT)
        .bind(ids::one(now_ms).to_string())
        .bind(now_ms)
        .bind(operator.token_id.as_str())
        .bind(operator.name.as_str())
        .bind(deed.action.as_str())
        .bind(cut(deed.target, LONGEST))
        .bind(deed.reason.map(|reason| cut(&on_one_line(reason), LONGEST)))
        .bind(cut(deed.result, LONGEST))
        .bind(operator.request_id.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(())
}
