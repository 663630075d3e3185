//! The table `endpoint`: what it holds, and the statements that may change it.
//!
//! A change is one transaction that takes the counter first ([`next_revision`]): changes come one
//! after another, and a reader who finds the counter as it was has missed none.

use database::{DatabaseError, Tx};
use notification::{EndpointId, Operation};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::record::columns::parsed;

const COLUMNS: &str = "SELECT endpoint_id, settings, sealed, operation, operation_ms, operation_by, \
     operation_reason, revision, created_ms, created_by, updated_ms, updated_by FROM endpoint";

const ONE: &str = "SELECT endpoint_id, settings, sealed, operation, operation_ms, operation_by, \
     operation_reason, revision, created_ms, created_by, updated_ms, updated_by FROM endpoint \
     WHERE endpoint_id = ?";

const NEXT_REVISION: &str =
    "UPDATE endpoint_revision SET revision = revision + 1 WHERE singleton = 1";

const REVISION: &str = "SELECT revision FROM endpoint_revision WHERE singleton = 1";

const INSERT: &str = "INSERT INTO endpoint (endpoint_id, settings, sealed, operation, operation_ms, \
     operation_by, operation_reason, revision, created_ms, created_by, updated_ms, updated_by) \
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

const SETTINGS: &str = "UPDATE endpoint SET settings = ?, sealed = ?, revision = ?, \
     updated_ms = ?, updated_by = ? WHERE endpoint_id = ?";

const OPERATION: &str = "UPDATE endpoint SET operation = ?, operation_ms = ?, operation_by = ?, \
     operation_reason = ?, revision = ?, updated_ms = ?, updated_by = ? WHERE endpoint_id = ?";

const DELETE: &str = "DELETE FROM endpoint WHERE endpoint_id = ?";

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub id: EndpointId,
    /// `None`: the endpoint is one of the file's, and only its operation is here.
    pub defined: Option<Defined>,
    pub operation: Operation,
    pub operation_ms: i64,
    pub operation_by: Option<String>,
    pub operation_reason: Option<String>,
    pub revision: i64,
    pub created_ms: i64,
    pub created_by: String,
    pub updated_ms: i64,
    pub updated_by: String,
}

/// An endpoint's settings as they lie in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Defined {
    /// Without what is secret.
    pub settings: String,
    /// The whole.
    pub sealed: String,
}

/// Who changes something, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'a> {
    pub by: &'a str,
    pub now_ms: i64,
    /// From [`next_revision`].
    pub revision: i64,
}

/// Takes the counter: everybody else who would change an endpoint waits for this transaction.
pub(crate) async fn next_revision(tx: &mut Tx) -> Result<i64, DatabaseError> {
    sqlx::query(NEXT_REVISION).execute(&mut **tx).await?;
    revision(tx).await
}

/// The counter.
pub(crate) async fn revision(db: &mut AnyConnection) -> Result<i64, DatabaseError> {
    Ok(sqlx::query_scalar(REVISION).fetch_one(&mut *db).await?)
}

/// Every row.
pub(crate) async fn all(db: &mut AnyConnection) -> Result<Vec<Row>, DatabaseError> {
    let rows = sqlx::query(COLUMNS).fetch_all(&mut *db).await?;
    Ok(rows.iter().map(row).collect::<Result<_, _>>()?)
}

/// One row, if there is one.
pub(crate) async fn one(
    db: &mut AnyConnection,
    id: &EndpointId,
) -> Result<Option<Row>, DatabaseError> {
    let found = sqlx::query(ONE)
        .bind(id.as_str())
        .fetch_optional(&mut *db)
        .await?;
    Ok(found.as_ref().map(row).transpose()?)
}

/// A new endpoint, open; or, without settings, the operation of one of the file's.
pub(crate) async fn insert(tx: &mut Tx, row: &Row) -> Result<(), DatabaseError> {
    let defined = row.defined.as_ref();
    sqlx::query(INSERT)
        .bind(row.id.as_str())
        .bind(defined.map(|defined| defined.settings.as_str()))
        .bind(defined.map(|defined| defined.sealed.as_str()))
        .bind(row.operation.as_str())
        .bind(row.operation_ms)
        .bind(row.operation_by.as_deref())
        .bind(row.operation_reason.as_deref())
        .bind(row.revision)
        .bind(row.created_ms)
        .bind(row.created_by.as_str())
        .bind(row.updated_ms)
        .bind(row.updated_by.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Other settings for an endpoint of the table.
pub(crate) async fn define(
    tx: &mut Tx,
    id: &EndpointId,
    defined: &Defined,
    change: Change<'_>,
) -> Result<(), DatabaseError> {
    sqlx::query(SETTINGS)
        .bind(defined.settings.as_str())
        .bind(defined.sealed.as_str())
        .bind(change.revision)
        .bind(change.now_ms)
        .bind(change.by)
        .bind(id.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Another operation, for an endpoint of the table or of the file.
pub(crate) async fn operate(
    tx: &mut Tx,
    id: &EndpointId,
    operation: Operation,
    reason: Option<&str>,
    change: Change<'_>,
) -> Result<(), DatabaseError> {
    let Change {
        by,
        now_ms,
        revision,
    } = change;
    let updated = sqlx::query(OPERATION)
        .bind(operation.as_str())
        .bind(now_ms)
        .bind(by)
        .bind(reason)
        .bind(revision)
        .bind(now_ms)
        .bind(by)
        .bind(id.as_str())
        .execute(&mut **tx)
        .await?;
    if updated.rows_affected() > 0 {
        return Ok(());
    }
    let row = Row {
        id: id.clone(),
        defined: None,
        operation,
        operation_ms: now_ms,
        operation_by: Some(by.to_owned()),
        operation_reason: reason.map(ToOwned::to_owned),
        revision,
        created_ms: now_ms,
        created_by: by.to_owned(),
        updated_ms: now_ms,
        updated_by: by.to_owned(),
    };
    insert(tx, &row).await
}

/// Takes a row away.
pub(crate) async fn remove(tx: &mut Tx, id: &EndpointId) -> Result<(), DatabaseError> {
    sqlx::query(DELETE)
        .bind(id.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn row(row: &AnyRow) -> Result<Row, sqlx::Error> {
    let settings: Option<String> = row.try_get("settings")?;
    let sealed: Option<String> = row.try_get("sealed")?;
    let defined = settings.zip(sealed);
    Ok(Row {
        id: parsed(row, "endpoint_id")?,
        defined: defined.map(|(settings, sealed)| Defined { settings, sealed }),
        operation: parsed(row, "operation")?,
        operation_ms: row.try_get("operation_ms")?,
        operation_by: row.try_get("operation_by")?,
        operation_reason: row.try_get("operation_reason")?,
        revision: row.try_get("revision")?,
        created_ms: row.try_get("created_ms")?,
        created_by: row.try_get("created_by")?,
        updated_ms: row.try_get("updated_ms")?,
        updated_by: row.try_get("updated_by")?,
    })
}
