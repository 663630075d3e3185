//! A new secret, while the old ones go on signing for a while.
//!
//! Each attempt is signed when it is sent, with every secret that is in force then: what has been
//! asleep on the ladder for a day is signed like everything else.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use notification::api::endpoint::{EndpointMade, RotateRequest};
use notification::api::notifier::AuditAction;
use notification::{Secret, SigningSecret};
use service::extract::{Json, Path};
use service::problem::Problem;

use super::change::{editable, fresh_secret};
use super::{named, reason, redefine, shown};
use crate::api::ApiState;
use crate::api::failure::Failure;
use crate::config::{EndpointConfig, LONGEST_OVERLAP};
use crate::directory::table::{self, Change};
use crate::operator::Operator;

/// `POST /v1/endpoints/{id}/rotate-secret`.
pub(super) async fn rotate(
    State(state): State<ApiState>,
    operator: Operator,
    Path(id): Path<String>,
    Json(asked): Json<RotateRequest>,
) -> Result<Json<EndpointMade>, Failure> {
    let id = named(&id)?;
    let reason = reason(asked.reason.as_deref())?;
    let overlap = asked.overlap.as_deref().map(overlap).transpose()?;
    let (secret, made) = match asked.secret.as_deref() {
        Some(given) => (given_secret(given)?, None),
        None => {
            let secret = fresh_secret()?;
            let told = secret.expose();
            (secret, Some(told))
        }
    };
    let mut tx = state.record.database().begin().await?;
    let revision = table::next_revision(&mut tx).await?;
    let (row, mut config) = editable(&state, &mut tx, &id, None).await?;
    let now_ms = state.clock.now_ms();
    let overlap = overlap.unwrap_or(config.secret_overlap);
    put_first(&mut config, secret, overlap, now_ms)?;
    let change = Change {
        by: &operator.name,
        now_ms,
        revision,
    };
    let deed = (AuditAction::EndpointRotate, reason);
    let row = redefine(&state, &operator, tx, row, &config, deed, change).await?;
    let view = shown(&state, &id, Some(row))?;
    Ok(Json(EndpointMade { view, secret: made }))
}

/// The new one first; each old one until its end or the overlap's, whichever comes first.
fn put_first(
    config: &mut EndpointConfig,
    secret: Secret,
    overlap: Duration,
    now_ms: i64,
) -> Result<(), Problem> {
    let overlap_ms = service::clock::millis(overlap);
    let end_ms = now_ms.saturating_add(overlap_ms);
    let mut secrets = vec![SigningSecret::from(secret)];
    for mut old in std::mem::take(&mut config.secrets) {
        if old.secret == secrets[0].secret {
            let detail = "this secret signs already";
            return Err(Problem::new(StatusCode::CONFLICT, detail).field("secret"));
        }
        old.until_ms = Some(old.until_ms.map_or(end_ms, |until_ms| until_ms.min(end_ms)));
        if old.signs_at(now_ms) {
            secrets.push(old);
        }
    }
    SigningSecret::check(&secrets, "secrets").map_err(|invalid| {
        let detail = format!("{} secrets would sign at a time", invalid.value);
        let limit = format!(
            "{}: wait for the overlap of an older one to end, or give a shorter one",
            invalid.limit
        );
        Problem::new(StatusCode::CONFLICT, detail).limit(limit)
    })?;
    config.secrets = secrets;
    Ok(())
}

fn overlap(text: &str) -> Result<Duration, Problem> {
    let limit = "0s to 30d, such as 24h";
    match humantime::parse_duration(text) {
        Ok(overlap) if overlap <= LONGEST_OVERLAP => Ok(overlap),
        _ => {
            let detail = format!("overlap: {text:?} is refused");
            Err(Problem::invalid("overlap", detail, limit))
        }
    }
}

/// The error repeats nothing of it.
fn given_secret(text: &str) -> Result<Secret, Problem> {
    text.parse().map_err(|invalid: notification::Invalid| {
        Problem::invalid("secret", "the secret is refused", invalid.limit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> Secret {
        Secret::from_bytes(&[byte; 32]).unwrap()
    }

    fn config() -> EndpointConfig {
        let given = serde_json::json!({
            "id": "m1", "url": "https://m1.example", "secrets": [secret(1).expose()],
        });
        serde_json::from_value(given).unwrap()
    }

    fn ends(config: &EndpointConfig) -> Vec<Option<i64>> {
        config
            .secrets
            .iter()
            .map(|secret| secret.until_ms)
            .collect()
    }

    #[test]
    fn the_old_ones_sign_until_the_overlap_or_their_own_earlier_end() {
        let mut config = config();
        let hour = Duration::from_secs(3600);
        put_first(&mut config, secret(2), hour, 1_000).unwrap();
        assert_eq!(config.secrets[0].secret, secret(2));
        assert_eq!(ends(&config), [None, Some(3_601_000)]);
        put_first(&mut config, secret(3), hour * 2, 2_000).unwrap();
        assert_eq!(ends(&config), [None, Some(7_202_000), Some(3_601_000)]);
        // What has ended by now is gone.
        put_first(&mut config, secret(4), hour, 3_601_000).unwrap();
        assert_eq!(ends(&config), [None, Some(7_201_000), Some(7_201_000)]);
    }

    #[test]
    fn without_an_overlap_the_old_ones_end_at_once() {
        let mut config = config();
        put_first(&mut config, secret(2), Duration::ZERO, 1_000).unwrap();
        assert_eq!(ends(&config), [None]);
    }

    #[test]
    fn the_same_secret_again_and_too_many_at_a_time_are_refused() {
        let mut config = config();
        let hour = Duration::from_secs(3600);
        assert!(put_first(&mut config.clone(), secret(1), hour, 0).is_err());
        for byte in 2..=8 {
            put_first(&mut config, secret(byte), hour, 0).unwrap();
        }
        let refused = put_first(&mut config, secret(9), hour, 0).unwrap_err();
        assert_eq!(refused.status(), StatusCode::CONFLICT);
    }

    #[test]
    fn an_overlap_is_a_span_of_at_most_a_month() {
        assert_eq!(overlap("24h").unwrap(), Duration::from_secs(86_400));
        for bad in ["", "soon", "31d"] {
            assert!(overlap(bad).is_err(), "{bad}");
        }
    }
}
