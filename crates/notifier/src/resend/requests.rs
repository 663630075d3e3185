//! The rows behind resends: what is due, who sends it, and the letter it is made from.

use bytes::Bytes;
use database::DatabaseError;
use notification::{Envelope, Invalid, Notification, Undecodable};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use crate::copy::Key;
use crate::record::{columns, letters};
use crate::seal::{Sealer, Shut};

/// The most requests that are claimed at once.
pub(super) const AT_ONCE: usize = 64;

const DUE: &str = "SELECT group_name, tx_no, source, generation, next_send_ms FROM send_request \
     WHERE next_send_ms <= ? ORDER BY next_send_ms LIMIT 64";

const NEEDED: &str = "SELECT tx_no FROM notification \
     WHERE group_name = ? AND tx_no = ? AND source = ? \
     AND generation = ? AND state = 'waiting' AND seen = 0";

const CLAIM: &str = "UPDATE send_request SET next_send_ms = ?, sends = sends + 1 \
     WHERE group_name = ? AND tx_no = ? AND source = ? AND generation = ? AND next_send_ms = ?";

const PUT_OFF: &str = "UPDATE send_request SET next_send_ms = ? \
     WHERE group_name = ? AND tx_no = ? AND source = ? AND generation = ? AND next_send_ms = ?";

const FORGET: &str = "DELETE FROM send_request \
     WHERE group_name = ? AND tx_no = ? AND source = ? AND generation = ?";

const LETTER: &str = "SELECT topic, event_type, business_key, content_type, named_endpoint, \
     notify_url, traceparent, initiator_id, body, format FROM dead_letter \
     WHERE group_name = ? AND tx_no = ? AND source = ? AND generation = ?";

/// A resend that no record of the new generation has confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SendRequest {
    pub key: Key,
    /// The new one; the letter is of the one before.
    pub generation: u32,
    pub next_send_ms: i64,
}

/// The requests whose time has come, oldest first.
pub(super) async fn due(
    db: &mut AnyConnection,
    now_ms: i64,
) -> Result<Vec<SendRequest>, DatabaseError> {
    let rows = sqlx::query(DUE).bind(now_ms).fetch_all(&mut *db).await?;
    let requests = rows.iter().map(SendRequest::read);
    Ok(requests.collect::<Result<_, sqlx::Error>>()?)
}

impl SendRequest {
    fn read(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            key: columns::key(row)?,
            generation: columns::number(row, "generation")?,
            next_send_ms: row.try_get("next_send_ms")?,
        })
    }

    /// Whether no record of this generation exists yet and nothing made it needless.
    pub(super) async fn is_needed(&self, db: &mut AnyConnection) -> Result<bool, DatabaseError> {
        let row = self.keyed(NEEDED).fetch_optional(&mut *db).await?;
        Ok(row.is_some())
    }

    /// Takes the request until `until_ms`, unless another replica was quicker.
    pub(super) async fn claim(
        &self,
        db: &mut AnyConnection,
        until_ms: i64,
    ) -> Result<bool, DatabaseError> {
        let claimed = sqlx::query(CLAIM)
            .bind(until_ms)
            .bind(self.key.group.as_str())
            .bind(self.key.tx_no.to_string())
            .bind(self.key.source.as_str())
            .bind(i64::from(self.generation))
            .bind(self.next_send_ms)
            .execute(&mut *db)
            .await?;
        Ok(claimed.rows_affected() == 1)
    }

    /// As claimed before, it is due again at `at_ms`, unless a record has confirmed it meanwhile.
    pub(super) async fn put_off(
        &self,
        db: &mut AnyConnection,
        at_ms: i64,
    ) -> Result<(), DatabaseError> {
        sqlx::query(PUT_OFF)
            .bind(at_ms)
            .bind(self.key.group.as_str())
            .bind(self.key.tx_no.to_string())
            .bind(self.key.source.as_str())
            .bind(i64::from(self.generation))
            .bind(self.next_send_ms)
            .execute(&mut *db)
            .await?;
        Ok(())
    }

    /// It has done its work.
    pub(super) async fn forget(&self, db: &mut AnyConnection) -> Result<(), DatabaseError> {
        self.keyed(FORGET).execute(&mut *db).await?;
        Ok(())
    }

    /// The message to send, from the letter of the generation before.
    pub(crate) async fn letter(
        &self,
        db: &mut AnyConnection,
        sealer: &Sealer,
    ) -> Result<Option<Result<Envelope, Unsendable>>, DatabaseError> {
        let of = self.generation.saturating_sub(1);
        letter_as(db, sealer, &self.key, of, self.generation).await
    }

    fn keyed(
        &self,
        text: &'static str,
    ) -> sqlx::query::Query<'static, sqlx::Any, sqlx::any::AnyArguments> {
        sqlx::query(text)
            .bind(self.key.group.to_string())
            .bind(self.key.tx_no.to_string())
            .bind(self.key.source.to_string())
            .bind(i64::from(self.generation))
    }
}

/// The message of the letter of generation `of`, to be sent as `generation`.
pub(crate) async fn letter_as(
    db: &mut AnyConnection,
    sealer: &Sealer,
    key: &Key,
    of: u32,
    generation: u32,
) -> Result<Option<Result<Envelope, Unsendable>>, DatabaseError> {
    let row = sqlx::query(LETTER)
        .bind(key.group.as_str())
        .bind(key.tx_no.to_string())
        .bind(key.source.as_str())
        .bind(i64::from(of))
        .fetch_optional(&mut *db)
        .await?;
    let letter = row.map(|row| Letter::read(&row)).transpose()?;
    Ok(letter.map(|letter| letter.envelope(key, of, generation, sealer)))
}

/// Why a letter can't be sent again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsendable {
    #[error("it is of a format that this notifier could not read, or its content was erased")]
    OtherFormat,
    #[error("its body can't be read: {0}")]
    Sealed(#[from] Shut),
    #[error("it is not a notification: {0}")]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Undecodable(#[from] Undecodable),
}

/// A letter's columns, as they were received once.
struct Letter {
    topic: String,
    event_type: String,
    business_key: String,
    content_type: String,
    named_endpoint: Option<String>,
    notify_url: Option<String>,
    traceparent: Option<String>,
    initiator_id: String,
    body: Vec<u8>,
    format: u32,
}

impl Letter {
    fn read(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            topic: row.try_get("topic")?,
            event_type: row.try_get("event_type")?,
            business_key: row.try_get("business_key")?,
            content_type: row.try_get("content_type")?,
            named_endpoint: row.try_get("named_endpoint")?,
            notify_url: row.try_get("notify_url")?,
            traceparent: row.try_get("traceparent")?,
            initiator_id: row.try_get("initiator_id")?,
            body: row.try_get("body")?,
            format: columns::number(row, "format")?,
        })
    }

    /// The message anew, read back as whoever receives it will read it.
    fn envelope(
        mut self,
        key: &Key,
        of: u32,
        generation: u32,
        sealer: &Sealer,
    ) -> Result<Envelope, Unsendable> {
        if self.format != columns::FORMAT {
            return Err(Unsendable::OtherFormat);
        }
        let name = letters::name(key, of);
        self.body = sealer.open(self.body, &name)?;
        let message = self.rebuilt(key, generation)?.to_message();
        Ok(Envelope::decode(
            &message.topic,
            &message.properties,
            message.body,
        )?)
    }

    fn rebuilt(self, key: &Key, generation: u32) -> Result<Envelope, Invalid> {
        Ok(Envelope {
            notification: Notification {
                source: key.source.clone(),
                tx_no: key.tx_no,
                topic: self.topic.parse()?,
                event_type: self.event_type.parse()?,
                business_key: self.business_key.parse()?,
                content_type: self.content_type.parse()?,
                endpoint: self.named_endpoint.map(|id| id.parse()).transpose()?,
                notify_url: self.notify_url,
                traceparent: self.traceparent,
                body: Bytes::from(self.body),
            },
            initiator_id: self.initiator_id.parse()?,
            generation,
            for_group: Some(key.group.clone()),
        })
    }
}
