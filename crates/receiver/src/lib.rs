//! What a receiver needs: to know who speaks, and to apply each notification once.
//!
//! [`verify`] takes a request's headers and body and says which configured source signed it, so
//! that the name under which a receiver keeps a secret, never a header, tells who speaks.
//! [`Inbox::apply_once`] inserts the notification's number and runs the business change in one
//! transaction, so that however often the notifier rings, the change happens once.
//!
//! The invariant: a row in `inbox` with state `applied` exists if and only if its business change
//! is committed. What was refused leaves no row, and may be sent again.

mod inbox;
mod verify;

pub use inbox::{BusinessError, BusinessFuture, Inbox, InboxError, RETENTION};
pub use notification::Applied;
pub use verify::{SourceKeys, TOLERANCE_S, Unverified, Verified, verify};

/// The receiver's table. A receiver with tables of its own migrates both sets in one database.
pub const MIGRATIONS: database::Migrations = database::Migrations {
    name: "receiver",
    files: &[(
        1,
        "inbox",
        include_str!("../../../sql/receiver/0001_inbox.sql"),
    )],
};
