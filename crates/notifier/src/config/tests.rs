//! `ringback.toml`'s sections as they are written, and what is said about bad ones.

use std::time::Duration;

use serde::Deserialize;

use super::*;

/// The notifier's sections as they stand in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    notifier: Settings,
    #[serde(default, rename = "endpoint")]
    endpoints: Vec<EndpointConfig>,
    #[serde(default, rename = "subscription")]
    subscriptions: Vec<SubscriptionConfig>,
    #[serde(default)]
    egress: EgressConfig,
}

const USUAL: &str = r#"
[notifier]
listen = "127.0.0.1:8190"
lease = "30s"
permits = 1024

[[endpoint]]
id = "bank2"
url = "http://127.0.0.1:8182/notifications"
secrets = ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]
ladder = "rocketmq"
timeout = "10s"
concurrency = 16
queue = 256
accept = "2xx"
reject = [410, 422]

[[subscription]]
group = "bank2"
topic = "topic_txmsg"
endpoint = "bank2"

[egress]
allow = ["127.0.0.0/8"]
"#;

fn config(text: &str) -> Config {
    let file: File = toml::from_str(text).unwrap();
    Config {
        notifier: file.notifier,
        endpoints: file.endpoints,
        subscriptions: file.subscriptions,
        egress: file.egress,
        ladder: None,
        database: database::Config::new("sqlite:///notifier.sqlite"),
        broker: rocketmq::ClientConfig::default(),
        admin: None,
        token: OperatorToken::new("0123456789abcdef"),
    }
}

/// What is said when one text of the usual file is replaced.
fn complaint(of: &str, instead: &str) -> String {
    assert!(USUAL.contains(of), "{of}");
    let changed = config(&USUAL.replacen(of, instead, 1));
    changed.check().unwrap_err().to_string()
}

#[test]
fn the_usual_file_is_taken() {
    let config = config(USUAL);
    config.check().unwrap();
    assert_eq!(config.endpoints[0].timeout, Duration::from_secs(10));
    assert_eq!(config.notifier.feed_lag, Duration::from_secs(10));
}

#[test]
fn what_is_not_said_has_a_default() {
    let shortest = r#"
        [[endpoint]]
        id = "bank2"
        url = "https://bank2.example/notifications"
        secrets = ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]
        [[subscription]]
        group = "bank2"
        topic = "topic_txmsg"
        endpoint = "bank2"
    "#;
    let config = config(shortest);
    config.check().unwrap();
    let endpoint = &config.endpoints[0];
    assert_eq!((endpoint.concurrency, endpoint.queue), (16, 256));
    assert_eq!(endpoint.reject, [410, 422]);
    assert!(endpoint.ladder.is_none(), "the group's own policy");
    assert_eq!(config.notifier.lease, Duration::from_secs(30));
    assert_eq!(endpoint.timeout, Duration::from_secs(10));
    assert_eq!(config.notifier.crashes_workers_after, 50);
}

#[test]
fn unknown_keys_are_refused_by_name() {
    for (of, instead) in [
        ("lease =", "leese ="),
        ("timeout =", "time_out ="),
        ("group =", "grupe ="),
    ] {
        let read = toml::from_str::<File>(&USUAL.replacen(of, instead, 1));
        let Err(error) = read else {
            panic!("{instead} was taken");
        };
        let word = instead.split(' ').next().unwrap();
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn a_bad_value_is_named_with_its_limit() {
    for (of, instead, said) in [
        (
            "permits = 1024",
            "permits = 0",
            "notifier.permits: \"0\" is refused: 1 to 65536",
        ),
        (
            "http://127.0.0.1:8182/notifications",
            "ftp://bank2",
            "endpoint bank2: url: \"ftp://bank2\" is refused: http:// or https:// with a host, \
             at most 1024 characters",
        ),
        (
            "timeout = \"10s\"",
            "timeout = \"2m\"",
            "endpoint bank2: timeout: \"2m\" is refused: 100ms to 1m",
        ),
        (
            "concurrency = 16",
            "concurrency = 0",
            "endpoint bank2: concurrency: \"0\" is refused: 1 to 4096",
        ),
        (
            "reject = [410, 422]",
            "reject = [200]",
            "endpoint bank2: reject: \"200\" is refused: statuses from 400 to 599",
        ),
    ] {
        assert_eq!(complaint(of, instead), said);
    }
}

#[test]
fn secrets_stand_in_one_place_and_are_never_shown() {
    let said = complaint(
        "secrets = [\"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"]",
        "",
    );
    assert!(
        said.contains("either `secrets` or `secrets_file`"),
        "{said}"
    );
    let shown = format!("{:?}", config(USUAL));
    assert!(!shown.contains("MDEyMzQ1"), "{shown}");
    assert!(!shown.contains("0123456789abcdef"), "{shown}");
}

#[test]
fn secrets_are_read_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets");
    let mut endpoint = config(USUAL).endpoints.remove(0);
    endpoint.secrets.clear();
    endpoint.secrets_file = Some(path.clone());
    endpoint.check().unwrap();
    assert!(
        endpoint
            .read_secrets()
            .unwrap_err()
            .limit
            .starts_with("readable")
    );
    std::fs::write(&path, "# newest first\n\n").unwrap();
    assert!(endpoint.read_secrets().is_err());
    let secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    std::fs::write(&path, format!("# newest first\n{secret}\n{secret}\n")).unwrap();
    assert_eq!(endpoint.read_secrets().unwrap().len(), 2);
    std::fs::write(&path, "hunter2").unwrap();
    let error = endpoint.read_secrets().unwrap_err();
    assert_eq!(error.field, "endpoint bank2: secrets_file");
}

#[test]
fn ids_and_subscriptions_are_not_repeated() {
    let mut twice = config(USUAL);
    twice.subscriptions.push(twice.subscriptions[0].clone());
    assert!(twice.check().is_err());
    let mut twice = config(USUAL);
    twice.endpoints.push(twice.endpoints[0].clone());
    assert!(twice.check().is_err());
    let mut none = config(USUAL);
    none.subscriptions.clear();
    assert!(none.check().is_err());
}

#[test]
fn an_endpoint_at_an_address_that_is_not_allowed_is_refused_at_the_start() {
    let said = complaint(r#"allow = ["127.0.0.0/8"]"#, "");
    let address = "127.0.0.1 is a loopback address, and not in [egress] allow";
    assert!(said.starts_with("endpoint bank2: url: "), "{said}");
    assert!(said.contains(address), "{said}");
    // Rules of an endpoint's own are enough, and those of another's are not.
    let own = |id: &str| format!("[egress.endpoint.{id}]\nallow = [\"127.0.0.1\"]");
    let with =
        |section: &str| config(&USUAL.replace("[egress]\nallow = [\"127.0.0.0/8\"]", section));
    assert_eq!(with(&own("bank2")).check(), Ok(()));
    assert!(with(&own("bank3")).check().is_err());
}

#[test]
fn a_retention_that_the_longest_ladder_outlives_is_refused_with_both_named() {
    let short = USUAL.replacen("permits = 1024", "retention = \"33d\"", 1);
    config(&short).check().unwrap();
    let long = short.replacen("ladder = \"rocketmq\"", "ladder = \"1d,1d,1d,1h\"", 1);
    assert_eq!(
        config(&long).check().unwrap_err().to_string(),
        "notifier.retention: \"33d\" is refused: at least 33d 1h: the longest ladder (bank2: 3d 1h) \
         and notifier.resend_window (30d)"
    );
    // An age ends a ladder before its rungs do.
    let aged = long.replacen("1d,1h\"", "1d,1h max 1d\"", 1);
    config(&aged).check().unwrap();
}
