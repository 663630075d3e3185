//! Making, changing and taking away endpoints of the table.
//!
//! Each is one transaction: whoever is killed in the middle of it has changed nothing.

use axum::extract::State;
use axum::http::StatusCode;
use database::Tx;
use notification::api::endpoint::{
    EndpointAction, EndpointChange, EndpointMade, EndpointView, NewEndpoint,
};
use notification::api::notifier::AuditAction;
use notification::{EndpointId, Invalid, Operation, Secret, SigningSecret};
use serde_json::{Map, Value, json};
use service::extract::{Json, Path, Query};
use service::problem::Problem;

use super::{defined_in_file, named, reason, redefine, shown, tell, unknown};
use crate::api::ApiState;
use crate::api::failure::Failure;
use crate::config::EndpointConfig;
use crate::directory::settings;
use crate::directory::table::{self, Change, Row};
use crate::operator::Operator;

/// As long as SHA-256's output, as Standard Webhooks advises.
const SECRET_BYTES: usize = 32;

/// `POST /v1/endpoints`.
pub(super) async fn create(
    State(state): State<ApiState>,
    operator: Operator,
    Json(asked): Json<NewEndpoint>,
) -> Result<(StatusCode, Json<EndpointMade>), Failure> {
    let reason = reason(asked.reason.as_deref())?;
    let mut config = read(asked.endpoint)?;
    let mut made = None;
    if config.secrets.is_empty() && config.secrets_file.is_none() {
        let secret = fresh_secret()?;
        made = Some(secret.expose());
        config.secrets.push(SigningSecret::from(secret));
    }
    check(&state, &config)?;
    let id = config.id.clone();
    let defined = settings::define(&config, state.directory.sealing())?;
    let mut tx = state.record.database().begin().await?;
    let revision = table::next_revision(&mut tx).await?;
    refuse_twice(&state, &mut tx, &id).await?;
    let now_ms = state.clock.now_ms();
    let change = Change {
        by: &operator.name,
        now_ms,
        revision,
    };
    let row = Row {
        id: id.clone(),
        defined: Some(defined),
        operation: Operation::Open,
        operation_ms: now_ms,
        operation_by: None,
        operation_reason: None,
        revision,
        created_ms: now_ms,
        created_by: operator.name.clone(),
        updated_ms: now_ms,
        updated_by: operator.name.clone(),
    };
    table::insert(&mut tx, &row).await?;
    let deed = (AuditAction::EndpointAdd, &id);
    tell(&mut tx, &operator, deed, reason, change).await?;
    tx.commit().await?;
    state.directory.changed_here().notify_one();
    let view = shown(&state, &id, Some(row))?;
    Ok((
        StatusCode::CREATED,
        Json(EndpointMade { view, secret: made }),
    ))
}

/// 409 if there is one of this id. What an endpoint that once stood in a file left behind makes way.
async fn refuse_twice(state: &ApiState, tx: &mut Tx, id: &EndpointId) -> Result<(), Failure> {
    if state.directory.in_file(id).is_some() {
        return Err(defined_in_file(id).into());
    }
    match table::one(tx, id).await? {
        Some(Row {
            defined: Some(_), ..
        }) => {
            let detail = format!("there is an endpoint {id} already");
            Err(Problem::new(StatusCode::CONFLICT, detail).into())
        }
        Some(_) => Ok(table::remove(tx, id).await?),
        None => Ok(()),
    }
}

/// `PATCH /v1/endpoints/{id}`.
pub(super) async fn edit(
    State(state): State<ApiState>,
    operator: Operator,
    Path(id): Path<String>,
    Json(asked): Json<EndpointChange>,
) -> Result<Json<EndpointView>, Failure> {
    let id = named(&id)?;
    let reason = reason(asked.reason.as_deref())?;
    if asked.endpoint.contains_key("secrets") {
        let detail = "secrets are not edited: they are rotated";
        let limit = "POST /v1/endpoints/{id}/rotate-secret";
        return Err(Problem::invalid("endpoint.secrets", detail, limit).into());
    }
    if asked
        .endpoint
        .get("id")
        .is_some_and(|given| given != id.as_str())
    {
        let detail = "an endpoint keeps its id";
        return Err(Problem::invalid("endpoint.id", detail, id.as_str()).into());
    }
    refuse_unknown(&asked.endpoint)?;
    let mut tx = state.record.database().begin().await?;
    let revision = table::next_revision(&mut tx).await?;
    let (row, config) = editable(&state, &mut tx, &id, asked.revision).await?;
    let merged = merge(
        settings::whole(&config).map_err(settings::Unusable::from)?,
        asked.endpoint,
    );
    let config = read(merged)?;
    check(&state, &config)?;
    let now_ms = state.clock.now_ms();
    let change = Change {
        by: &operator.name,
        now_ms,
        revision,
    };
    let deed = (AuditAction::EndpointEdit, reason);
    let row = redefine(&state, &operator, tx, row, &config, deed, change).await?;
    Ok(Json(shown(&state, &id, Some(row))?))
}

/// An endpoint of the table with its settings in clear; 404, or 409 if it is the file's or not at
/// the revision that the caller has seen.
pub(super) async fn editable(
    state: &ApiState,
    tx: &mut Tx,
    id: &EndpointId,
    seen: Option<i64>,
) -> Result<(Row, EndpointConfig), Failure> {
    if state.directory.in_file(id).is_some() {
        return Err(defined_in_file(id).into());
    }
    let row = table::one(tx, id).await?.ok_or_else(|| unknown(id))?;
    let defined = row.defined.as_ref().ok_or_else(|| unknown(id))?;
    if let Some(seen) = seen.filter(|seen| *seen != row.revision) {
        let detail = format!(
            "endpoint {id} is at revision {} by now, not at {seen}",
            row.revision
        );
        let problem = Problem::new(StatusCode::CONFLICT, detail).field("revision");
        return Err(problem.limit("look at it again").into());
    }
    let config = settings::open(id, defined, state.directory.sealing())?;
    Ok((row, config))
}

/// `DELETE /v1/endpoints/{id}`.
pub(super) async fn remove(
    State(state): State<ApiState>,
    operator: Operator,
    Path(id): Path<String>,
    Query(asked): Query<EndpointAction>,
) -> Result<StatusCode, Failure> {
    let id = named(&id)?;
    let reason = reason(asked.reason.as_deref())?;
    if state.directory.in_file(&id).is_some() {
        return Err(defined_in_file(&id).into());
    }
    if let Some(subscribed) = state.subscribed.iter().find(|one| one.names(&id)) {
        let group = &subscribed.group;
        let detail =
            format!("subscription {group} names endpoint {id}: its messages would be parked");
        let limit = "disable it, or take the subscription away first";
        return Err(Problem::new(StatusCode::CONFLICT, detail)
            .limit(limit)
            .into());
    }
    let mut tx = state.record.database().begin().await?;
    let revision = table::next_revision(&mut tx).await?;
    let row = table::one(&mut tx, &id).await?;
    if row.is_none_or(|row| row.defined.is_none()) {
        return Err(unknown(&id).into());
    }
    table::remove(&mut tx, &id).await?;
    let now_ms = state.clock.now_ms();
    let change = Change {
        by: &operator.name,
        now_ms,
        revision,
    };
    let deed = (AuditAction::EndpointRemove, &id);
    tell(&mut tx, &operator, deed, reason, change).await?;
    tx.commit().await?;
    state.directory.changed_here().notify_one();
    Ok(StatusCode::NO_CONTENT)
}

/// A null takes a setting away; one with a slip in its name would be left as it is, without a word.
fn refuse_unknown(patch: &Map<String, Value>) -> Result<(), Problem> {
    for (key, value) in patch.iter().filter(|(_, value)| value.is_null()) {
        let alone = json!({ key.as_str(): value });
        let refused = serde_json::from_value::<EndpointConfig>(alone);
        let refused = refused.err().map(|error| error.to_string());
        if let Some(detail) = refused.filter(|detail| detail.starts_with("unknown field")) {
            let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
            return Err(problem.field(format!("endpoint.{key}")));
        }
    }
    Ok(())
}

/// Settings as the types have them.
fn read(settings: Map<String, Value>) -> Result<EndpointConfig, Problem> {
    serde_path_to_error::deserialize(Value::Object(settings)).map_err(|error| {
        let path = error.path().to_string();
        let message = error.into_inner().to_string();
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, &message);
        let quoted = message.split('`').nth(1);
        match (path.as_str(), quoted) {
            (".", Some(field)) => problem.field(format!("endpoint.{field}")),
            (".", None) => problem.field("endpoint"),
            (path, _) => problem.field(format!("endpoint.{path}")),
        }
    })
}

/// Refuses what could not be used, and files: they are the notifier's own, and whoever may change
/// an endpoint could have them sent to an address of his choice.
fn check(state: &ApiState, config: &EndpointConfig) -> Result<(), Problem> {
    if let Some(key) = config.names_files() {
        let detail = format!("{key}: the name of a file is refused here");
        let limit = "files are for the endpoints of ringback.toml: send the content";
        return Err(Problem::invalid(format!("endpoint.{key}"), detail, limit));
    }
    config.check().map_err(|invalid| refused(&invalid))?;
    let tried = state.directory.try_out(config);
    tried.map(drop).map_err(|invalid| refused(&invalid))
}

/// 422 for a setting: its field without the words that a configuration's complaint begins with.
pub(super) fn refused(invalid: &Invalid) -> Problem {
    let field = match invalid.field.rsplit_once(": ") {
        Some((_, field)) => format!("endpoint.{field}"),
        None => invalid.field.clone(),
    };
    let detail = format!("{field}: {:?} is refused", invalid.value);
    Problem::invalid(field, detail, invalid.limit.clone())
}

/// A JSON merge patch: <https://www.rfc-editor.org/rfc/rfc7396>.
fn merge(mut onto: Map<String, Value>, patch: Map<String, Value>) -> Map<String, Value> {
    for (key, value) in patch {
        match (value, onto.remove(&key)) {
            (Value::Null, _) => {}
            (Value::Object(patch), Some(Value::Object(below))) => {
                onto.insert(key, Value::Object(merge(below, patch)));
            }
            (Value::Object(patch), _) => {
                onto.insert(key, Value::Object(merge(Map::new(), patch)));
            }
            (value, _) => {
                onto.insert(key, value);
            }
        }
    }
    onto
}

/// A secret that nobody has seen yet.
pub(super) fn fresh_secret() -> Result<Secret, Problem> {
    Secret::from_bytes(&service::ids::random::<SECRET_BYTES>()).map_err(|invalid| refused(&invalid))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_patch_changes_what_it_names_and_takes_away_what_it_nulls() {
        let onto = map(json!({"url": "a", "headers": {"x": "1", "y": "2"}, "ladder": "1s"}));
        let patch = map(json!({"url": "b", "headers": {"x": null, "z": "3"}, "ladder": null}));
        let merged = json!({"url": "b", "headers": {"y": "2", "z": "3"}});
        assert_eq!(Value::Object(merge(onto, patch)), merged);
        // What is not there yet is made without the nulls.
        let made = merge(Map::new(), map(json!({"headers": {"x": null, "y": "1"}})));
        assert_eq!(Value::Object(made), json!({"headers": {"y": "1"}}));
    }

    #[test]
    fn what_is_taken_away_has_to_be_a_setting() {
        assert!(refuse_unknown(&map(json!({"ladder": null, "url": null, "x": 1}))).is_ok());
        let refused = refuse_unknown(&map(json!({"concurency": null}))).unwrap_err();
        let refused = serde_json::to_value(refused).unwrap();
        assert_eq!(refused["field"], "endpoint.concurency");
    }

    #[test]
    fn what_is_wrong_is_named_by_its_path() {
        let field = |value: Value| {
            let problem = serde_json::to_value(read(map(value)).unwrap_err()).unwrap();
            problem["field"].as_str().unwrap().to_owned()
        };
        assert_eq!(field(json!({"id": "m1"})), "endpoint.url");
        assert_eq!(
            field(json!({"id": "m1", "url": "x", "urll": 1})),
            "endpoint.urll"
        );
        assert_eq!(
            field(json!({"id": "m1", "url": "x", "timeout": "soon"})),
            "endpoint.timeout"
        );
        assert_eq!(field(json!({"id": "m 1", "url": "x"})), "endpoint.id");
    }

    #[test]
    fn a_complaint_of_the_configuration_loses_its_first_words() {
        let invalid = Invalid::new("endpoint m1: url", "ftp://x", "http://");
        let problem = serde_json::to_value(refused(&invalid)).unwrap();
        assert_eq!(problem["field"], "endpoint.url");
        assert_eq!(problem["detail"], "endpoint.url: \"ftp://x\" is refused");
        assert_eq!(problem["limit"], "http://");
    }
}
