//! Credentials and tokens are in no log, however much is logged.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use std::path::Path;

use demo::{Addresses, ConfigFile, Timings};
use ringback_tests::{PATIENCE, eventually, http, spawn, under_test};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

const SECRET: &str = "s3cret-key-of-the-broker";
const TOKEN: &str = "s3cret-token-of-the-broker";

/// A service that logs all there is, and where it listens.
async fn start(folder: &Path, service: &str, args: &[&str]) -> (Child, String) {
    let usual = [
        service,
        "--data-dir",
        ".",
        "--listen",
        "127.0.0.1:0",
        "--log-filter",
        "trace",
    ];
    let mut child = spawn(under_test!(), folder, &[&usual, args].concat());
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(PATIENCE, said.next_line()).await;
    let line = line.unwrap().unwrap().unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    (child, ready["address"].as_str().unwrap().to_owned())
}

fn log(folder: &Path, service: &str) -> String {
    let path = folder.join("logs").join(format!("{service}.log"));
    std::fs::read_to_string(path).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_logs_everything_shows_no_secret_of_the_broker() {
    let folder = tempfile::tempdir().unwrap();
    let config = ConfigFile::new("1s,2s,3s", Timings::DEMO)
        .write(folder.path(), &Addresses::usual())
        .unwrap();
    let text = std::fs::read_to_string(&config).unwrap();
    let credentials = format!(
        "[broker.credentials]\naccess_key = \"someone\"\nsecret_key = \"{SECRET}\"\n\
         session_token = \"{TOKEN}\"\n\n[initiator]"
    );
    let bank2 = Addresses::usual().bank2.to_string();
    // Another run's bank2 may listen at the usual address; at one that is only bound nobody does.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobodys = nobody.local_addr().unwrap().to_string();
    let text = text
        .replacen("[initiator]", &credentials, 1)
        .replace(&bank2, &nobodys);
    std::fs::write(&config, text).unwrap();

    let (_broker, address) = start(folder.path(), "broker", &[]).await;
    let (_notifier, _) = start(folder.path(), "notifier", &["--broker", &address]).await;
    let (_bank1, bank1) = start(folder.path(), "bank1", &["--broker", &address]).await;
    // Nobody is there to be notified: the attempt fails, and is logged.
    eventually("a transfer", PATIENCE, || async {
        let url = format!("http://{bank1}/bank1/transfer?accountNo=1&amount=10.00");
        let answer = http().get(url).send().await?;
        Ok(answer.status().is_success().then_some(()))
    })
    .await
    .unwrap();
    eventually("an attempt", PATIENCE, || async {
        Ok(log(folder.path(), "notifier")
            .contains("refused")
            .then_some(()))
    })
    .await
    .unwrap();
    for service in ["bank1", "notifier"] {
        let log = log(folder.path(), service);
        assert!(
            log.contains("TRACE"),
            "{service} logs too little to show anything"
        );
        assert!(
            log.contains("h2::"),
            "{service}: nothing is logged of the connection with the broker, so this shows nothing"
        );
        for secret in [SECRET, TOKEN, "Credential=someone"] {
            let at = log.find(secret).map(|at| &log[at.saturating_sub(200)..at]);
            assert_eq!(at, None, "{service} logs {secret} after this");
        }
    }
}
