//! `account_info`: what both banks do with money. Integer fen; no balance ever falls below zero.

use database::{Database, DatabaseError, Tx};
use notification::{Invalid, api, yuan};
use sqlx::Row;

/// The largest amount of one transfer, 10 billion yuan: no sum of sensible accounts overflows an `i64`.
pub const LARGEST_FEN: i64 = 1_000_000_000_000;

/// Why money was not moved.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// No such account, a bad amount, or more than there is.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<sqlx::Error> for AccountError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Checks an amount, whatever field it came in.
pub fn check_amount(field: &str, amount_fen: i64) -> Result<(), Invalid> {
    if (1..=LARGEST_FEN).contains(&amount_fen) {
        return Ok(());
    }
    Err(Invalid::new(
        field,
        amount_fen,
        format!("an amount from 0.01 to {} yuan, in fen", yuan(LARGEST_FEN)),
    ))
}

/// All accounts, in the order of their numbers.
pub async fn all(database: &Database) -> Result<Vec<api::Account>, DatabaseError> {
    let reading = database.in_time(async {
        let mut read = database.read().await?;
        let all = sqlx::query("SELECT account_no, account_name, balance_fen, opening_fen FROM account_info ORDER BY account_no");
        Ok::<_, DatabaseError>(all.fetch_all(&mut *read).await?)
    });
    let rows = reading.await?;
    rows.iter()
        .map(|row| {
            Ok(api::Account {
                account_no: row.try_get(0)?,
                name: row.try_get(1)?,
                balance_fen: row.try_get(2)?,
                opening_fen: row.try_get(3)?,
            })
        })
        .collect()
}

/// Takes money from an account, inside the caller's transaction.
///
/// # Errors
/// [`AccountError::Invalid`] names `from_account` (there is none) or `amount_fen` (more than there is).
pub async fn debit(tx: &mut Tx, account_no: &str, amount_fen: i64) -> Result<(), AccountError> {
    // The condition and the change are one statement: two debits at once can't both see the same balance.
    let changed = sqlx::query(
        "UPDATE account_info SET balance_fen = balance_fen - ? WHERE account_no = ? AND balance_fen >= ?",
    )
    .bind(amount_fen)
    .bind(account_no)
    .bind(amount_fen)
    .execute(&mut **tx)
    .await?
    .rows_affected();
    if changed == 1 {
        return Ok(());
    }
    let balance: Option<i64> =
        sqlx::query("SELECT balance_fen FROM account_info WHERE account_no = ?")
            .bind(account_no)
            .fetch_optional(&mut **tx)
            .await?
            .map(|row| row.try_get(0))
            .transpose()?;
    Err(match balance {
        None => Invalid::new("from_account", account_no, "an account of this bank").into(),
        Some(balance) => Invalid::new(
            "amount_fen",
            amount_fen,
            format!("at most the account's balance of {} yuan", yuan(balance)),
        )
        .into(),
    })
}

/// Adds money to an account, inside the caller's transaction.
///
/// # Errors
/// [`AccountError::Invalid`] names `to_account`: there is none.
pub async fn credit(tx: &mut Tx, account_no: &str, amount_fen: i64) -> Result<(), AccountError> {
    let changed =
        sqlx::query("UPDATE account_info SET balance_fen = balance_fen + ? WHERE account_no = ?")
            .bind(amount_fen)
            .bind(account_no)
            .execute(&mut **tx)
            .await?
            .rows_affected();
    if changed == 1 {
        return Ok(());
    }
    Err(Invalid::new("to_account", account_no, "an account of this bank").into())
}
