//! Requests as senders, honest and not, would make them.

use axum::http::HeaderValue;

use super::*;

const NOW_S: i64 = 1_700_000_000;
const ID: &str = "0198f3c2-7a41-7c10-9b1e-5d3f0a6c2e11";
const BODY: &[u8] = b"{\"amount_fen\":1000}";

fn keys(name: &str, seeds: &[u8]) -> SourceKeys {
    SourceKeys {
        name: Source::new(name).unwrap(),
        secrets: seeds.iter().map(|seed| secret(*seed)).collect(),
    }
}

fn secret(seed: u8) -> Secret {
    Secret::from_bytes(&[seed; 32]).unwrap()
}

fn signed(seed: u8, id: &str, at_s: i64) -> HeaderMap {
    let signature = signature::sign(&[secret(seed)], id, at_s, BODY);
    [
        (headers::WEBHOOK_ID, id.to_owned()),
        (headers::WEBHOOK_TIMESTAMP, at_s.to_string()),
        (headers::WEBHOOK_SIGNATURE, signature),
    ]
    .into_iter()
    .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
    .collect()
}

#[test]
fn the_source_is_the_one_whose_secret_verified() {
    let sources = [keys("bank1", &[1]), keys("shop", &[2, 3])];
    for (seed, source, index) in [(1, "bank1", 0), (2, "shop", 0), (3, "shop", 1)] {
        let mut request = signed(seed, ID, NOW_S);
        request.insert(headers::RINGBACK_SOURCE, HeaderValue::from_static("bank1"));
        let verified = verify(&sources, &request, BODY, NOW_S).unwrap();
        assert_eq!(verified.source.as_str(), source);
        assert_eq!(verified.secret, index);
        assert_eq!(verified.tx_no.to_string(), ID);
    }
}

#[test]
fn a_stranger_or_a_changed_body_is_401() {
    let sources = [keys("bank1", &[1])];
    let stranger = verify(&sources, &signed(9, ID, NOW_S), BODY, NOW_S).unwrap_err();
    assert_eq!(stranger, Unverified::Signature(VerifyError::NoMatch));
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
    let changed = verify(&sources, &signed(1, ID, NOW_S), b"{}", NOW_S).unwrap_err();
    assert_eq!(changed, Unverified::Signature(VerifyError::NoMatch));
    let nobody = verify(&[], &signed(1, ID, NOW_S), BODY, NOW_S).unwrap_err();
    assert_eq!(nobody, Unverified::Signature(VerifyError::NoMatch));
}

#[test]
fn five_minutes_either_way_are_believed() {
    let sources = [keys("bank1", &[1]), keys("shop", &[2])];
    for (at, believed) in [(-301, false), (-300, true), (300, true), (301, false)] {
        let result = verify(&sources, &signed(1, ID, NOW_S + at), BODY, NOW_S);
        assert_eq!(result.is_ok(), believed, "{at}: {result:?}");
    }
    let old = verify(&sources, &signed(1, ID, NOW_S - 301), BODY, NOW_S).unwrap_err();
    assert!(old.to_string().contains("301 s ago"), "{old}");
}

#[test]
fn each_header_is_needed_and_named() {
    let sources = [keys("bank1", &[1])];
    for name in [
        headers::WEBHOOK_ID,
        headers::WEBHOOK_TIMESTAMP,
        headers::WEBHOOK_SIGNATURE,
    ] {
        let mut request = signed(1, ID, NOW_S);
        request.remove(name);
        let error = verify(&sources, &request, BODY, NOW_S).unwrap_err();
        assert_eq!(error, Unverified::Missing(name));
        request.insert(name, HeaderValue::from_bytes(&[0xff]).unwrap());
        let error = verify(&sources, &request, BODY, NOW_S).unwrap_err();
        assert_eq!(error, Unverified::IllFormed(name));
        assert_eq!(error.status(), StatusCode::UNAUTHORIZED);
    }
    let mut request = signed(1, ID, NOW_S);
    request.insert(headers::WEBHOOK_TIMESTAMP, HeaderValue::from_static("now"));
    let error = verify(&sources, &request, BODY, NOW_S).unwrap_err();
    assert_eq!(error, Unverified::IllFormed(headers::WEBHOOK_TIMESTAMP));
}

#[test]
fn a_well_signed_id_that_is_no_number_will_never_be_taken() {
    let sources = [keys("bank1", &[1])];
    let error = verify(&sources, &signed(1, "msg_17", NOW_S), BODY, NOW_S).unwrap_err();
    assert_eq!(error.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let problem = serde_json::to_value(Problem::from(error)).unwrap();
    assert_eq!(problem["field"], "webhook-id");
    // Unsigned, the same id tells its sender nothing.
    let error = verify(&sources, &signed(9, "msg_17", NOW_S), BODY, NOW_S).unwrap_err();
    assert_eq!(error.status(), StatusCode::UNAUTHORIZED);
}

#[test]
fn configuration_needs_a_secret_and_hides_it() {
    let good = format!(r#"{{"name":"bank1","secrets":["{}"]}}"#, secret(1).expose());
    let keys: SourceKeys = serde_json::from_str(&good).unwrap();
    assert!(!format!("{keys:?}").contains("whsec_"));
    for bad in [
        r#"{"name":"bank1","secrets":[]}"#,
        r#"{"name":"bank1"}"#,
        r#"{"name":"bank 1","secrets":[]}"#,
        r#"{"name":"bank1","secrets":[],"x":1}"#,
    ] {
        assert!(serde_json::from_str::<SourceKeys>(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_sources_secrets_stand_in_the_configuration_or_in_a_file_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets");
    let listed = |secrets: &[u8], secrets_file: Option<&std::path::Path>| {
        SourceKeys::try_from(Listed {
            name: Source::new("bank1").unwrap(),
            secrets: secrets.iter().map(|seed| secret(*seed)).collect(),
            secrets_file: secrets_file.map(Into::into),
        })
    };
    let complaint = |listed: Result<SourceKeys, Invalid>| listed.unwrap_err().to_string();

    let lines = format!(
        "# newest first\n{}\n\n{}\n",
        secret(1).expose(),
        secret(2).expose()
    );
    std::fs::write(&path, lines).unwrap();
    assert_eq!(listed(&[], Some(&path)).unwrap().secrets.len(), 2);
    assert_eq!(listed(&[3], None).unwrap().secrets.len(), 1);

    assert!(complaint(listed(&[3], Some(&path))).contains("not both"));
    assert!(complaint(listed(&[], None)).contains("`secrets_file`"));
    std::fs::write(&path, "\n# nothing yet\n").unwrap();
    assert!(complaint(listed(&[], Some(&path))).contains("at least one secret"));
    std::fs::write(&path, "hunter2\n").unwrap();
    let bad = complaint(listed(&[], Some(&path)));
    assert!(
        bad.contains("secrets_file") && !bad.contains("hunter2"),
        "{bad}"
    );
    std::fs::remove_file(&path).unwrap();
    assert!(complaint(listed(&[], Some(&path))).contains(&path.display().to_string()));
}
