//! What the notifier sends, verified by the libraries that receivers use: those of the Standard Webhooks project for
//! Python and JavaScript.
//!
//! `scripts/standard-webhooks.sh` installs them into a folder, says so by `RINGBACK_STANDARD_WEBHOOKS` and runs this.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use notification::Secret;
use serde_json::{Value, json};

use crate::support::{Call, Receiver, World};

/// Those that a receiver may know, beside the one that it does.
fn secret(byte: u8) -> Secret {
    Secret::from_bytes(&[byte; 32]).unwrap()
}

fn libraries() -> Option<PathBuf> {
    std::env::var_os("RINGBACK_STANDARD_WEBHOOKS").map(PathBuf::from)
}

/// A request, whether it is one as it came, a secret that its receiver knows, and whether that verifies it.
struct Case {
    what: &'static str,
    secret: Secret,
    call: Call,
    verifies: bool,
}

impl Case {
    fn line(&self) -> String {
        let text = |name: &str| self.call.headers[name].to_str().unwrap();
        let headers: serde_json::Map<String, Value> =
            ["webhook-id", "webhook-timestamp", "webhook-signature"]
                .map(|name| (name.to_owned(), text(name).into()))
                .into_iter()
                .collect();
        let body = str::from_utf8(&self.call.body).unwrap();
        json!({ "secret": self.secret.expose(), "headers": headers, "body": body }).to_string()
    }
}

/// What a program of another language says of each case.
fn said_by(mut program: Command, cases: &[Case]) -> Vec<String> {
    let mut child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program:?}: {error}"));
    let lines: String = cases.iter().map(|case| case.line() + "\n").collect();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program:?}: {}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn python(libraries: &Path, folder: &Path) -> Command {
    let mut python = Command::new("python3");
    python
        .env("PYTHONPATH", libraries.join("python"))
        .arg(folder.join("verify.py"));
    python
}

fn javascript(libraries: &Path, folder: &Path) -> Command {
    let mut node = Command::new("node");
    node.env("NODE_PATH", libraries.join("node/node_modules"))
        .arg(folder.join("verify.cjs"));
    node
}

/// Rings an endpoint with these secrets, and gives the request as it arrived.
async fn rung_with(secrets: Value) -> Call {
    let world = World::new().await;
    let mut config = world.config();
    config.endpoints[0].secrets = serde_json::from_value(secrets).unwrap();
    let notifier = crate::support::Running::start(config).await;
    let tx_no = world.transfer().await;
    notifier.until(tx_no, "delivered").await;
    let call = world.receiver.calls_of(tx_no).remove(0);
    notifier.stop().await;
    call
}

#[tokio::test(flavor = "multi_thread")]
async fn the_standard_webhooks_libraries_of_python_and_javascript_verify_what_is_sent() {
    let Some(libraries) = libraries() else {
        println!("skipped: `just standard-webhooks` installs the libraries and runs this");
        return;
    };
    let (new, old) = (Receiver::secret(), secret(2));
    let (known, former) = (new.expose(), old.expose());
    let until = |moment: &str| json!([known, { "secret": former, "until": moment }]);
    let single = rung_with(json!([known])).await;
    let rotating = rung_with(until("2999-01-01T00:00:00Z")).await;
    let rotated = rung_with(until("2020-01-01T00:00:00Z")).await;
    let many = rung_with(json!([
        secret(5).expose(),
        former,
        secret(6).expose(),
        known
    ]))
    .await;
    let mut altered = single.clone();
    altered.body = b"{\"amount_fen\":9000}".to_vec().into();
    let case = |what, secret: &Secret, call: &Call, verifies| Case {
        what,
        secret: secret.clone(),
        call: call.clone(),
        verifies,
    };
    let cases = [
        case("one secret", &new, &single, true),
        case("another secret", &old, &single, false),
        case("another body", &new, &altered, false),
        case(
            "rotating, the receiver knows the new one",
            &new,
            &rotating,
            true,
        ),
        case(
            "rotating, it knows the old one still",
            &old,
            &rotating,
            true,
        ),
        case("rotating, it knows neither", &secret(3), &rotating, false),
        case("rotated, it knows the new one", &new, &rotated, true),
        case("rotated, it knows the old one still", &old, &rotated, false),
        case("four secrets, it knows the first", &secret(5), &many, true),
        case("four secrets, it knows the third", &secret(6), &many, true),
        case("four secrets, it knows the last", &new, &many, true),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/notifier/standard_webhooks");
    for (language, program) in [
        ("Python", python(&libraries, &folder)),
        ("JavaScript", javascript(&libraries, &folder)),
    ] {
        let said = said_by(program, &cases);
        assert_eq!(said.len(), cases.len(), "{language}");
        for (case, said) in cases.iter().zip(said) {
            println!("{language}: {}: {said}", case.what);
            let expected = if case.verifies { "yes" } else { "no" };
            assert_eq!(said, expected, "{language}: {}", case.what);
        }
    }
}
