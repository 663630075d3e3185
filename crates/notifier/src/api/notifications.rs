//! One notification with its attempts, and the states of many.

use axum::extract::State;
use notification::api::MOST_TX_NOS;
use notification::api::notifier::{
    Attempt, LetterLine, NotificationQuery, NotificationView, Record, StateLine, States,
    StatesRequest,
};
use service::extract::{Json, Path, Query};
use service::problem::Problem;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::ApiState;
use super::failure::Failure;
use super::find::{self, Table};
use crate::copy::Key;
use crate::record::columns::{number, number_if_any, parsed, parsed_if_any};
use crate::seal::Sealer;

const RECORD: &str = "SELECT group_name, tx_no, source, endpoint_id, event_type, business_key, state, generation, attempts, \
     parks, next_due_ms, first_seen_ms, updated_ms FROM notification \
     WHERE group_name = ? AND tx_no = ? AND source = ?";

const ATTEMPTS: &str = "SELECT attempt_id, generation, number, url, started_ms, took_ms, verdict, status, \
     error, response_excerpt, next_due_ms, worker, delivery_attempt FROM attempt \
     WHERE group_name = ? AND tx_no = ? AND source = ? ORDER BY started_ms, attempt_id";

const LETTERS: &str = "SELECT generation, state, class, reason, died_ms FROM dead_letter \
     WHERE group_name = ? AND tx_no = ? AND source = ? ORDER BY generation";

/// `GET /v1/notifications/{ending}`.
pub(super) async fn show(
    State(state): State<ApiState>,
    Path(ending): Path<String>,
    Query(narrowed): Query<NotificationQuery>,
) -> Result<Json<NotificationView>, Failure> {
    let mut db = state.record.database().read().await?;
    let key = find::one(&mut db, Table::Notification, &ending, &narrowed).await?;
    let row = keyed(RECORD, &key).fetch_one(&mut *db).await?;
    let attempts = keyed(ATTEMPTS, &key).fetch_all(&mut *db).await?;
    let letters = keyed(LETTERS, &key).fetch_all(&mut *db).await?;
    let subscribed = state.subscribed.iter().find(|s| s.group == key.group);
    let notification = record(&row)?;
    let line = state.directory.line(&notification.endpoint);
    let own = line.and_then(|line| line.endpoint().ladder.clone());
    let ladder = subscribed.map(|subscribed| subscribed.ladders.of(own.as_ref()));
    let sealer = state.record.sealer();
    Ok(Json(NotificationView {
        notification,
        ladder_ms: ladder.map(|ladder| ladder.rungs_ms()).unwrap_or_default(),
        attempts: attempts
            .iter()
            .map(|row| attempt(row, sealer))
            .collect::<Result<_, _>>()?,
        letters: letters.iter().map(letter).collect::<Result<_, _>>()?,
    }))
}

type Keyed<'q> = sqlx::query::Query<'q, sqlx::Any, sqlx::any::AnyArguments>;

fn keyed<'q>(text: &'static str, key: &'q Key) -> Keyed<'q> {
    sqlx::query(text)
        .bind(key.group.as_str())
        .bind(key.tx_no.to_string())
        .bind(key.source.as_str())
}

/// A record from a row that has its key too.
pub(super) fn record(row: &AnyRow) -> Result<Record, sqlx::Error> {
    Ok(Record {
        group: parsed(row, "group_name")?,
        source: parsed(row, "source")?,
        tx_no: parsed(row, "tx_no")?,
        endpoint: parsed(row, "endpoint_id")?,
        event_type: row.try_get("event_type")?,
        business_key: row.try_get("business_key")?,
        state: parsed(row, "state")?,
        generation: number(row, "generation")?,
        attempts: number(row, "attempts")?,
        parks: number(row, "parks")?,
        next_due_ms: row.try_get("next_due_ms")?,
        accepted_ms: row.try_get("first_seen_ms")?,
        updated_ms: row.try_get("updated_ms")?,
    })
}

pub(super) fn attempt(row: &AnyRow, sealer: &Sealer) -> Result<Attempt, sqlx::Error> {
    let id: String = row.try_get("attempt_id")?;
    let excerpt: Option<Vec<u8>> = row.try_get("response_excerpt")?;
    // One that stays shut says why, in its place.
    let shown = |stored| match sealer.open(stored, &id) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(shut) => format!("({shut})"),
    };
    Ok(Attempt {
        generation: number(row, "generation")?,
        number: number(row, "number")?,
        url: row.try_get("url")?,
        started_ms: row.try_get("started_ms")?,
        took_ms: number(row, "took_ms")?,
        verdict: parsed(row, "verdict")?,
        status: number_if_any(row, "status")?,
        error: parsed_if_any(row, "error")?,
        excerpt: excerpt.map(shown),
        next_due_ms: row.try_get("next_due_ms")?,
        worker: row.try_get("worker")?,
        delivery_attempt: number(row, "delivery_attempt")?,
    })
}

fn letter(row: &AnyRow) -> Result<LetterLine, sqlx::Error> {
    Ok(LetterLine {
        generation: number(row, "generation")?,
        state: parsed(row, "state")?,
        class: parsed(row, "class")?,
        reason: parsed(row, "reason")?,
        died_ms: row.try_get("died_ms")?,
    })
}

/// `POST /v1/notifications/states`.
pub(super) async fn states(
    State(state): State<ApiState>,
    Json(asked): Json<StatesRequest>,
) -> Result<Json<States>, Failure> {
    if asked.tx_nos.len() > MOST_TX_NOS {
        let detail = format!("{} numbers were asked about", asked.tx_nos.len());
        let limit = format!("at most {MOST_TX_NOS}");
        return Err(Problem::invalid("tx_nos", detail, limit).into());
    }
    let mut db = state.record.database().read().await?;
    let groups: Vec<&str> = state.subscribed.iter().map(|s| s.group.as_str()).collect();
    let mut states = Vec::with_capacity(asked.tx_nos.len());
    for numbers in asked.tx_nos.chunks(100) {
        states.extend(states_of(&mut db, &groups, &asked, numbers).await?);
    }
    Ok(Json(States { states }))
}

/// The primary key begins with the group, so the groups are named: those subscribed here.
async fn states_of(
    db: &mut AnyConnection,
    groups: &[&str],
    asked: &StatesRequest,
    numbers: &[notification::TxNo],
) -> Result<Vec<StateLine>, sqlx::Error> {
    let places = |count: usize| vec!["?"; count].join(", ");
    let text = format!(
        "SELECT group_name, tx_no, state, generation, attempts, next_due_ms FROM notification \
         WHERE group_name IN ({}) AND tx_no IN ({}) AND source = ? ORDER BY tx_no, group_name",
        places(groups.len()),
        places(numbers.len())
    );
    let mut query = sqlx::query(AssertSqlSafe(text));
    for group in groups {
        query = query.bind(*group);
    }
    for number in numbers {
        query = query.bind(number.to_string());
    }
    let rows = query
        .bind(asked.source.as_str())
        .fetch_all(&mut *db)
        .await?;
    let line = |row: &AnyRow| {
        Ok(StateLine {
            tx_no: parsed(row, "tx_no")?,
            group: parsed(row, "group_name")?,
            state: parsed(row, "state")?,
            generation: number(row, "generation")?,
            attempts: number(row, "attempts")?,
            next_due_ms: row.try_get("next_due_ms")?,
        })
    };
    rows.iter().map(line).collect()
}
