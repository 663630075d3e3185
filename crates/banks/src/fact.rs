//! What bank1 tells bank2: the body of a notification, byte for byte what the signature covers.
//!
//! There is no clock in it, so that the same transfer asked for twice gives the same bytes and the same hash.

use bytes::Bytes;
use notification::Invalid;
use notification::api::bank1::TransferBody;

/// The event type of a transfer.
pub const EVENT_TYPE: &str = "transfer";
/// The body's media type.
pub const CONTENT_TYPE: &str = "application/json";

/// The bytes to send.
pub fn to_body(fact: &TransferBody) -> Bytes {
    let json = serde_json::to_vec(fact).expect("two strings and two numbers are always JSON");
    Bytes::from(json)
}

/// Reads the bytes received.
///
/// # Errors
/// Names `body`: it is not such a fact.
pub fn from_body(body: &[u8]) -> Result<TransferBody, Invalid> {
    serde_json::from_slice(body).map_err(|error| {
        let limit =
            format!("{{\"tx_no\",\"from_account\",\"to_account\",\"amount_fen\"}}: {error}");
        Invalid::new("body", String::from_utf8_lossy(body), limit)
    })
}

#[cfg(test)]
mod tests {
    use notification::TxNo;

    use super::*;

    #[test]
    fn the_same_transfer_has_the_same_bytes_and_they_read_back() {
        let fact = TransferBody {
            tx_no: TxNo::from_parts(1_700_000_000_000, [7; 10]),
            from_account: "1".into(),
            to_account: "2".into(),
            amount_fen: 1000,
        };
        assert_eq!(to_body(&fact), to_body(&fact.clone()));
        let text = String::from_utf8(to_body(&fact).to_vec()).unwrap();
        assert!(
            text.ends_with(r#""from_account":"1","to_account":"2","amount_fen":1000}"#),
            "{text}"
        );
        assert_eq!(from_body(&to_body(&fact)).unwrap(), fact);
    }

    #[test]
    fn a_body_that_is_no_transfer_is_refused_by_name() {
        let error = from_body(b"{\"tx_no\":1}").unwrap_err();
        assert_eq!(error.field, "body");
    }
}
