//! The OpenAPI 3.1 document, made from the list of routes.
//!
//! Its schemas are JSON Schema 2020-12, which is OpenAPI 3.1's own, generated from the types that
//! cross HTTP. It is written down in `docs/openapi.json` too, and a test compares the two.

use std::sync::LazyLock;

use notification::api;
use notification::api::notifier::Role;
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use service::extract::Json;
use service::problem::Problem;

use super::routes::Route;

/// What a handler's types say of it, while they say it.
pub(super) struct Sheet<'a> {
    schemas: &'a mut SchemaGenerator,
    parameters: Vec<Value>,
    body: Option<Value>,
    answer: Option<Value>,
}

impl Sheet<'_> {
    /// The query string: a parameter for each of the type's fields.
    pub(super) fn query<T: JsonSchema>(&mut self) {
        let schema = T::json_schema(self.schemas).to_value();
        let required: Vec<&str> = schema["required"]
            .as_array()
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let mut field = never_null(field.clone());
            let description = field
                .as_object_mut()
                .and_then(|field| field.remove("description"));
            self.parameters.push(json!({
                "name": name, "in": "query", "required": required.contains(&name.as_str()),
                "description": description, "schema": field,
            }));
        }
    }

    /// The body.
    pub(super) fn body<T: JsonSchema>(&mut self) {
        let schema = self.schemas.subschema_for::<T>();
        self.body = Some(
            json!({ "required": true, "content": { "application/json": { "schema": schema } } }),
        );
    }

    /// The answer's body.
    pub(super) fn answer<T: JsonSchema>(&mut self) {
        let schema = self.schemas.subschema_for::<T>();
        self.answer = Some(json!({ "application/json": { "schema": schema } }));
    }
}

/// `GET /v1/openapi.json`.
pub(super) async fn show() -> Result<Json<Value>, Problem> {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(super::document);
    Ok(Json(DOCUMENT.clone()))
}

/// The document as a whole.
pub(super) fn document(routes: &[Route]) -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut schemas = settings.into_generator();
    let problem = schemas.subschema_for::<api::Problem>();
    let problem = json!({ "application/problem+json": { "schema": problem } });
    let mut paths = Map::new();
    for route in routes {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method] = operation(route, &mut schemas);
    }
    let refusal = |description: &str| json!({ "description": description, "content": problem });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Ringback's notifier",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": "Times that end in `_ms` are UTC milliseconds since 1970, spans are named \
                `took_ms` or end in `_for_ms`. Every answer has an `x-request-id`: the request's own, or a fresh one.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": { "token": {
                "type": "http", "scheme": "bearer",
                "description": "`rbt_<id>_<secret>`, or the token in the notifier's data folder. A token has \
                    the role `read` or `operate`; `operate` includes `read`.",
            } },
            "responses": {
                "Refused": refusal("The request is refused: the problem says which field, and what is allowed."),
                "Unauthorized": refusal("No token, or one that is wrong, revoked or expired; `needs` names the role."),
                "Forbidden": refusal("The token's role does not allow it; `needs` names the one that does."),
                "Unavailable": refusal("The record store does not answer in time. After a change it says whether it may have been made."),
            },
            "schemas": schemas.take_definitions(true),
        },
    })
}

fn operation(route: &Route, schemas: &mut SchemaGenerator) -> Value {
    let mut sheet = Sheet {
        schemas,
        parameters: in_path(route.path),
        body: None,
        answer: None,
    };
    (route.describe)(&mut sheet);
    let refused = |name: &str| json!({ "$ref": format!("#/components/responses/{name}") });
    let mut good = json!({ "description": "Done." });
    if let Some(answer) = sheet.answer {
        good["content"] = answer;
    }
    let mut operation = json!({
        "operationId": route.id,
        "summary": route.says,
        "responses": { route.answers.to_string(): good, "4XX": refused("Refused"), "503": refused("Unavailable") },
    });
    if !sheet.parameters.is_empty() {
        operation["parameters"] = sheet.parameters.into();
    }
    if let Some(body) = sheet.body {
        operation["requestBody"] = body;
    }
    if let Some(role) = route.needs {
        operation["security"] = json!([{ "token": [] }]);
        operation["x-role"] = role.as_str().into();
        operation["responses"]["401"] = refused("Unauthorized");
        if role == Role::Operate {
            operation["responses"]["403"] = refused("Forbidden");
        }
    }
    operation
}

/// The parameters that stand in a path's text.
fn in_path(path: &str) -> Vec<Value> {
    let names = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameter = |name: &str| {
        let description = match name {
            "ending" => "The number, or its last 4 or more characters if no other ends so.",
            _ => "Its id.",
        };
        json!({
            "name": name, "in": "path", "required": true, "description": description,
            "schema": { "type": "string" },
        })
    };
    names.map(parameter).collect()
}

/// A query parameter is there or not; it is never null.
fn never_null(mut schema: Value) -> Value {
    if let Some(kinds) = schema["type"].as_array() {
        let rest: Vec<_> = kinds
            .iter()
            .filter(|kind| *kind != "null")
            .cloned()
            .collect();
        if let [only] = rest.as_slice() {
            schema["type"] = only.clone();
        }
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let rest: Vec<_> = choices
            .iter()
            .filter(|one| one["type"] != "null")
            .cloned()
            .collect();
        if let ([Value::Object(only)], Some(schema)) = (rest.as_slice(), schema.as_object_mut()) {
            schema.remove("anyOf");
            schema.extend(only.clone());
        }
    }
    schema
}
