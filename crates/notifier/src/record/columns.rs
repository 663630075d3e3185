//! Columns as the types they were written from.
//!
//! A value that does not read back was not written by us: that is a database error like any
//! other, named by its column.

use std::fmt::Display;
use std::str::FromStr;

use sqlx::any::AnyRow;
use sqlx::{Error, Row};

use crate::copy::Key;

/// The message format that letters are rebuilt as; a letter of another has 0.
pub(crate) const FORMAT: u32 = 1;

/// The key that a row of any table of the record begins with.
pub(crate) fn key(row: &AnyRow) -> Result<Key, Error> {
    Ok(Key {
        group: parsed(row, "group_name")?,
        tx_no: parsed(row, "tx_no")?,
        source: parsed(row, "source")?,
    })
}

/// A text column through its type's `FromStr`.
pub(crate) fn parsed<T>(row: &AnyRow, column: &str) -> Result<T, Error>
where
    T: FromStr,
    T::Err: Display,
{
    let text: String = row.try_get(column)?;
    text.parse().map_err(|error: T::Err| odd(column, &error))
}

/// The same for a column that may be NULL.
pub(crate) fn parsed_if_any<T>(row: &AnyRow, column: &str) -> Result<Option<T>, Error>
where
    T: FromStr,
    T::Err: Display,
{
    let text: Option<String> = row.try_get(column)?;
    let parse = |text: String| text.parse().map_err(|error: T::Err| odd(column, &error));
    text.map(parse).transpose()
}

/// A whole number that is never negative.
pub(crate) fn number<T: TryFrom<i64>>(row: &AnyRow, column: &str) -> Result<T, Error> {
    let number: i64 = row.try_get(column)?;
    T::try_from(number).map_err(|_| odd(column, &format!("{number} is out of range")))
}

/// The same for a column that may be NULL.
pub(crate) fn number_if_any<T: TryFrom<i64>>(
    row: &AnyRow,
    column: &str,
) -> Result<Option<T>, Error> {
    let number: Option<i64> = row.try_get(column)?;
    let narrow = |n: i64| T::try_from(n).map_err(|_| odd(column, &format!("{n} is out of range")));
    number.map(narrow).transpose()
}

fn odd(column: &str, why: &dyn Display) -> Error {
    Error::ColumnDecode {
        index: column.to_owned(),
        source: why.to_string().into(),
    }
}
