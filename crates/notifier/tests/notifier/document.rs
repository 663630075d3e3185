//! The served OpenAPI document, held against what the API answers.
//!
//! Each operation of the document is asked once, with real things behind it, and its answer must
//! fit the schema that the document gives for it. An operation that nobody asks fails the test.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::support::World;

/// Whether a value fits a schema; the words of a misfit otherwise. It knows the words of JSON
/// Schema that our types need, and panics at any other: a rule that is passed over shows nothing.
fn misfit(document: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    let nothing = Map::new();
    let rules = match schema {
        Value::Bool(true) => &nothing,
        Value::Object(rules) => rules,
        other => panic!("{at}: {other} is no schema"),
    };
    for (word, rule) in rules {
        let broken = match word.as_str() {
            "$ref" => {
                let pointer = rule.as_str().unwrap().trim_start_matches('#');
                let target = document
                    .pointer(pointer)
                    .unwrap_or_else(|| panic!("{at}: {pointer}"));
                misfit(document, target, value, at)
            }
            "type" => {
                let is = |kind: &Value| match kind.as_str().unwrap() {
                    "null" => value.is_null(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "number" => value.is_number(),
                    "string" => value.is_string(),
                    "array" => value.is_array(),
                    "object" => value.is_object(),
                    other => panic!("{at}: type {other}"),
                };
                let fits = rule
                    .as_array()
                    .map_or_else(|| is(rule), |kinds| kinds.iter().any(is));
                (!fits).then(|| format!("{at}: {value} is no {rule}"))
            }
            "enum" => {
                let fits = rule.as_array().unwrap().contains(value);
                (!fits).then(|| format!("{at}: {value} is none of {rule}"))
            }
            "const" => (rule != value).then(|| format!("{at}: {value} is not {rule}")),
            "required" => {
                let mut names = rule
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|name| name.as_str().unwrap());
                let missing = names.find(|name| value.get(name).is_none());
                missing.map(|name| format!("{at}: {name} is missing"))
            }
            "properties" => {
                let members = value.as_object().unwrap_or(&nothing);
                members
                    .iter()
                    .find_map(|(name, member)| match rule.get(name) {
                        Some(schema) => misfit(document, schema, member, &format!("{at}.{name}")),
                        // Answers say nothing that the document does not.
                        None => Some(format!("{at}.{name} is not in the document")),
                    })
            }
            "additionalProperties" => match rule {
                Value::Bool(_) => None,
                schema => {
                    value
                        .as_object()
                        .unwrap_or(&nothing)
                        .iter()
                        .find_map(|(name, member)| {
                            misfit(document, schema, member, &format!("{at}.{name}"))
                        })
                }
            },
            "items" => {
                let items = value.as_array().into_iter().flatten().enumerate();
                items
                    .map(|(n, item)| misfit(document, rule, item, &format!("{at}[{n}]")))
                    .find_map(|it| it)
            }
            "anyOf" | "oneOf" => {
                let choices = rule.as_array().unwrap();
                let fits = choices
                    .iter()
                    .any(|schema| misfit(document, schema, value, at).is_none());
                (!fits).then(|| format!("{at}: {value} fits none of {rule}"))
            }
            "allOf" => {
                let all = rule.as_array().unwrap().iter();
                all.map(|schema| misfit(document, schema, value, at))
                    .find_map(|it| it)
            }
            "minimum" => {
                let fits = value
                    .as_f64()
                    .is_none_or(|number| number >= rule.as_f64().unwrap());
                (!fits).then(|| format!("{at}: {value} is less than {rule}"))
            }
            "maximum" => {
                let fits = value
                    .as_f64()
                    .is_none_or(|number| number <= rule.as_f64().unwrap());
                (!fits).then(|| format!("{at}: {value} is more than {rule}"))
            }
            "minLength" => {
                let fits = value
                    .as_str()
                    .is_none_or(|text| text.len() as u64 >= rule.as_u64().unwrap());
                (!fits).then(|| format!("{at}: {value} is shorter than {rule}"))
            }
            "format" | "pattern" | "description" | "title" | "default" | "examples" => None,
            other => panic!("{at}: the test does not know the word {other}"),
        };
        if broken.is_some() {
            return broken;
        }
    }
    None
}

/// The schema of what an operation answers with this status; `None` if it has no body.
fn answer_schema<'a>(
    document: &'a Value,
    operation: &'a Value,
    status: StatusCode,
) -> Option<&'a Value> {
    let responses = &operation["responses"];
    let ours = responses.get(status.as_str());
    let response = ours.unwrap_or_else(|| panic!("{operation} does not know {status}"));
    let response = match response["$ref"].as_str() {
        Some(target) => document.pointer(target.trim_start_matches('#')).unwrap(),
        None => response,
    };
    let content = response.get("content")?.as_object().unwrap();
    content.values().next().map(|media| &media["schema"])
}

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_answers_as_the_document_says() {
    let world = World::new().await;
    let notifier = world.notifier().await;
    let (status, document) = notifier.get("/v1/openapi.json").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(document["openapi"], "3.1.0");
    let delivered = world.transfer().await;
    notifier.until(delivered, "delivered").await;
    world.receiver.answer(422);
    let [dead, discarded, withdrawn, slowly, quickly] = [
        world.transfer().await,
        world.transfer().await,
        world.transfer().await,
        world.transfer().await,
        world.transfer().await,
    ];
    for tx_no in [dead, discarded, withdrawn, slowly, quickly] {
        notifier.until(tx_no, "dead").await;
    }
    world.receiver.answer(500);
    let waiting = world.transfer().await;
    notifier.until(waiting, "waiting").await;
    let none = json!({});
    let states = json!({"source": "bank1", "tx_nos": [delivered, dead]});
    let token = json!({"name": "lisi", "role": "read"});
    let reason = json!({"reason": "the document's test"});
    // So slow that it is not done before it is stopped.
    for _ in 0..2 {
        let left = world.transfer().await;
        notifier.until(left, "dead").await;
    }
    let added = json!({"endpoint": {"id": "shop", "url": world.receiver.url()}});
    let changed = json!({"endpoint": {"timeout": "5s"}});
    let discard = |tx_no, rate| json!({"kind": "discard", "filter": {"key": tx_no}, "rate": rate, "reason": "many"});
    // So slow that it has done nothing yet when it is stopped.
    let (status, job) = notifier
        .post("/v1/dead-letter-jobs", discard(slowly, "1/m"))
        .await;
    assert_eq!(status, StatusCode::ACCEPTED, "{job}");
    let job = |rest: &str| format!("/v1/dead-letter-jobs/{}{rest}", job["id"].as_str().unwrap());
    let many = discard(quickly, "5/s");
    let asked: Vec<(&str, &str, String, &Value, u16)> = vec![
        (
            "post",
            "/v1/dead-letter-jobs/dry-run",
            "/v1/dead-letter-jobs/dry-run".into(),
            &many,
            200,
        ),
        (
            "post",
            "/v1/dead-letter-jobs",
            "/v1/dead-letter-jobs".into(),
            &many,
            202,
        ),
        (
            "get",
            "/v1/dead-letter-jobs",
            "/v1/dead-letter-jobs".into(),
            &none,
            200,
        ),
        (
            "get",
            "/v1/dead-letter-jobs/{id}",
            job("?fate=true"),
            &none,
            200,
        ),
        (
            "get",
            "/v1/dead-letter-jobs/{id}/letters",
            job("/letters"),
            &none,
            200,
        ),
        (
            "post",
            "/v1/dead-letter-jobs/{id}/stop",
            job("/stop"),
            &none,
            200,
        ),
        (
            "post",
            "/v1/dead-letter-jobs/{id}/resume",
            job("/resume"),
            &none,
            200,
        ),
        (
            "get",
            "/v1/dead-letters/export",
            "/v1/dead-letters/export?limit=2".into(),
            &none,
            200,
        ),
        ("get", "/v1/pending", "/v1/pending".into(), &none, 200),
        ("get", "/health/live", "/health/live".into(), &none, 200),
        ("get", "/health/ready", "/health/ready".into(), &none, 200),
        (
            "get",
            "/v1/openapi.json",
            "/v1/openapi.json".into(),
            &none,
            200,
        ),
        (
            "get",
            "/v1/notifications",
            "/v1/notifications?limit=2".into(),
            &none,
            200,
        ),
        (
            "post",
            "/v1/notifications/states",
            "/v1/notifications/states".into(),
            &states,
            200,
        ),
        (
            "get",
            "/v1/notifications/{ending}",
            format!("/v1/notifications/{dead}"),
            &none,
            200,
        ),
        (
            "get",
            "/v1/notifications/{ending}/attempts",
            format!("/v1/notifications/{waiting}/attempts"),
            &none,
            200,
        ),
        (
            "get",
            "/v1/outcomes",
            "/v1/outcomes?source=bank1".into(),
            &none,
            200,
        ),
        (
            "get",
            "/v1/dead-letters",
            "/v1/dead-letters?limit=1".into(),
            &none,
            200,
        ),
        (
            "get",
            "/v1/dead-letters/{ending}",
            format!("/v1/dead-letters/{dead}"),
            &none,
            200,
        ),
        (
            "post",
            "/v1/dead-letters/{ending}/discard",
            format!("/v1/dead-letters/{discarded}/discard"),
            &reason,
            200,
        ),
        (
            "post",
            "/v1/endpoints/{id}/repaired",
            "/v1/endpoints/bank2/repaired".into(),
            &reason,
            200,
        ),
        (
            "post",
            "/v1/dead-letters/{ending}/forward",
            format!("/v1/dead-letters/{dead}/forward"),
            &none,
            202,
        ),
        (
            "post",
            "/v1/dead-letters/{ending}/resend",
            format!("/v1/dead-letters/{dead}/resend"),
            &none,
            202,
        ),
        (
            "post",
            "/v1/notifications/{ending}/withdraw",
            format!("/v1/notifications/{withdrawn}/withdraw"),
            &reason,
            200,
        ),
        (
            "post",
            "/v1/notifications/{ending}/ring",
            format!("/v1/notifications/{delivered}/ring"),
            &none,
            409,
        ),
        ("post", "/v1/tokens", "/v1/tokens".into(), &token, 201),
        ("get", "/v1/tokens", "/v1/tokens".into(), &none, 200),
        (
            "post",
            "/v1/tokens/{id}/revoke",
            "/v1/tokens/lisi/revoke".into(),
            &reason,
            200,
        ),
        ("get", "/v1/audit", "/v1/audit".into(), &none, 200),
        (
            "delete",
            "/v1/notifications/{ending}/content",
            format!("/v1/notifications/{delivered}/content"),
            &none,
            200,
        ),
        ("post", "/v1/endpoints", "/v1/endpoints".into(), &added, 201),
        ("get", "/v1/endpoints", "/v1/endpoints".into(), &none, 200),
        (
            "get",
            "/v1/endpoints/{id}",
            "/v1/endpoints/shop".into(),
            &none,
            200,
        ),
        (
            "patch",
            "/v1/endpoints/{id}",
            "/v1/endpoints/shop".into(),
            &changed,
            200,
        ),
        (
            "post",
            "/v1/endpoints/{id}/pause",
            "/v1/endpoints/shop/pause".into(),
            &reason,
            200,
        ),
        (
            "post",
            "/v1/endpoints/{id}/resume",
            "/v1/endpoints/shop/resume".into(),
            &reason,
            200,
        ),
        (
            "post",
            "/v1/endpoints/{id}/disable",
            "/v1/endpoints/shop/disable".into(),
            &reason,
            200,
        ),
        (
            "post",
            "/v1/endpoints/{id}/enable",
            "/v1/endpoints/shop/enable".into(),
            &reason,
            200,
        ),
        (
            "post",
            "/v1/endpoints/{id}/rotate-secret",
            "/v1/endpoints/shop/rotate-secret".into(),
            &reason,
            200,
        ),
        (
            "post",
            "/v1/endpoints/{id}/test",
            "/v1/endpoints/bank2/test".into(),
            &reason,
            200,
        ),
        (
            "delete",
            "/v1/endpoints/{id}",
            "/v1/endpoints/shop".into(),
            &none,
            204,
        ),
    ];
    for (method, path, url, body, expected) in &asked {
        let operation = &document["paths"][*path][*method];
        assert!(
            operation.is_object(),
            "{method} {path} is not in the document"
        );
        let has_body = ["post", "patch"].contains(method);
        let verb = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let body = has_body.then(|| (*body).clone());
        let (status, answer) = notifier.ask(verb, url, body).await;
        assert_eq!(status.as_u16(), *expected, "{method} {url}: {answer}");
        if !status.is_success() {
            continue;
        }
        match answer_schema(&document, operation, status) {
            Some(schema) => assert_eq!(misfit(&document, schema, &answer, path), None, "{answer}"),
            None => assert_eq!(answer, Value::Null, "{method} {path}"),
        }
    }
    let asked: BTreeSet<(&str, &str)> = asked.iter().map(|one| (one.1, one.0)).collect();
    let paths = document["paths"].as_object().unwrap();
    let known = paths.iter().flat_map(|(path, methods)| {
        methods
            .as_object()
            .unwrap()
            .keys()
            .map(move |method| (path.as_str(), method.as_str()))
    });
    assert_eq!(
        asked,
        known.collect(),
        "each operation of the document is asked here"
    );
    notifier.stop().await;
}

#[test]
fn the_validator_sees_what_does_not_fit() {
    let document = json!({"components": {"schemas": {"N": {"type": "integer", "minimum": 0}}}});
    let schema = json!({"type": "object", "required": ["n"], "properties": {
        "n": {"$ref": "#/components/schemas/N"}, "s": {"type": ["string", "null"], "enum": ["a", null]}}});
    let fits = |value: Value| misfit(&document, &schema, &value, "$").is_none();
    assert!(
        fits(json!({"n": 1}))
            && fits(json!({"n": 1, "s": null}))
            && fits(json!({"n": 1, "s": "a"}))
    );
    for bad in [
        json!([]),
        json!({}),
        json!({"n": -1}),
        json!({"n": "1"}),
        json!({"n": 1, "s": "b"}),
        json!({"n": 1, "x": 1}),
    ] {
        assert!(!fits(bad.clone()), "{bad}");
    }
}
