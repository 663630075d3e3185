//! Tokens: made, listed, revoked. A token's text is in one answer and nowhere else.

use axum::extract::State;
use axum::http::StatusCode;
use database::Tx;
use notification::api::notifier::{
    AuditAction, RevokeRequest, TokenLine, TokenMade, TokenRequest, TokensPage, TokensQuery,
};
use service::extract::{Json, Path, Query};
use service::problem::Problem;
use service::token::fingerprint;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::ApiState;
use super::failure::Failure;
use super::page::{self, Where};
use crate::audit::{self, Deed};
use crate::operator::Operator;
use crate::record::columns::parsed;
use crate::tokens::{FILE, Fresh, MOST};

const COLUMNS: &str = "SELECT token_id, name, role, created_ms, created_by, last_used_ms, \
     expires_ms, revoked_ms FROM token";

const NAMES_IN_FORCE: &str = "SELECT name FROM token WHERE revoked_ms IS NULL \
     AND (expires_ms IS NULL OR expires_ms > ?)";

/// Takes the lock of a row that is always there.
const ONE_AT_A_TIME: &str = "UPDATE record_epoch SET epoch = epoch WHERE singleton = 1";

const INSERT: &str = "INSERT INTO token (token_id, name, role, hash, created_ms, created_by, \
     last_used_ms, expires_ms, revoked_ms, revoked_by) VALUES (?, ?, ?, ?, ?, ?, NULL, ?, NULL, NULL)";

const MEANT: &str = "SELECT token_id, name, revoked_ms FROM token \
     WHERE token_id = ? OR (name = ? AND revoked_ms IS NULL)";

const REVOKE: &str = "UPDATE token SET revoked_ms = ?, revoked_by = ? \
     WHERE token_id = ? AND revoked_ms IS NULL";

/// `POST /v1/tokens`.
pub(super) async fn add(
    State(state): State<ApiState>,
    operator: Operator,
    Json(asked): Json<TokenRequest>,
) -> Result<(StatusCode, Json<TokenMade>), Failure> {
    let now_ms = state.clock.now_ms();
    if let Some(expires_ms) = asked.expires_ms.filter(|ms| *ms <= now_ms) {
        return Err(page::refused("expires_ms", expires_ms, "later than now").into());
    }
    if asked.name.as_str() == FILE {
        let limit = format!("another name: {FILE} is the token in the data folder");
        return Err(page::refused("name", FILE, limit).into());
    }
    let fresh = Fresh::make();
    let line = TokenLine {
        id: fresh.id,
        name: asked.name.into(),
        role: asked.role,
        created_ms: now_ms,
        created_by: operator.name.clone(),
        last_used_ms: None,
        expires_ms: asked.expires_ms,
        revoked_ms: None,
    };
    let mut tx = state.record.database().begin().await?;
    refuse_another(&mut tx, &line.name, now_ms).await?;
    sqlx::query(INSERT)
        .bind(line.id.as_str())
        .bind(line.name.as_str())
        .bind(line.role.as_str())
        .bind(fingerprint(&fresh.token))
        .bind(now_ms)
        .bind(operator.name.as_str())
        .bind(line.expires_ms)
        .execute(&mut *tx)
        .await?;
    let deed = Deed {
        action: AuditAction::TokenAdd,
        target: &line.id,
        reason: asked.reason.as_deref(),
        result: &format!("{} may {}", line.name, line.role),
    };
    audit::write(&mut tx, &operator, deed, now_ms).await?;
    tx.commit().await?;
    state.tokens.forget().await;
    tracing::info!(event = "token_added", id = line.id, name = line.name, role = %line.role);
    let token = fresh.token;
    Ok((StatusCode::CREATED, Json(TokenMade { line, token })))
}

/// Two tokens in force never share a name, or the audit would not say whose hand it was.
async fn refuse_another(tx: &mut Tx, name: &str, now_ms: i64) -> Result<(), Failure> {
    // One after the other, on a server too.
    sqlx::query(ONE_AT_A_TIME).execute(&mut **tx).await?;
    let names: Vec<String> = sqlx::query_scalar(NAMES_IN_FORCE)
        .bind(now_ms)
        .fetch_all(&mut **tx)
        .await?;
    if names.iter().any(|known| known == name) {
        let detail =
            format!("there is a token named {name}; revoke it first, or take another name");
        return Err(Problem::new(StatusCode::CONFLICT, detail)
            .field("name")
            .into());
    }
    if names.len() >= MOST {
        let detail = format!("{} tokens are in force", names.len());
        return Err(Problem::new(StatusCode::CONFLICT, detail)
            .limit(format!("{MOST}"))
            .into());
    }
    Ok(())
}

/// `GET /v1/tokens`.
pub(super) async fn page(
    State(state): State<ApiState>,
    Query(asked): Query<TokensQuery>,
) -> Result<Json<TokensPage>, Failure> {
    let limit = page::limit(asked.limit, page::USUAL, page::MOST)?;
    let mut filter = Where::default();
    filter.and_if("token_id > ?", asked.after.as_deref());
    let mut db = state.record.database().read().await?;
    let rows = filter
        .query(COLUMNS, "ORDER BY token_id", limit + 1)
        .fetch_all(&mut *db)
        .await?;
    let mut tokens = rows.iter().map(line).collect::<Result<Vec<_>, _>>()?;
    let more = page::cut(&mut tokens, limit);
    Ok(Json(TokensPage {
        next: tokens.last().filter(|_| more).map(|last| last.id.clone()),
        tokens,
    }))
}

/// `POST /v1/tokens/{id}/revoke`, by the token's id, or the name of one in force.
pub(super) async fn revoke(
    State(state): State<ApiState>,
    operator: Operator,
    Path(id): Path<String>,
    Json(asked): Json<RevokeRequest>,
) -> Result<Json<TokenLine>, Failure> {
    if id == FILE {
        let detail = "the token in the data folder is replaced by deleting its file and starting \
                      the notifier anew";
        return Err(Problem::new(StatusCode::CONFLICT, detail).into());
    }
    let now_ms = state.clock.now_ms();
    let mut tx = state.record.database().begin().await?;
    let (id, name) = meant(&mut tx, &id).await?;
    let revoked = sqlx::query(REVOKE)
        .bind(now_ms)
        .bind(operator.name.as_str())
        .bind(id.as_str())
        .execute(&mut *tx)
        .await?;
    if revoked.rows_affected() == 0 {
        tx.rollback().await?;
        let detail = format!("the token {name} ({id}) is revoked already");
        return Err(Problem::new(StatusCode::CONFLICT, detail).into());
    }
    let deed = Deed {
        action: AuditAction::TokenRevoke,
        target: &id,
        reason: asked.reason.as_deref(),
        result: &format!("{name} is refused from now on"),
    };
    audit::write(&mut tx, &operator, deed, now_ms).await?;
    let mut known = Where::default();
    known.and("token_id = ?", [id.as_str().into()]);
    let row = known.query(COLUMNS, "", 1).fetch_one(&mut *tx).await?;
    let line = line(&row)?;
    tx.commit().await?;
    state.tokens.forget().await;
    tracing::info!(event = "token_revoked", id, name);
    Ok(Json(line))
}

/// The id and the name of the token that is meant.
async fn meant(tx: &mut Tx, given: &str) -> Result<(String, String), Failure> {
    let rows = sqlx::query(MEANT)
        .bind(given)
        .bind(given)
        .fetch_all(&mut **tx)
        .await?;
    let read = |row: &AnyRow| Ok((row.try_get("token_id")?, row.try_get("name")?));
    let mut found: Vec<(String, String)> =
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?;
    match found.len() {
        0 => {
            let detail = format!("no token {given:?}");
            Err(Problem::new(StatusCode::NOT_FOUND, detail).into())
        }
        1 => Ok(found.remove(0)),
        _ => {
            let ids: Vec<String> = found.into_iter().map(|(id, _)| id).collect();
            let detail = format!("more than one token is meant by {given:?}: give the id");
            Err(Problem::new(StatusCode::CONFLICT, detail)
                .with("matches", ids)
                .into())
        }
    }
}

fn line(row: &AnyRow) -> Result<TokenLine, sqlx::Error> {
    Ok(TokenLine {
        id: row.try_get("token_id")?,
        name: row.try_get("name")?,
        role: parsed(row, "role")?,
        created_ms: row.try_get("created_ms")?,
        created_by: row.try_get("created_by")?,
        last_used_ms: row.try_get("last_used_ms")?,
        expires_ms: row.try_get("expires_ms")?,
        revoked_ms: row.try_get("revoked_ms")?,
    })
}
