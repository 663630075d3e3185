//! Transfers to send, the business change that goes with them, and what became of them.

use bytes::Bytes;
use database::{Database, Tx};
use notification::{
    BusinessKey, BusinessState, ContentType, EventType, Notification, Source, Topic, TxNo, api,
};
use producer::{Business, BusinessError, Initiator, NewNotification};

use crate::stage::{SOURCE, TOPIC};

/// A fresh number of the present.
pub(crate) fn fresh() -> TxNo {
    let now_ms = u64::try_from(service::clock::now_ms()).expect("after 1970");
    TxNo::from_parts(now_ms, std::array::from_fn(|_| fastrand::u8(..)))
}

/// A transfer of 10.00.
pub(crate) fn transfer(tx_no: TxNo) -> NewNotification {
    transfer_of(tx_no, 1_000)
}

pub(crate) fn transfer_of(tx_no: TxNo, amount_fen: i64) -> NewNotification {
    NewNotification {
        tx_no,
        event_type: EventType::new("transfer").expect("an event type"),
        business_key: BusinessKey::new("transfer").expect("a key"),
        content_type: ContentType::new("application/json").expect("a type"),
        endpoint: None,
        notify_url: None,
        traceparent: None,
        body: Bytes::from(format!("{{\"amount_fen\":{amount_fen}}}")),
    }
}

pub(crate) fn whole(new: &NewNotification) -> Notification {
    Notification {
        source: Source::new(SOURCE).expect("a source"),
        topic: Topic::new(TOPIC).expect("a topic"),
        tx_no: new.tx_no,
        event_type: new.event_type.clone(),
        business_key: new.business_key.clone(),
        content_type: new.content_type.clone(),
        endpoint: None,
        notify_url: None,
        traceparent: None,
        body: new.body.clone(),
    }
}

/// The business change: one line in the ledger.
pub(crate) fn debit(tx_no: TxNo) -> Business {
    Box::new(move |tx| Box::pin(write(tx, tx_no)))
}

/// The same change, which is then refused.
pub(crate) fn debit_and_refuse(tx_no: TxNo) -> Business {
    Box::new(move |tx| {
        Box::pin(async move {
            write(tx, tx_no).await?;
            Err(BusinessError::Refused("the account is closed".into()))
        })
    })
}

pub(crate) async fn write(tx: &mut Tx, tx_no: TxNo) -> Result<(), BusinessError> {
    sqlx::query("INSERT INTO ledger (tx_no, amount_fen) VALUES (?, 1000)")
        .bind(tx_no.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// How often the business change of that number was made.
pub(crate) async fn debits(database: &Database, tx_no: &TxNo) -> i64 {
    let mut connection = database.read().await.expect("a connection");
    sqlx::query_scalar("SELECT COUNT(*) FROM ledger WHERE tx_no = ?")
        .bind(tx_no.to_string())
        .fetch_one(&mut *connection)
        .await
        .expect("the ledger is read")
}

/// What the result API says.
pub(crate) async fn result(initiator: &Initiator, tx_no: &TxNo) -> api::ResultView {
    initiator.result(tx_no).await.expect("the result is read")
}

pub(crate) async fn state(initiator: &Initiator, tx_no: &TxNo) -> BusinessState {
    result(initiator, tx_no).await.state
}
