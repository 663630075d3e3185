//! What operators and initiators ask the notifier: HTTP under `/v1`, behind a token.
//!
//! One list of routes ([`routes`]) makes both the router and the OpenAPI document. Before each
//! handler stands its gate: token, role, deadline. What an operator does is written down in the
//! transaction that does it. The bodies' types are in [`notification::api::notifier`], shared with
//! whoever asks. Health and the document need no token, and neither do
//! metrics unless the configuration says so.

mod attempts;
mod audit;
mod endpoints;
mod erasure;
mod export;
mod failure;
mod find;
mod gate;
mod health;
mod letter_actions;
mod letter_forward;
mod letter_jobs;
mod letters;
mod metrics;
mod notification_actions;
mod notification_list;
mod notifications;
mod openapi;
mod outcomes;
mod page;
mod pending;
mod repairs;
mod routes;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use notification::api::notifier::Role;
use notification::{EndpointId, Group, Topic};
use rocketmq::{Client, TransactionProducer};
use service::clock::Clock;
use service::metrics::Registered;
use tokio::sync::Notify;

use routes::{Route, delete, get, post};

use crate::config::{Destination, Scraping};
use crate::directory::Directory;
use crate::ladders::Ladders;
use crate::record::Record;
use crate::ring::Ringer;
use crate::tokens::Tokens;

/// What the handlers need.
#[derive(Debug, Clone)]
pub(crate) struct ApiState {
    pub record: Record,
    pub client: Client,
    pub tokens: Tokens,
    pub subscribed: Arc<[Subscribed]>,
    pub directory: Directory,
    /// For test notifications.
    pub ringer: Ringer,
    pub feed_lag: Duration,
    pub clock: Clock,
    /// Sends what the dead-letter topic lacks on its way there.
    pub producer: TransactionProducer,
    /// Wakes the relay of send requests.
    pub wake: Arc<Notify>,
    /// Wakes whoever carries jobs on dead letters.
    pub asked: Arc<Notify>,
    pub metrics: Registered,
    pub who_may_scrape: Scraping,
}

/// A subscription as the API shows it.
#[derive(Debug, Clone)]
pub(crate) struct Subscribed {
    pub group: Group,
    pub topic: Topic,
    pub endpoint: Destination,
    pub ladders: Ladders,
}

impl Subscribed {
    /// Whether all its messages go to this endpoint.
    pub(crate) fn names(&self, id: &EndpointId) -> bool {
        self.endpoint.one() == Some(id)
    }
}

/// The deadline of what reads very much at once: a million rows.
const LONG_READ: Duration = Duration::from_secs(30);

/// All routes, each with what the document says of it.
fn routes() -> Vec<Route> {
    let mut routes = vec![
        get("/health/live", health::live)
            .open()
            .says("Whether the process lives"),
        get("/health/ready", health::ready)
            .open()
            .says("Whether it can do its work; 503 with the reasons if not"),
        get("/v1/openapi.json", openapi::show)
            .open()
            .says("This document"),
        get("/v1/notifications", notification_list::page)
            .says("Notifications, the newest number first"),
        post("/v1/notifications/states", notifications::states)
            .needs(Role::Read)
            .says("Where many notifications stand"),
        get("/v1/notifications/{ending}", notifications::show)
            .says("One notification with its attempts and letters"),
        get("/v1/notifications/{ending}/attempts", attempts::page)
            .says("One notification's attempts, oldest first"),
        post(
            "/v1/notifications/{ending}/ring",
            notification_actions::ring,
        )
        .answers(StatusCode::ACCEPTED)
        .says("Bring a waiting notification's next attempt forward to now"),
        post(
            "/v1/notifications/{ending}/withdraw",
            notification_actions::withdraw,
        )
        .says("Give a notification up before its delivery"),
        delete("/v1/notifications/{ending}/content", erasure::erase)
            .says("Erase what others wrote about a notification; what became of it stays"),
        get("/v1/outcomes", outcomes::page).says("The feed that initiators read"),
        get("/v1/dead-letters", letters::page).says("Dead letters, oldest first"),
        get("/v1/dead-letters/export", export::page)
            .within(LONG_READ)
            .says("Whole dead letters with their bodies, oldest first, for files"),
        get("/v1/dead-letters/{ending}", letters::show).says("One dead letter with its body"),
        post("/v1/dead-letters/{ending}/resend", letter_actions::resend)
            .answers(StatusCode::ACCEPTED)
            .says("Send a dead letter anew, as a new generation"),
        post("/v1/dead-letters/{ending}/discard", letter_actions::discard)
            .says("Give a dead letter up"),
        post("/v1/dead-letters/{ending}/forward", letter_forward::forward)
            .answers(StatusCode::ACCEPTED)
            .says("Bring an open dead letter to the broker's dead-letter topic, which lacks it"),
        get("/v1/dead-letter-jobs", letter_jobs::list).says("Jobs on dead letters, newest first"),
        post("/v1/dead-letter-jobs", letter_jobs::begin)
            .within(LONG_READ)
            .answers(StatusCode::ACCEPTED)
            .says("Resend or discard all dead letters of a filter, at a rate"),
        post("/v1/dead-letter-jobs/dry-run", letter_jobs::dry_run)
            .needs(Role::Read)
            .within(LONG_READ)
            .says("What such a job would do"),
        get("/v1/dead-letter-jobs/{id}", letter_jobs::show)
            .within(LONG_READ)
            .says("One job: how far it is, what failed and why"),
        get("/v1/dead-letter-jobs/{id}/letters", letter_jobs::letters)
            .says("A job's letters, and what became of each"),
        post("/v1/dead-letter-jobs/{id}/stop", letter_jobs::stop).says("Stop a job"),
        post("/v1/dead-letter-jobs/{id}/resume", letter_jobs::resume)
            .says("Let a stopped or paused job go on where it stands"),
        get("/v1/pending", pending::show)
            .within(LONG_READ)
            .says("What is undelivered, by endpoint, the oldest first"),
        post("/v1/endpoints/{id}/repaired", repairs::repaired)
            .says("Say that a receiver works again, so that resends are not refused"),
        get("/v1/audit", audit::page).says("What operators did, newest first"),
        get("/v1/tokens", tokens::page).says("The tokens of this API, without their secrets"),
        post("/v1/tokens", tokens::add)
            .answers(StatusCode::CREATED)
            .says("Make a token; the answer is the only one that shows it"),
        post("/v1/tokens/{id}/revoke", tokens::revoke)
            .says("Revoke a token, by its id or its name; refused everywhere within two seconds"),
    ];
    routes.extend(endpoints::routes());
    routes
}

/// The router of all routes.
pub(crate) fn router(state: ApiState) -> Router {
    let page = metrics::route(&state);
    routes::router(routes(), state).merge(page)
}

/// The OpenAPI document of all routes.
pub(crate) fn document() -> serde_json::Value {
    openapi::document(&routes())
}

#[cfg(test)]
mod tests;
