//! The notifier: from the broker to the receiver's HTTP API, and back to the broker.
//!
//! Read the modules in this order, it is the way a message goes. `receive` takes batches from a
//! consumer group, each message under a permit and a lease, and decodes them into copies.
//! `record` is read once for a batch, and `decide` says what each copy calls for. `lane`
//! bounds what waits for one endpoint (`rate` and `breaker` are its rules, `parking` says when what it
//! turns away comes back), `ring` sends the signed POST, `verdict` says what the
//! attempt means, `record` again makes it durable (one transaction for up to 256 results), and
//! only then `settle` tells the broker. `carry` is that way as one function, for one copy.
//!
//! Beside it: `letters` is what operators do about dead letters, one or many, `resend` sends those
//! that live again, `overdue` finds what sleeps too long, `dlq` finds what the broker moved to
//! its dead-letter topics by itself, `api` is what operators ask through, `metrics` what is counted, and `alarm` lists every event that should wake somebody.
//!
//! The invariant: nothing is settled before its attempt is on record, and what is on record as
//! delivered is not rung again. If the record store is down, results wait under the permits that
//! their messages hold, receiving stops for want of permits, and nothing is dropped.

mod receive;

mod copy;
mod decide;
mod in_hand;

mod record;

mod carry;

mod breaker;
mod lane;
mod parking;
mod rate;

mod ring;

mod verdict;

mod settle;

mod resend;

mod dlq;

mod api;

mod alarm;
mod audit;
mod backoff;
mod cipher;
mod config;
mod directory;
mod egress;
mod endpoint;
mod failing;
mod inspect;
mod ladders;
mod lateness;
mod letters;
mod metrics;
mod oldest;
mod operator;
mod overdue;
mod retention;
mod run;
mod seal;
mod sealing;
mod store_health;
mod tokens;
mod whither;

pub use config::{
    AddressRange, Basic, BreakerConfig, BreakerRule, Config, Destination, EgressConfig,
    EgressRules, EndpointConfig, Filter, GoneRule, Headers, Hidden, OperatorToken, Pattern, Ports,
    ProxySetting, Scheme, Scraping, Settings, SubscriptionConfig, TowardsTls, UrlPattern,
};
pub use inspect::{LetterOnRecord, letters_on_record};
pub use rate::RateLimit;
pub use record::MIGRATIONS;
pub use run::run;
pub use seal::{Bodies, Excerpts};
pub use whither::{Nowhere, whither};
