//! The document as a whole: nothing twice, nothing unsaid, and the same as it is written down.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

/// `docs/openapi.json`, beside the code.
fn written_down() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json")
}

#[test]
fn the_document_is_the_one_that_is_written_down() {
    let text = serde_json::to_string_pretty(&document()).unwrap() + "\n";
    #[expect(
        clippy::disallowed_methods,
        reason = "tests have no configuration but the environment"
    )]
    if std::env::var("RINGBACK_WRITE_DOCUMENT").is_ok() {
        std::fs::write(written_down(), &text).unwrap();
    }
    // Not as text: whether members are sorted is another crate's choice.
    let written: Value =
        serde_json::from_str(&std::fs::read_to_string(written_down()).unwrap()).unwrap();
    assert!(
        document() == written,
        "docs/openapi.json is not what the code says: run `just openapi` and look at the difference"
    );
}

#[test]
fn each_route_says_what_it_is_for_and_has_a_name_of_its_own() {
    let routes = routes();
    let mut ids = BTreeSet::new();
    for route in &routes {
        assert!(!route.says.is_empty(), "{}", route.path);
        assert!(ids.insert(route.id.as_str()), "{} twice", route.id);
    }
    let document = document();
    for route in &routes {
        let operation = &document["paths"][route.path][route.method];
        assert_eq!(operation["operationId"], route.id.as_str());
        assert_eq!(
            operation["x-role"].as_str(),
            route.needs.map(|role| role.as_str())
        );
    }
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    fn walk(document: &Value, at: &Value, found: &mut usize) {
        if let Some(target) = at["$ref"].as_str() {
            let pointer = target.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{target}");
            *found += 1;
        }
        match at {
            Value::Object(members) => members.values().for_each(|at| walk(document, at, found)),
            Value::Array(items) => items.iter().for_each(|at| walk(document, at, found)),
            _ => {}
        }
    }
    let (document, mut found) = (document(), 0);
    walk(&document, &document, &mut found);
    assert!(found > 50, "{found}");
}

#[test]
fn a_query_parameter_is_optional_and_never_null() {
    let document = document();
    let parameters = document["paths"]["/v1/notifications"]["get"]["parameters"]
        .as_array()
        .unwrap();
    let named = |name: &str| parameters.iter().find(|one| one["name"] == name).unwrap();
    assert_eq!(named("limit")["schema"]["type"], "integer");
    assert_eq!(named("limit")["required"], false);
    assert_eq!(
        named("state")["schema"]["$ref"],
        "#/components/schemas/NotificationState"
    );
}
