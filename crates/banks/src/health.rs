//! `/health`: whether a bank lives, and whether its database answers.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use database::{Database, DatabaseError};
use service::problem::Problem;

/// What a bank answers while its database is not there yet.
pub(crate) const AWAITS_DATABASE: &str = "waiting for the database; the log says which and why";

/// Both routes.
pub(crate) fn routes(database: Database) -> Router {
    Router::new()
        .route("/health/live", get(|| async { StatusCode::OK }))
        .route("/health/ready", get(ready))
        .with_state(database)
}

async fn ready(State(database): State<Database>) -> Result<StatusCode, Problem> {
    let asked = database.in_time(async {
        let mut read = database.read().await?;
        sqlx::query("SELECT 1").execute(&mut *read).await?;
        Ok::<_, DatabaseError>(())
    });
    match asked.await {
        Ok(()) => Ok(StatusCode::OK),
        Err(error) => {
            let reason = format!("database: {error}");
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, &reason)
                .with("reasons", serde_json::json!([reason])))
        }
    }
}
