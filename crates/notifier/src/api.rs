//! What operators and initiators ask the notifier: HTTP under `/v1`, behind the operator token.
//!
//! A notification with its attempts, the outcome feed, dead letters and what to do about them.
//! The bodies' types are in [`notification::api::notifier`], shared with whoever asks. Health is
//! outside of `/v1` and needs no token.

mod audit;
mod endpoints;
mod failure;
mod find;
mod gate;
mod health;
mod last_answers;
mod letter_actions;
mod letter_id;
mod letters;
mod notifications;
mod outcomes;
mod page;
mod repairs;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware;
use axum::routing::{get, post};
use notification::api::notifier::Role;
use notification::{EndpointId, Group, Topic};
use rocketmq::Client;
use service::clock::Clock;
use tokio::sync::Notify;

use gate::Gate;

use crate::config::Destination;
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
    /// Wakes the relay of send requests.
    pub wake: Arc<Notify>,
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

/// All routes.
pub(crate) fn router(state: ApiState) -> Router {
    let gate = |needs, within| {
        let gate = Gate {
            tokens: state.tokens.clone(),
            needs,
            within,
        };
        middleware::from_fn_with_state(gate, gate::pass)
    };
    let read = Router::new()
        .route("/notifications/states", post(notifications::states))
        .route("/notifications/{ending}", get(notifications::show))
        .route("/outcomes", get(outcomes::page))
        .route("/dead-letters", get(letters::page))
        .route("/dead-letters/{ending}", get(letters::show))
        .route("/audit", get(audit::page))
        .route("/tokens", get(tokens::page))
        .merge(endpoints::reading())
        .route_layer(gate(Role::Read, gate::DEADLINE));
    let operate = Router::new()
        .route(
            "/dead-letters/{ending}/resend",
            post(letter_actions::resend),
        )
        .route(
            "/dead-letters/{ending}/discard",
            post(letter_actions::discard),
        )
        .route("/endpoints/{id}/repaired", post(repairs::repaired))
        .route("/tokens", post(tokens::add))
        .route("/tokens/{id}/revoke", post(tokens::revoke))
        .merge(endpoints::changing())
        .route_layer(gate(Role::Operate, gate::DEADLINE));
    let ring = endpoints::ringing().route_layer(gate(Role::Operate, endpoints::LONGEST_TEST));
    Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .nest("/v1", read.merge(operate).merge(ring))
        .with_state(state)
}
