//! bank1's HTTP: what its callers are told, whatever became of their transfer.
//!
//! 201 committed, 200 committed before under the same `tx_no`, 202 nobody knows yet; 422 a bad value, 409 a `tx_no`
//! that is taken or fenced, 500 rolled back, 503 the broker is away and nothing moved.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use database::{DatabaseError, Kind};
use notification::api::bank1::{
    Accounts, TookMs, Transfer, TransferAnswer, TransferBody, TransferRequest, TransfersPage,
    TransfersQuery, TutorialTransfer,
};
use notification::{BusinessState, Invalid, TxNo, fen_from_yuan};
use producer::{SendError, SendOutcome, Took, metrics_routes, result_routes};
use service::extract::{Json, Query};
use service::problem::Problem;
use sqlx::Row;

use super::Bank1;
use super::order::{Order, SimulatedFailure};
use crate::simulated::Simulated;
use crate::trace::Traced;
use crate::{account, health, hold_routes, refusal};

/// The most transfers on one page.
const LARGEST_PAGE: u32 = 500;
/// The account at bank2 that the tutorials' route pays to.
const TUTORIAL_PAYEE: &str = "2";
/// The member of a problem that says what became of the transfer.
const STATE: &str = "state";
const ROLLED_BACK: &str = BusinessState::RolledBack.as_str();

/// All of bank1's routes.
pub(super) fn routes(bank: Bank1) -> Router {
    let demo = match &bank.simulation {
        Some(simulation) => hold_routes::routes(simulation.holds.clone()),
        None => Router::new(),
    };
    let results = result_routes(bank.initiator.clone());
    let metrics = metrics_routes(bank.initiator.clone());
    let health = health::routes(bank.initiator.database().clone());
    Router::new()
        .route("/transfers", post(transfer).get(transfers))
        .route("/bank1/transfer", get(tutorial_transfer))
        .route("/accounts", get(accounts))
        .with_state(bank)
        .merge(results)
        .merge(metrics)
        .merge(health)
        .merge(demo)
}

type Answer = Result<(StatusCode, Json<TransferAnswer>), Problem>;

async fn transfer(
    State(bank): State<Bank1>,
    headers: HeaderMap,
    Json(asked): Json<TransferRequest>,
) -> Answer {
    let fact = TransferBody {
        tx_no: asked.tx_no.unwrap_or_else(|| bank.fresh_tx_no()),
        from_account: asked.from_account,
        to_account: asked.to_account,
        amount_fen: asked.amount_fen,
    };
    bank.traced(fact, &headers).await
}

async fn tutorial_transfer(
    State(bank): State<Bank1>,
    headers: HeaderMap,
    Query(asked): Query<TutorialTransfer>,
) -> Answer {
    let fact = TransferBody {
        tx_no: bank.fresh_tx_no(),
        from_account: asked.account_no,
        to_account: TUTORIAL_PAYEE.to_owned(),
        amount_fen: fen_from_yuan(&asked.amount).map_err(|invalid| refusal::invalid(&invalid))?,
    };
    bank.traced(fact, &headers).await
}

impl Bank1 {
    fn fresh_tx_no(&self) -> TxNo {
        let now = u64::try_from(self.clock.now_ms()).unwrap_or(0);
        TxNo::from_parts(now, service::ids::random10())
    }

    /// One transfer in the trace of whoever asks for it.
    async fn traced(&self, fact: TransferBody, headers: &HeaderMap) -> Answer {
        let (tx_no, traced) = (
            fact.tx_no,
            Traced::or_first("transfer", headers, &self.clock),
        );
        let answer = self.transfer(fact, traced.goes_on()).await;
        let status = match &answer {
            Ok((status, _)) => *status,
            Err(problem) => problem.status(),
        };
        traced.answered(&tx_no, status, &self.clock);
        answer
    }

    /// One transfer: checked, sent in a transaction, and told.
    async fn transfer(&self, fact: TransferBody, traceparent: Option<String>) -> Answer {
        let order = Order::new(fact).map_err(|invalid| refusal::invalid(&invalid))?;
        let mut notification = order
            .notification()
            .map_err(|invalid| refusal::invalid(&invalid))?;
        notification.traceparent = traceparent;
        let tx_no = order.tx_no();
        let simulated = self
            .simulation
            .as_ref()
            .and_then(|_| Simulated::of(order.amount_fen()));
        if let Some(simulation) = &self.simulation {
            simulation.doom(tx_no, simulated);
        }
        let business = order.business(simulated, self.clock.now_ms());
        let sent = self
            .initiator
            .send_in_transaction(notification, business)
            .await;
        if let Some(simulation) = &self.simulation {
            simulation.spare(&tx_no);
        }
        told(tx_no, sent)
    }
}

/// What a caller is told.
fn told(tx_no: TxNo, sent: Result<SendOutcome, SendError>) -> Answer {
    let answer = |status, state, took_ms| {
        Ok((
            status,
            Json(TransferAnswer {
                tx_no,
                state,
                took_ms,
            }),
        ))
    };
    match sent {
        Ok(SendOutcome::Committed { took }) => answer(
            StatusCode::CREATED,
            BusinessState::Committed,
            Some(took_ms(took)),
        ),
        Ok(SendOutcome::Already { state, .. }) => answer(StatusCode::OK, state, None),
        Ok(SendOutcome::Unknown) => answer(StatusCode::ACCEPTED, BusinessState::Unknown, None),
        Err(error) => Err(refused(error).with("tx_no", tx_no.to_string())),
    }
}

fn refused(error: SendError) -> Problem {
    let text = error.to_string();
    match error {
        SendError::Invalid(invalid) => refusal::invalid(&invalid),
        SendError::Refused(reason) => match reason.downcast_ref::<Invalid>() {
            Some(invalid) => refusal::invalid(invalid).with(STATE, ROLLED_BACK),
            None if reason.is::<SimulatedFailure>() => rolled_back(reason.to_string()),
            None => rolled_back(text),
        },
        SendError::Unavailable(_) => refusal::unavailable(text),
        // No state: an earlier request with this number may have committed.
        SendError::NotBegun(_) => refusal::unavailable(text),
        SendError::OtherRequest(_) => Problem::new(StatusCode::CONFLICT, text).field("tx_no"),
        SendError::RolledBack(_) => Problem::new(StatusCode::CONFLICT, text)
            .field("tx_no")
            .with(STATE, ROLLED_BACK),
        SendError::Database(error) if error.kind() == Kind::Retry => {
            refusal::unavailable("the database is busy; nothing was moved").with(STATE, ROLLED_BACK)
        }
        SendError::Database(_) | SendError::DeadlinePassed(_) => rolled_back(text),
        SendError::Panicked => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, text),
    }
}

fn rolled_back(detail: String) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).with(STATE, ROLLED_BACK)
}

fn took_ms(took: Took) -> TookMs {
    let ms = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    TookMs {
        half: ms(took.half),
        debited: ms(took.debited),
        committed: ms(took.committed),
        ended: took.ended.map(ms),
    }
}

async fn accounts(State(bank): State<Bank1>) -> Result<Json<Accounts>, Problem> {
    let accounts = account::all(bank.initiator.database())
        .await
        .map_err(|error| refusal::unreadable(&error))?;
    Ok(Json(Accounts { accounts }))
}

/// A page of committed transfers, in the order of their numbers.
async fn transfers(
    State(bank): State<Bank1>,
    Query(asked): Query<TransfersQuery>,
) -> Result<Json<TransfersPage>, Problem> {
    let limit = asked.limit.unwrap_or(LARGEST_PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(refusal::invalid(&Invalid::new(
            "limit",
            limit,
            format!("1 to {LARGEST_PAGE}"),
        )));
    }
    let reading = page(&bank, asked.after, limit);
    let page = bank
        .initiator
        .database()
        .in_time(reading)
        .await
        .map_err(|error| refusal::unreadable(&error))?;
    Ok(Json(page))
}

async fn page(
    bank: &Bank1,
    after: Option<TxNo>,
    limit: u32,
) -> Result<TransfersPage, DatabaseError> {
    let mut read = bank.initiator.database().read().await?;
    let rows = sqlx::query("SELECT tx_no, from_account, to_account, amount_fen FROM transfer WHERE tx_no > ? ORDER BY tx_no LIMIT ?")
        .bind(after.map(|tx_no| tx_no.to_string()).unwrap_or_default())
        .bind(i64::from(limit) + 1)
        .fetch_all(&mut *read)
        .await?;
    let mut transfers = Vec::with_capacity(rows.len());
    for row in &rows {
        let tx_no: String = row.try_get(0)?;
        let tx_no = tx_no
            .parse()
            .map_err(|invalid: Invalid| sqlx::Error::Decode(Box::new(invalid)))?;
        transfers.push(Transfer {
            tx_no,
            from_account: row.try_get(1)?,
            to_account: row.try_get(2)?,
            amount_fen: row.try_get(3)?,
        });
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = transfers.len() > limit;
    transfers.truncate(limit);
    let next = if more {
        transfers.last().map(|transfer| transfer.tx_no)
    } else {
        None
    };
    Ok(TransfersPage { transfers, next })
}
