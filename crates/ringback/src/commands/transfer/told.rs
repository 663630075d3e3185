//! How a transfer ended, with what is known by then.

use notification::TxNo;
use notification::api::bank1::TookMs;
use notification::api::notifier::NotificationView;
use serde::Serialize;

/// What `--json` writes.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) tx_no: TxNo,
    pub(super) from_account: String,
    pub(super) to_account: String,
    pub(super) amount_fen: i64,
    /// `committed`, `delivered`, `dead`, `rolled_back`, `unknown` or `still_trying`.
    pub(super) result: &'static str,
    pub(super) took_ms: Option<TookMs>,
    pub(super) checked_by: Option<String>,
    pub(super) notification: Option<NotificationView>,
}

/// How it ended, with what is known by then.
pub(super) struct Told {
    pub(super) result: &'static str,
    pub(super) text: String,
    pub(super) checked_by: Option<String>,
    pub(super) notification: Option<NotificationView>,
}

impl Told {
    pub(super) fn new(result: &'static str, text: impl Into<String>) -> Self {
        Self {
            result,
            text: text.into(),
            checked_by: None,
            notification: None,
        }
    }
}
