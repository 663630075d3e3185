//! Dead letters: the list, and one of them with its body.

use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use notification::api::notifier::{
    Letter, LetterDetail, LettersPage, LettersQuery, NotificationQuery,
};
use service::extract::{Json, Path, Query};
use service::problem::Problem;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::ApiState;
use super::failure::Failure;
use super::find::{self, Table};
use super::page::{limit, not_a_cursor};
use crate::copy::Key;
use crate::letters::chosen::{Chosen, ORDER};
use crate::letters::id::{LetterId, NotAnId, Place};
use crate::record::columns::{number, number_if_any, parsed};
use crate::record::letters as stored;

/// The largest page; the usual one is half of it.
const MOST: u32 = 500;

const COLUMNS: &str = "group_name, tx_no, source, generation, endpoint_id, attempts, class, \
     reason, last_status, died_ms, event_type, business_key";

const DETAIL: &str = "SELECT group_name, tx_no, source, generation, endpoint_id, attempts, class, \
     reason, last_status, died_ms, event_type, business_key, state, content_type, body, \
     forwarded_ms FROM dead_letter \
     WHERE group_name = ? AND tx_no = ? AND source = ? ORDER BY generation DESC LIMIT 1";

const OPEN: &str = "SELECT COUNT(*) AS total, MIN(died_ms) AS oldest_ms FROM dead_letter \
     WHERE state = 'open'";

/// `GET /v1/dead-letters`: oldest first.
pub(super) async fn page(
    State(state): State<ApiState>,
    Query(asked): Query<LettersQuery>,
) -> Result<Json<LettersPage>, Failure> {
    let limit = limit(asked.limit, MOST / 2, MOST)?;
    let mut db = state.record.database().read().await?;
    // One more than a page, so that its end is known.
    let mut rows = rows(&mut db, COLUMNS, &asked, limit + 1).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let open = sqlx::query(OPEN).fetch_one(&mut *db).await?;
    Ok(Json(LettersPage {
        next: rows.last().filter(|_| more).map(place).transpose()?,
        letters: rows.iter().map(letter).collect::<Result<_, _>>()?,
        total_open: number(&open, "total")?,
        oldest_ms: open.try_get("oldest_ms")?,
    }))
}

/// The letters that were asked for, in the order of every walk.
pub(super) async fn rows(
    db: &mut AnyConnection,
    columns: &str,
    asked: &LettersQuery,
    most: u32,
) -> Result<Vec<AnyRow>, Failure> {
    let place = asked.after.as_deref().map(read_place).transpose()?;
    let chosen = Chosen::new(asked.state, &asked.filter()).behind(place.as_ref());
    let text = format!("SELECT {columns} FROM dead_letter WHERE {{}} {ORDER} LIMIT {most}");
    Ok(chosen.query(&text).fetch_all(&mut *db).await?)
}

fn read_place(text: &str) -> Result<Place, Failure> {
    text.parse().map_err(|NotAnId| not_a_cursor(text).into())
}

/// Where the next page begins: behind this letter.
pub(super) fn place(row: &AnyRow) -> Result<String, sqlx::Error> {
    let place = Place {
        died_ms: row.try_get("died_ms")?,
        id: LetterId::read(row)?,
    };
    Ok(place.to_string())
}

/// `GET /v1/dead-letters/{ending}`: the newest generation's letter.
pub(super) async fn show(
    State(state): State<ApiState>,
    Path(ending): Path<String>,
    Query(narrowed): Query<NotificationQuery>,
) -> Result<Json<LetterDetail>, Failure> {
    let mut db = state.record.database().read().await?;
    let (id, row) = resolve(&mut db, &ending, &narrowed).await?;
    let name = stored::name(&id.key, id.generation);
    let body = state.record.sealer().open(row.try_get("body")?, &name);
    let body = body.map_err(|shut| Problem::new(StatusCode::CONFLICT, shut.to_string()))?;
    Ok(Json(LetterDetail {
        letter: letter(&row)?,
        content_type: row.try_get("content_type")?,
        body_base64: STANDARD.encode(body),
        forwarded_ms: row.try_get("forwarded_ms")?,
        state: parsed(&row, "state")?,
    }))
}

/// The newest letter of a key.
async fn newest(db: &mut AnyConnection, key: &Key) -> Result<AnyRow, Failure> {
    let row = sqlx::query(DETAIL)
        .bind(key.group.as_str())
        .bind(key.tx_no.to_string())
        .bind(key.source.as_str())
        .fetch_optional(&mut *db)
        .await?;
    row.ok_or_else(|| {
        let detail = format!("no dead letter {key}");
        Problem::new(StatusCode::NOT_FOUND, detail).into()
    })
}

/// The letter that a whole id or the ending of a number means: the newest of its notification. A
/// whole id of an older generation comes from a list that is out of date, and is refused.
pub(super) async fn resolve(
    db: &mut AnyConnection,
    ending: &str,
    narrowed: &NotificationQuery,
) -> Result<(LetterId, AnyRow), Failure> {
    let (key, generation) = match ending.parse::<LetterId>() {
        Ok(id) => (id.key, Some(id.generation)),
        Err(NotAnId) => {
            let key = find::one(db, Table::DeadLetter, ending, narrowed).await?;
            (key, None)
        }
    };
    let row = newest(db, &key).await?;
    let newest: u32 = number(&row, "generation")?;
    if generation.is_some_and(|generation| generation != newest) {
        let detail = format!("{ending} is not the newest dead letter; that is {key}/{newest}");
        return Err(Problem::new(StatusCode::CONFLICT, detail).into());
    }
    let generation = newest;
    Ok((LetterId { key, generation }, row))
}

pub(super) fn letter(row: &AnyRow) -> Result<Letter, sqlx::Error> {
    let id = LetterId::read(row)?;
    Ok(Letter {
        id: id.to_string(),
        tx_no: id.key.tx_no,
        endpoint: parsed(row, "endpoint_id")?,
        attempts: number(row, "attempts")?,
        class: parsed(row, "class")?,
        reason: parsed(row, "reason")?,
        last_status: number_if_any(row, "last_status")?,
        died_ms: row.try_get("died_ms")?,
        event_type: row.try_get("event_type")?,
        business_key: row.try_get("business_key")?,
    })
}
