//! `GET /v1/dead-letters/export`: whole letters, page by page, for files.

use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use notification::api::letters::{LetterExport, LettersExport};
use notification::api::notifier::LettersQuery;
use service::extract::{Json, Query};
use service::problem::Problem;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::ApiState;
use super::failure::Failure;
use super::letters;
use super::page::limit;
use crate::letters::id::LetterId;
use crate::record::columns::{number, number_if_any, parsed};
use crate::record::letters as stored;

/// The largest page, and half of it the usual one: bodies are up to 256 KiB.
const MOST: u32 = 200;

/// A page ends when its bodies have come to this, so that neither side holds much at once: each is there
/// as bytes, as base64 and as text.
const BODIES: usize = 1024 * 1024;

/// So many letters are read at a time.
const CHUNK: u32 = 4;

const COLUMNS: &str = "group_name, tx_no, source, generation, endpoint_id, state, class, reason, \
     attempts, last_status, last_error, died_ms, forwarded_ms, topic, event_type, business_key, \
     content_type, notify_url, initiator_id, body, closed_ms, closed_by, closed_reason";

/// Oldest first.
pub(super) async fn page(
    State(state): State<ApiState>,
    Query(mut asked): Query<LettersQuery>,
) -> Result<Json<LettersExport>, Failure> {
    let limit = limit(asked.limit, MOST / 2, MOST)?;
    let mut db = state.record.database().read().await?;
    let (mut taken, mut bytes) = (Vec::new(), 0);
    let mut next = asked.after.take();
    loop {
        asked.after = next.clone();
        let rows = letters::rows(&mut db, COLUMNS, &asked, CHUNK).await?;
        for row in &rows {
            let LetterId { key, generation } = LetterId::read(row)?;
            let body = state.record.sealer();
            let body = body.open(row.try_get("body")?, &stored::name(&key, generation));
            let body = body.map_err(|shut| Problem::new(StatusCode::CONFLICT, shut.to_string()))?;
            bytes += body.len();
            let full = taken.len() == limit as usize || bytes > BODIES;
            if full && !taken.is_empty() {
                let letters = taken;
                return Ok(Json(LettersExport { next, letters }));
            }
            taken.push(line(row, &body)?);
            next = Some(letters::place(row)?);
        }
        if rows.len() < CHUNK as usize {
            let letters = taken;
            return Ok(Json(LettersExport {
                next: None,
                letters,
            }));
        }
    }
}

fn line(row: &AnyRow, body: &[u8]) -> Result<LetterExport, sqlx::Error> {
    let id = LetterId::read(row)?;
    let text = std::str::from_utf8(body).ok();
    let printable = |text: &&str| {
        !text
            .chars()
            .any(|c| c.is_control() && !"\n\r\t".contains(c))
    };
    Ok(LetterExport {
        id: id.to_string(),
        generation: id.generation,
        tx_no: id.key.tx_no,
        group: id.key.group,
        source: id.key.source,
        endpoint: parsed(row, "endpoint_id")?,
        state: parsed(row, "state")?,
        class: parsed(row, "class")?,
        reason: parsed(row, "reason")?,
        attempts: number(row, "attempts")?,
        last_status: number_if_any(row, "last_status")?,
        last_error: row.try_get("last_error")?,
        died_ms: row.try_get("died_ms")?,
        forwarded_ms: row.try_get("forwarded_ms")?,
        closed_ms: row.try_get("closed_ms")?,
        closed_by: row.try_get("closed_by")?,
        closed_reason: row.try_get("closed_reason")?,
        origin_topic: row.try_get("topic")?,
        event_type: row.try_get("event_type")?,
        business_key: row.try_get("business_key")?,
        content_type: row.try_get("content_type")?,
        notify_url: row.try_get("notify_url")?,
        initiator_id: row.try_get("initiator_id")?,
        body_base64: STANDARD.encode(body),
        body_text: text.filter(printable).map(ToOwned::to_owned),
    })
}
