//! The initiator's side: a business change and the notification that tells of it, both or neither.
//!
//! [`Initiator::send_in_transaction`] sends a half message, then commits the `outgoing` row and the
//! business change in one local transaction, then ends the half message. Each of these may be cut
//! short at any instruction, so three watchers work from the committed rows alone: the `checker`
//! answers the broker's check-backs (and fences what is unknown), the `feed` reader learns what the
//! notifier has accepted, and the [`relay`] sends anew what it has not.
//!
//! The invariant: a notification becomes visible if and only if its row committed. It breaks if
//! anything is said to the broker that the database has not confirmed, if the row is not the first
//! statement of the transaction, or if "accepted" is taken from anywhere but the feed.
//!
//! Read in this order: `answer` (what goes in and out), `sending`, `local` (the transaction),
//! `outgoing` (the table), `checker`, `feed` and `position`, `groups` and `lost` (what the feed does),
//! `relay`, `due` and `anew`, `results`.

mod anew;
mod answer;
mod checker;
mod config;
mod due;
mod feed;
mod groups;
mod identity;
mod initiator;
mod lasting;
mod local;
mod lost;
mod metrics;
mod outgoing;
mod position;
pub mod relay;
mod results;
mod retention;
mod sending;
mod steps;

pub use answer::{Business, BusinessError, NewNotification, SendError, SendOutcome, Took};
pub use config::{Config, Token};
pub use initiator::{Initiator, MIGRATIONS};
pub use metrics::metrics_routes;
pub use results::result_routes;
/// How the broker is reached; what composes a service needs no second crate for it.
pub use rocketmq::ClientConfig as BrokerAccess;
pub use steps::{CommitFate, NoSteps, Step, Steps};
