//! `GET /metrics`: what was counted, for Prometheus.

use axum::Router;
use axum::extract::State;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use notification::api::notifier::Role;

use super::ApiState;
use super::gate::{self, Gate};
use crate::config::Scraping;

/// The page's route, for whoever may scrape. It is apart from the list of routes, whose answers are
/// JSON and the same for every configuration.
pub(super) fn route(state: &ApiState) -> Router {
    let page = get(page);
    let page = match state.who_may_scrape {
        Scraping::Open => page,
        Scraping::Token => {
            let gate = Gate {
                tokens: state.tokens.clone(),
                needs: Role::Read,
                within: gate::DEADLINE,
            };
            page.route_layer(middleware::from_fn_with_state(gate, gate::pass))
        }
        Scraping::Off => return Router::new(),
    };
    Router::new()
        .route("/metrics", page)
        .with_state(state.clone())
}

/// The page. It asks nobody: neither the database nor the broker.
async fn page(State(state): State<ApiState>) -> Response {
    state.metrics.into_response()
}
