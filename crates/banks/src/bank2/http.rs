//! bank2's HTTP: the notification endpoint, and what others may ask.
//!
//! 200 applied or applied before; 401 nobody known signed it; 422 refused for good; anything else asks to be rung
//! again. Whatever is refused leaves no row.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use notification::api::MOST_TX_NOS;
use notification::api::bank1::{Accounts, TransferBody};
use notification::api::bank2::{InboxStates, InboxStatesRequest, NotificationAnswer};
use notification::{Invalid, body_hash};
use receiver::{BusinessError, InboxError, Verified};
use service::extract::Json;
use service::problem::Problem;

use super::{AFTER_APPLY, Bank2, memory};
use crate::account::AccountError;
use crate::simulated::Simulated;
use crate::trace::Traced;
use crate::{account, fact, health, hold_routes, refusal};

/// How often a transfer of 4.00 fails.
const FAILS: i64 = 2;

/// All of bank2's routes.
pub(super) fn routes(bank: Bank2) -> Router {
    let demo = match &bank.holds {
        Some(holds) => {
            let repair = Router::new()
                .route("/demo/repair", post(repair))
                .with_state(bank.clone());
            hold_routes::routes(holds.clone()).merge(repair)
        }
        None => Router::new(),
    };
    let health = health::routes(bank.database.clone());
    Router::new()
        .route("/notifications", post(notification))
        .route("/accounts", get(accounts))
        .route("/inbox/states", post(inbox_states))
        .with_state(bank)
        .merge(health)
        .merge(demo)
}

/// A notification: who says it, what it says, and then once.
async fn notification(
    State(bank): State<Bank2>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<NotificationAnswer>, Problem> {
    let verified = receiver::verify(&bank.sources, &headers, &body, bank.clock.now_s())?;
    let traced = Traced::request("apply", &headers, &bank.clock);
    let answer = bank.take(&verified, &body).await;
    let status = answer
        .as_ref()
        .map_or_else(Problem::status, |_| StatusCode::OK);
    traced.answered(&verified.tx_no, status, &bank.clock);
    answer
}

/// The transfer that the body tells of. What is refused here will never be understood.
fn understood(verified: &Verified, body: &[u8]) -> Result<TransferBody, Problem> {
    let fact = fact::from_body(body).map_err(|invalid| refusal::invalid(&invalid))?;
    account::check_amount("amount_fen", fact.amount_fen)
        .map_err(|invalid| refusal::invalid(&invalid))?;
    if fact.tx_no != verified.tx_no {
        let limit = format!("the signed webhook-id {}", verified.tx_no);
        return Err(refusal::invalid(&Invalid::new("tx_no", fact.tx_no, limit)));
    }
    Ok(fact)
}

impl Bank2 {
    /// What is well signed: understood, and applied once.
    async fn take(
        &self,
        verified: &Verified,
        body: &[u8],
    ) -> Result<Json<NotificationAnswer>, Problem> {
        let fact = understood(verified, body)?;
        if self.holds.is_some() {
            self.misbehave(&fact).await?;
        }
        let result = self.apply(verified, fact, body).await?;
        if let Some(holds) = &self.holds {
            holds.reached(AFTER_APPLY, verified.tx_no).await;
        }
        Ok(Json(NotificationAnswer { result }))
    }

    /// Credits the account, once for each number.
    async fn apply(
        &self,
        verified: &Verified,
        fact: TransferBody,
        body: &[u8],
    ) -> Result<notification::Applied, Problem> {
        let source = verified.source.to_string();
        let now_ms = self.clock.now_ms();
        self.inbox
            .apply_once(&verified.source, &verified.tx_no, &body_hash(body), move |tx| {
                Box::pin(async move {
                    account::credit(tx, &fact.to_account, fact.amount_fen).await.map_err(refused)?;
                    sqlx::query(
                        "INSERT INTO credit (source, tx_no, account_no, amount_fen, created_ms) VALUES (?, ?, ?, ?, ?)",
                    )
                    .bind(source)
                    .bind(fact.tx_no.to_string())
                    .bind(&fact.to_account)
                    .bind(fact.amount_fen)
                    .bind(now_ms)
                    .execute(&mut **tx)
                    .await?;
                    Ok(())
                })
            })
            .await
            .map_err(told)
    }

    /// The simulated exceptions, before anything is applied.
    async fn misbehave(&self, fact: &TransferBody) -> Result<(), Problem> {
        let failed = |text: String| Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, text));
        let unreadable = |error| refusal::unreadable(&error);
        match Simulated::of(fact.amount_fen) {
            Some(Simulated::Bank2FailsTwice) => {
                let times = memory::count_refusal(&self.database, &fact.tx_no)
                    .await
                    .map_err(unreadable)?;
                if times <= FAILS {
                    failed(format!("bank2 fails, {times} of {FAILS} times"))
                } else {
                    Ok(())
                }
            }
            Some(Simulated::Bank2Broken) => {
                let repaired = memory::is_repaired(&self.database)
                    .await
                    .map_err(unreadable)?;
                if repaired {
                    Ok(())
                } else {
                    failed("bank2 is broken".to_owned())
                }
            }
            Some(Simulated::Bank2Rejects) => Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "bank2 refuses 6.00 for good",
            )
            .field("amount_fen")),
            _ => Ok(()),
        }
    }
}

/// bank2's own refusals are for good; a database that failed is worth another ring.
fn refused(error: AccountError) -> BusinessError {
    match error {
        AccountError::Invalid(invalid) => BusinessError::Refused(Box::new(invalid)),
        AccountError::Database(error) => BusinessError::Database(error),
    }
}

/// What the notifier is told: a refusal of ours names its field.
fn told(error: InboxError) -> Problem {
    match &error {
        InboxError::Business(reason) => match reason.downcast_ref::<Invalid>() {
            Some(invalid) => refusal::invalid(invalid),
            None => error.into(),
        },
        InboxError::Database(cause) => {
            tracing::warn!(event = "not_applied", error = %cause);
            error.into()
        }
        _ => error.into(),
    }
}

async fn accounts(State(bank): State<Bank2>) -> Result<Json<Accounts>, Problem> {
    let accounts = account::all(&bank.database)
        .await
        .map_err(|error| refusal::unreadable(&error))?;
    Ok(Json(Accounts { accounts }))
}

async fn inbox_states(
    State(bank): State<Bank2>,
    Json(asked): Json<InboxStatesRequest>,
) -> Result<Json<InboxStates>, Problem> {
    if asked.tx_nos.len() > MOST_TX_NOS {
        let limit = format!("at most {MOST_TX_NOS}");
        return Err(refusal::invalid(&Invalid::new(
            "tx_nos",
            asked.tx_nos.len(),
            limit,
        )));
    }
    let states = bank
        .inbox
        .states(&asked.source, &asked.tx_nos)
        .await
        .map_err(|error| refusal::unreadable(&error))?;
    Ok(Json(InboxStates {
        states: BTreeMap::from_iter(states),
    }))
}

async fn repair(State(bank): State<Bank2>) -> Result<StatusCode, Problem> {
    memory::repair(&bank.database)
        .await
        .map_err(|error| refusal::unreadable(&error))?;
    tracing::info!(event = "repaired");
    Ok(StatusCode::NO_CONTENT)
}
