//! Dead letters: the list, and one of them with its body.

use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use notification::api::notifier::{
    Letter, LetterDetail, LettersPage, LettersQuery, NotificationQuery,
};
use notification::{Group, Source};
use service::extract::{Json, Path, Query};
use service::problem::Problem;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::ApiState;
use super::failure::Failure;
use super::find::{self, Table};
use super::letter_id::{LetterId, NotAnId, cursor, read_cursor};
use crate::copy::Key;
use crate::record::columns::{number, number_if_any, parsed};

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
    let limit = asked.limit.unwrap_or(MOST / 2);
    if !(1..=MOST).contains(&limit) {
        let detail = format!("{limit} is refused");
        return Err(Problem::invalid("limit", detail, format!("1 to {MOST}")).into());
    }
    let mut db = state.record.database().read().await?;
    let mut letters = list(&mut db, &asked, limit).await?;
    let more = letters.len() > limit as usize;
    letters.truncate(limit as usize);
    let open = sqlx::query(OPEN).fetch_one(&mut *db).await?;
    Ok(Json(LettersPage {
        next: letters.last().filter(|_| more).map(cursor),
        letters,
        total_open: number(&open, "total")?,
        oldest_ms: open.try_get("oldest_ms")?,
    }))
}

/// One more than a page, so that its end is known.
async fn list(
    db: &mut AnyConnection,
    asked: &LettersQuery,
    limit: u32,
) -> Result<Vec<Letter>, Failure> {
    let mut text = format!("SELECT {COLUMNS} FROM dead_letter WHERE died_ms >= ?");
    let after = asked.after.as_deref().map(read_cursor).transpose()?;
    let (died_ms, last) = after.map_or((0, None), |(died_ms, id)| (died_ms, Some(id)));
    if last.is_some() {
        text.push_str(
            " AND (died_ms > ? OR tx_no > ? OR (tx_no = ? AND (group_name > ? OR \
             (group_name = ? AND (source > ? OR (source = ? AND generation > ?))))))",
        );
    }
    if asked.state.is_some() {
        text.push_str(" AND state = ?");
    }
    if asked.endpoint.is_some() {
        text.push_str(" AND endpoint_id = ?");
    }
    text.push_str(" ORDER BY died_ms, tx_no, group_name, source, generation LIMIT ?");
    let mut query = sqlx::query(AssertSqlSafe(text)).bind(died_ms);
    if let Some(LetterId { key, generation }) = last {
        let (group, source) = (key.group.to_string(), key.source.to_string());
        let tx_no = key.tx_no.to_string();
        query = query.bind(died_ms).bind(tx_no.clone()).bind(tx_no);
        query = query.bind(group.clone()).bind(group);
        query = query
            .bind(source.clone())
            .bind(source)
            .bind(i64::from(generation));
    }
    if let Some(state) = asked.state {
        query = query.bind(state.as_str());
    }
    if let Some(endpoint) = &asked.endpoint {
        query = query.bind(endpoint.as_str());
    }
    let rows = query.bind(i64::from(limit) + 1).fetch_all(&mut *db).await?;
    Ok(rows.iter().map(letter).collect::<Result<_, _>>()?)
}

/// `GET /v1/dead-letters/{ending}`: the newest generation's letter.
pub(super) async fn show(
    State(state): State<ApiState>,
    Path(ending): Path<String>,
    Query(narrowed): Query<NotificationQuery>,
) -> Result<Json<LetterDetail>, Failure> {
    let mut db = state.record.database().read().await?;
    let (_, row) = resolve(&mut db, &ending, &narrowed).await?;
    let body: Vec<u8> = row.try_get("body")?;
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
) -> Result<(Key, AnyRow), Failure> {
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
    Ok((key, row))
}

pub(super) fn letter(row: &AnyRow) -> Result<Letter, sqlx::Error> {
    let (group, source): (Group, Source) = (parsed(row, "group_name")?, parsed(row, "source")?);
    let (tx_no, generation) = (parsed(row, "tx_no")?, number(row, "generation")?);
    let key = Key {
        group,
        tx_no,
        source,
    };
    Ok(Letter {
        id: LetterId { key, generation }.to_string(),
        tx_no,
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
