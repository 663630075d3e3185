//! A transfer as bank1 was asked for it: checked, and turned into a notification and a business change.

use notification::api::bank1::TransferBody;
use notification::{BusinessKey, ContentType, EventType, Invalid, TxNo, yuan};
use producer::{Business, BusinessError, NewNotification};

use crate::account::{self, AccountError};
use crate::fact::{self, CONTENT_TYPE, EVENT_TYPE};
use crate::simulated::Simulated;

/// The longest account number; the column is as wide.
const LONGEST_ACCOUNT: usize = 32;

/// A transfer whose amount and accounts are well-formed. Whether they exist is found out inside the transaction.
#[derive(Debug, Clone)]
pub(crate) struct Order(TransferBody);

/// bank1's simulated failure: an error like any other, so that everything is rolled back.
#[derive(Debug, thiserror::Error)]
#[error("bank1 failed after the debit, as amount 3.00 makes it do in demo mode")]
pub(crate) struct SimulatedFailure;

impl Order {
    /// Checks what was asked for.
    pub(crate) fn new(fact: TransferBody) -> Result<Self, Invalid> {
        account::check_amount("amount_fen", fact.amount_fen)?;
        check_account("from_account", &fact.from_account)?;
        check_account("to_account", &fact.to_account)?;
        Ok(Self(fact))
    }

    pub(crate) fn tx_no(&self) -> TxNo {
        self.0.tx_no
    }

    pub(crate) fn amount_fen(&self) -> i64 {
        self.0.amount_fen
    }

    /// What bank2 is told. The same order gives the same notification, so a repeated one is recognised.
    pub(crate) fn notification(&self) -> Result<NewNotification, Invalid> {
        Ok(NewNotification {
            tx_no: self.0.tx_no,
            event_type: EventType::new(EVENT_TYPE)?,
            business_key: BusinessKey::new(format!("transfer {}", yuan(self.0.amount_fen)))?,
            content_type: ContentType::new(CONTENT_TYPE)?,
            endpoint: None,
            notify_url: None,
            traceparent: None,
            body: fact::to_body(&self.0),
        })
    }

    /// The change that commits with the notification, or not at all: the debit and the transfer's row.
    pub(crate) fn business(self, simulated: Option<Simulated>, now_ms: i64) -> Business {
        let Self(fact) = self;
        Box::new(move |tx| {
            Box::pin(async move {
                account::debit(tx, &fact.from_account, fact.amount_fen)
                    .await
                    .map_err(refused)?;
                sqlx::query(
                    "INSERT INTO transfer (tx_no, from_account, to_account, amount_fen, created_ms) VALUES (?, ?, ?, ?, ?)",
                )
                .bind(fact.tx_no.to_string())
                .bind(&fact.from_account)
                .bind(&fact.to_account)
                .bind(fact.amount_fen)
                .bind(now_ms)
                .execute(&mut **tx)
                .await?;
                if simulated == Some(Simulated::Bank1Fails) {
                    return Err(BusinessError::Refused(Box::new(SimulatedFailure)));
                }
                Ok(())
            })
        })
    }
}

fn refused(error: AccountError) -> BusinessError {
    match error {
        AccountError::Invalid(invalid) => BusinessError::Refused(Box::new(invalid)),
        AccountError::Database(error) => BusinessError::Database(error),
    }
}

fn check_account(field: &str, account: &str) -> Result<(), Invalid> {
    let fits = !account.is_empty()
        && account.len() <= LONGEST_ACCOUNT
        && account.chars().all(|c| c.is_ascii_alphanumeric());
    if fits {
        return Ok(());
    }
    Err(Invalid::new(
        field,
        account,
        format!("1 to {LONGEST_ACCOUNT} letters and digits"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(amount_fen: i64, from: &str) -> TransferBody {
        TransferBody {
            tx_no: TxNo::from_parts(1_700_000_000_000, [7; 10]),
            from_account: from.into(),
            to_account: "2".into(),
            amount_fen,
        }
    }

    #[test]
    fn the_business_key_is_what_an_operator_reads() {
        let order = Order::new(fact(1_234_500, "1")).unwrap();
        assert_eq!(
            order.notification().unwrap().business_key.as_str(),
            "transfer 12,345.00"
        );
    }

    #[test]
    fn amounts_and_accounts_are_checked_before_anything_is_sent() {
        assert_eq!(Order::new(fact(0, "1")).unwrap_err().field, "amount_fen");
        assert_eq!(
            Order::new(fact(-1000, "1")).unwrap_err().field,
            "amount_fen"
        );
        assert_eq!(
            Order::new(fact(i64::MAX, "1")).unwrap_err().field,
            "amount_fen"
        );
        assert_eq!(
            Order::new(fact(1000, "")).unwrap_err().field,
            "from_account"
        );
        assert_eq!(
            Order::new(fact(1000, "1; DROP TABLE")).unwrap_err().field,
            "from_account"
        );
    }
}
