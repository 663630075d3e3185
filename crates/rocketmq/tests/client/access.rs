//! Credentials and TLS: what servers are shown, what the client asks of them, and what it says when
//! that does not fit.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rocketmq::{
    Client, ClientConfig, Credentials, Error, ErrorKind, Message, Producer, Retry, TlsConfig,
    TlsIdentity,
};
use rocketmq_wire::v2;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use crate::fake::{Call, Fake, TOPIC, eventually};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/client/tls")
        .join(name)
}

fn pem(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap()
}

fn server_tls() -> ServerTlsConfig {
    ServerTlsConfig::new().identity(Identity::from_pem(pem("server.pem"), pem("server.key")))
}

fn trusting(ca: &str) -> TlsConfig {
    TlsConfig {
        ca_file: Some(file(ca)),
        ..Default::default()
    }
}

fn showing(certificate: &str, key: &str) -> TlsConfig {
    TlsConfig {
        identity: Some(TlsIdentity {
            certificate_file: file(certificate),
            key_file: file(key),
        }),
        ..trusting("ca.pem")
    }
}

fn config(fake: &Fake, tls: Option<TlsConfig>) -> ClientConfig {
    ClientConfig {
        endpoints: vec![fake.address.to_string()],
        request_timeout: Duration::from_secs(3),
        tls,
        ..Default::default()
    }
}

async fn send(config: ClientConfig) -> Result<(), Error> {
    let producer = Producer::start(&Client::new(config)?, vec![]).await?;
    producer.send(Message::new(TOPIC, "x")).await.map(drop)
}

/// The words of a send that must not reach its server.
async fn refusal(fake: &Fake, tls: Option<TlsConfig>) -> String {
    let error = send(config(fake, tls)).await.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Unreachable { .. }),
        "{error}"
    );
    assert_eq!(error.retry(), Retry::Soon);
    assert_eq!(fake.count(|call| matches!(call, Call::Send(_))), 0);
    error.to_string()
}

#[tokio::test]
async fn over_tls_messages_and_sessions_go_to_a_server_of_the_given_ca() {
    let fake = Fake::start_over(server_tls()).await;
    let producer_config = config(&fake, Some(trusting("ca.pem")));
    let client = Client::new(producer_config).unwrap();
    let producer = Producer::start(&client, vec![TOPIC.to_owned()])
        .await
        .unwrap();
    producer.send(Message::new(TOPIC, "x")).await.unwrap();
    eventually("the session over TLS", || {
        fake.count(|call| matches!(call, Call::Settings(_))) > 0
    })
    .await;
}

#[tokio::test]
async fn a_server_of_another_ca_is_not_spoken_to_and_the_file_is_named() {
    let fake = Fake::start_over(server_tls()).await;
    let said = refusal(&fake, Some(trusting("another-ca.pem"))).await;
    assert!(
        said.contains("another-ca.pem") && said.contains("ca_file"),
        "{said}"
    );
    let said = refusal(&fake, Some(TlsConfig::default())).await;
    assert!(said.contains("the system's roots"), "{said}");
}

#[tokio::test]
async fn a_server_of_another_name_is_not_spoken_to_and_a_given_name_is_the_one_that_counts() {
    let fake = Fake::start_over(server_tls()).await;
    let named = |name: &str| TlsConfig {
        server_name: Some(name.to_owned()),
        ..trusting("ca.pem")
    };
    let said = refusal(&fake, Some(named("broker.example"))).await;
    assert!(
        said.contains("broker.example") && said.contains("server_name"),
        "{said}"
    );
    send(config(&fake, Some(named("localhost")))).await.unwrap();
}

#[tokio::test]
async fn a_server_in_plain_text_is_told_from_one_of_tls() {
    let plain = Fake::start().await;
    let said = refusal(&plain, Some(trusting("ca.pem"))).await;
    assert!(said.contains("does not speak TLS"), "{said}");
    let secure = Fake::start_over(server_tls()).await;
    refusal(&secure, None).await;
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_a_server_that_wants_one() {
    let wanting = server_tls().client_ca_root(Certificate::from_pem(pem("ca.pem")));
    let fake = Fake::start_over(wanting).await;
    // The server's word may be cut off by its closing the connection; then it is asked again.
    let mut said = refusal(&fake, Some(trusting("ca.pem"))).await;
    for _ in 0..20 {
        if said.contains("client certificate") {
            break;
        }
        assert!(said.contains("closed"), "{said}");
        said = refusal(&fake, Some(trusting("ca.pem"))).await;
    }
    assert!(said.contains("client certificate"), "{said}");
    send(config(&fake, Some(showing("client.pem", "client.key"))))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_file_that_is_not_what_it_should_be_is_named_before_anything_is_connected() {
    let ca = |name: &str| trusting(name);
    for (tls, field, words) in [
        (ca("missing.pem"), "tls.ca_file", "No such file"),
        (ca("README.md"), "tls.ca_file", "no certificate"),
        (ca("client.key"), "tls.ca_file", "no certificate"),
        (
            showing("client.key", "client.key"),
            "tls.client_certificate_file",
            "no certificate",
        ),
        (
            showing("client.pem", "client.pem"),
            "tls.client_key_file",
            "no private key",
        ),
        (
            showing("client.pem", "missing.key"),
            "tls.client_key_file",
            "No such file",
        ),
        (
            showing("client.pem", "server.key"),
            "tls.client_key_file",
            "is not the key of",
        ),
        (
            TlsConfig {
                server_name: Some("a b".to_owned()),
                ..ca("ca.pem")
            },
            "tls.server_name",
            "",
        ),
    ] {
        let config = ClientConfig {
            tls: Some(tls.clone()),
            ..Default::default()
        };
        let error = Client::new(config).unwrap_err();
        match error.kind() {
            ErrorKind::Invalid { field: named, .. } => assert_eq!(*named, field, "{error}"),
            other => panic!("{other}"),
        }
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert!(!error.to_string().contains("PRIVATE"), "{error}");
    }
}

#[tokio::test]
async fn every_call_is_signed_as_of_its_own_time_also_after_a_reconnect() {
    let mut fake = Fake::start().await;
    let credentials = Credentials::new("someone", "secret")
        .and_then(|made| made.with_session_token("token"))
        .unwrap();
    let client = Client::new(ClientConfig {
        credentials: Some(credentials),
        ..config(&fake, None)
    })
    .unwrap();
    let producer = Producer::start(&client, vec![TOPIC.to_owned()])
        .await
        .unwrap();
    producer.send(Message::new(TOPIC, "x")).await.unwrap();
    let signed = |fake: &Fake| fake.state.signed.lock().unwrap().clone();
    eventually("a session", || {
        fake.count(|call| matches!(call, Call::Settings(_))) > 0
    })
    .await;
    let first = signed(&fake);
    fake.die().await;
    fake.listen().await;
    // The date is in whole seconds: sent until there is another one.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !signed(&fake).iter().any(|call| call.1 != first[0].1) {
        assert!(tokio::time::Instant::now() < deadline, "no newer signature");
        producer.send(Message::new(TOPIC, "x")).await.unwrap();
    }
    for (authorization, date, token) in signed(&fake) {
        assert!(authorization.starts_with("MQv2-HMAC-SHA1 Credential=someone, "));
        assert!(!authorization.contains("secret"));
        assert_eq!(date.len(), "20260102T030405Z".len());
        assert_eq!(token, "token");
    }
}

#[tokio::test]
async fn an_unknown_user_and_a_missing_right_are_told_apart() {
    let fake = Fake::start().await;
    for (words, known) in [
        ("check signature failed.", false),
        (
            "User:a has no permission to access Topic:t from 127.0.0.1, no matched policies.",
            true,
        ),
    ] {
        fake.script().send_status = Some(rocketmq_wire::status(v2::Code::Unauthorized, words));
        let error = send(config(&fake, None)).await.unwrap_err();
        let is_known = matches!(error.kind(), ErrorKind::NotAllowed { .. });
        let is_unknown = matches!(error.kind(), ErrorKind::NotAuthenticated { .. });
        assert_eq!((is_known, is_unknown), (known, !known), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}
