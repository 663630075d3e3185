//! Exactly one place for each secret, variables before the file, and no secret in what is shown.

use super::*;
use crate::config::File;

const SECRET: &str = "s3cret-that-must-not-show";

fn access(text: &str, variables: &[(&str, &str)]) -> Result<Access, Failure> {
    access_in(text, variables, Path::new("/etc/ringback/ringback.toml"))
}

fn access_in(text: &str, variables: &[(&str, &str)], path: &Path) -> Result<Access, Failure> {
    let file = File::parse(text, path)?;
    let variable = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Access::of(
        file.broker.credentials.as_ref(),
        file.broker.tls.as_ref(),
        &Environment::from(variable),
    )
}

fn refusal(text: &str, variables: &[(&str, &str)]) -> String {
    let failure = access(text, variables).expect_err("this is refused");
    assert_eq!(failure.kind, crate::failure::Kind::Usage);
    assert!(!failure.message.contains("s3cret"), "{failure}");
    failure.message
}

/// Shows that two secrets are the same without a way to read them.
fn signature(credentials: &Credentials) -> Vec<(&'static str, String)> {
    credentials.headers(1_700_000_000)
}

#[test]
fn without_section_and_variables_there_is_neither() {
    assert_eq!(access("", &[]).unwrap(), Access::default());
    let empty = [
        ("RINGBACK_BROKER_ACCESS_KEY", ""),
        ("RINGBACK_BROKER_CA_FILE", ""),
    ];
    assert_eq!(access("", &empty).unwrap(), Access::default());
}

#[test]
fn a_secret_comes_from_the_file_from_a_file_beside_it_or_from_a_variable() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), format!("{SECRET}\n")).unwrap();
    let config = folder.path().join("ringback.toml");
    let expected = Credentials::new("ringback", SECRET).unwrap();
    let inline =
        format!("[broker.credentials]\naccess_key = \"ringback\"\nsecret_key = \"{SECRET}\"\n");
    let beside = "[broker.credentials]\naccess_key = \"ringback\"\nsecret_key_file = \"secret\"\n";
    let variables = [
        ("RINGBACK_BROKER_ACCESS_KEY", "ringback"),
        ("RINGBACK_BROKER_SECRET_KEY", SECRET),
    ];
    for (text, variables) in [(inline.as_str(), &[][..]), (beside, &[]), ("", &variables)] {
        let made = access_in(text, variables, &config)
            .unwrap()
            .credentials
            .unwrap();
        assert_eq!(signature(&made), signature(&expected), "{text}");
    }
}

#[test]
fn a_variable_wins_over_the_file() {
    let text = "[broker.credentials]\naccess_key = \"file\"\nsecret_key = \"file\"\n\
                [broker.tls]\nca_file = \"file.pem\"\nserver_name = \"file\"\n";
    let variables = [
        ("RINGBACK_BROKER_SECRET_KEY", SECRET),
        ("RINGBACK_BROKER_SERVER_NAME", "variable"),
    ];
    let made = access(text, &variables).unwrap();
    let expected = Credentials::new("file", SECRET).unwrap();
    assert_eq!(signature(&made.credentials.unwrap()), signature(&expected));
    let tls = made.tls.unwrap();
    assert_eq!(tls.server_name.as_deref(), Some("variable"));
    assert_eq!(
        tls.ca_file.as_deref(),
        Some(Path::new("/etc/ringback/file.pem"))
    );
}

#[test]
fn a_secret_from_two_places_or_from_none_is_refused() {
    let section = |keys: &str| format!("[broker.credentials]\n{keys}\n");
    let both = format!("access_key = \"a\"\nsecret_key = \"{SECRET}\"\nsecret_key_file = \"x\"");
    for (text, variables, part) in [
        (
            section(&both),
            &[][..],
            "both secret_key and secret_key_file",
        ),
        (section("access_key = \"a\""), &[], "no secret"),
        (
            section(&format!("secret_key = \"{SECRET}\"")),
            &[],
            "no access_key",
        ),
        (section(""), &[], "no access_key"),
        (
            String::new(),
            &[("RINGBACK_BROKER_SESSION_TOKEN", SECRET)],
            "no access_key",
        ),
        (
            String::new(),
            &[
                ("RINGBACK_BROKER_SECRET_KEY", SECRET),
                ("RINGBACK_BROKER_SECRET_KEY_FILE", "x"),
            ],
            "RINGBACK_BROKER_SECRET_KEY_FILE are both set",
        ),
    ] {
        let message = refusal(&text, variables);
        assert!(message.contains(part), "{part} in: {message}");
    }
}

#[test]
fn a_file_without_a_secret_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    let file = path.display().to_string();
    let variables = [
        ("RINGBACK_BROKER_ACCESS_KEY", "a"),
        ("RINGBACK_BROKER_SECRET_KEY_FILE", file.as_str()),
    ];
    for (content, part) in [
        (None, "No such file"),
        (Some("\n".to_owned()), "is empty"),
        (Some(format!("{SECRET}\n{SECRET}\n")), "more than one line"),
    ] {
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let message = refusal("", &variables);
        assert!(
            message.contains(&file) && message.contains(part),
            "{message}"
        );
    }
}

#[test]
fn half_a_client_certificate_is_refused_by_the_missing_half() {
    let half = refusal("[broker.tls]\nclient_certificate_file = \"c.pem\"\n", &[]);
    assert!(half.contains("client_key_file is missing"), "{half}");
    let half = refusal("[broker.tls]\nclient_key_file = \"c.key\"\n", &[]);
    assert!(
        half.contains("client_certificate_file is missing"),
        "{half}"
    );
}

#[test]
fn an_empty_tls_section_asks_for_tls_with_the_systems_roots() {
    let tls = access("[broker.tls]\n", &[]).unwrap().tls;
    assert_eq!(tls, Some(TlsConfig::default()));
}

#[test]
fn neither_debug_nor_a_complaint_about_the_file_shows_a_secret() {
    let text = format!(
        "[broker.credentials]\naccess_key = \"a\"\nsecret_key = \"{SECRET}\"\nsession_token = \"{SECRET}\"\n"
    );
    let file = File::parse(&text, Path::new("x")).unwrap();
    assert!(!format!("{file:?}").contains("s3cret"));
    let shown = format!("{:?}", access(&text, &[]).unwrap());
    assert!(!shown.contains("s3cret"), "{shown}");
    for wrong in ["secret_key = [\"s3cret\"]", "session_token = [\"s3cret\"]"] {
        refusal(&format!("[broker.credentials]\n{wrong}\n"), &[]);
    }
}
