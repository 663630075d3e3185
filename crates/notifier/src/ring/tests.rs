//! Attempts against a real server on a socket that behaves as badly as receivers do.

mod receiver;

use database::testing::Vacant;
use notification::{Secret, SigningSecret, VerifyError, verify};

use self::receiver::{Receiver, Seen};
use super::*;
use crate::config::{EgressConfig, EndpointConfig};
use crate::copy::tests::copy;
use crate::egress::{Egress, Names};

const NOW: i64 = 1_700_000_000_000; // Tue, 14 Nov 2023 22:13:20 GMT

fn secret(byte: u8) -> Secret {
    use base64::Engine;
    let key = base64::engine::general_purpose::STANDARD.encode([byte; 32]);
    format!("whsec_{key}").parse().unwrap()
}

/// Loopback may be rung.
fn egress() -> Egress {
    let config: EgressConfig = toml::from_str(r#"allow = ["127.0.0.0/8"]"#).unwrap();
    Egress::new(&config)
}

fn configured(url: &str, more: &str) -> EndpointConfig {
    let (new, old) = (secret(1).expose(), secret(2).expose());
    let text = format!(
        "id = \"bank2\"\nurl = \"{url}\"\nsecrets = [\"{new}\", \"{old}\"]\ntimeout = \"5s\"\n{more}"
    );
    toml::from_str(&text).unwrap()
}

fn endpoint(url: &str) -> Endpoint {
    Endpoint::new(&configured(url, ""), None, &egress()).unwrap()
}

fn ringer() -> (Ringer, service::clock::ClockHand) {
    let (clock, hand) = Clock::manual(NOW);
    (Ringer::new(clock), hand)
}

async fn rung(endpoint: &Endpoint) -> Rung {
    ringer().0.ring(endpoint, &copy(), 1).await
}

/// Rings a receiver that answers with these bytes.
async fn answered(answer: &str) -> Rung {
    let receiver = Receiver::answering(answer).await;
    rung(&endpoint(&receiver.url())).await
}

fn reply(rung: &Rung) -> &Reply {
    rung.result.as_ref().unwrap()
}

#[tokio::test]
async fn the_body_goes_out_as_it_is_and_every_secret_signs_it() {
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let mut sent = copy();
    sent.content.body = Bytes::from_static(b"\x00{\"a\":1}\xff");
    sent.generation = 3;
    let rung = ringer().0.ring(&endpoint(&receiver.url()), &sent, 7).await;
    assert_eq!(
        (reply(&rung).status, &reply(&rung).body[..]),
        (200, &b"ok"[..])
    );
    let Seen { head, body } = receiver.seen().await;
    assert_eq!(body, sent.content.body);
    let header = |name: &str| head.get(name).unwrap().as_str();
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("webhook-id"), sent.key.tx_no.to_string());
    assert_eq!(header("webhook-timestamp"), "1700000000");
    assert_eq!(header("ringback-source"), "bank1");
    assert_eq!(header("ringback-event-type"), "transfer");
    assert_eq!(header("ringback-generation"), "3");
    assert_eq!(header("webhook-attempt"), "7");
    assert_eq!(header("accept-encoding"), "identity");
    let agent = concat!("Ringback/", env!("CARGO_PKG_VERSION"));
    assert_eq!(header("user-agent"), agent);
    assert!(!head.contains_key("traceparent"));
    for known in [secret(1), secret(2)] {
        let (id, signature) = (header("webhook-id"), header("webhook-signature"));
        let now_s = NOW / 1000;
        let verified = verify(&[known], id, now_s, signature, &body, now_s, 300);
        assert_eq!(verified, Ok(0));
    }
}

#[tokio::test]
async fn each_attempt_is_signed_anew() {
    let receiver = Receiver::answering("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n").await;
    let (ringer, hand) = ringer();
    let endpoint = endpoint(&receiver.url());
    ringer.ring(&endpoint, &copy(), 1).await;
    hand.advance(Duration::from_secs(3600));
    ringer.ring(&endpoint, &copy(), 1).await;
    let (first, second) = (receiver.seen().await.head, receiver.seen().await.head);
    assert_eq!(second["webhook-timestamp"], "1700003600");
    assert_ne!(first["webhook-signature"], second["webhook-signature"]);
    assert_eq!(first["webhook-id"], second["webhook-id"]);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let elsewhere = Receiver::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let answer = format!(
        "HTTP/1.1 307 Over There\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        elsewhere.url()
    );
    assert_eq!(reply(&answered(&answer).await).status, 307);
    assert_eq!(elsewhere.requests(), 0);
}

#[tokio::test]
async fn retry_after_and_date_are_read() {
    let answer = "HTTP/1.1 503 Later\r\nretry-after: 120\r\n\
         date: Tue, 14 Nov 2023 22:15:00 GMT\r\ncontent-length: 0\r\n\r\n";
    let rung = answered(answer).await;
    assert_eq!(reply(&rung).retry_after, Some(Duration::from_secs(120)));
    assert_eq!(rung.skew, Some(100));
}

#[tokio::test]
async fn of_a_long_answer_a_kilobyte_is_kept() {
    let answer = format!(
        "HTTP/1.1 500 No\r\ncontent-length: 65536\r\n\r\n{}",
        "x".repeat(65_536)
    );
    let rung = answered(&answer).await;
    assert_eq!(reply(&rung).body.len(), 65_536);
    assert!(!reply(&rung).cut);
    assert_eq!(rung.excerpt().len(), 1024);
}

#[tokio::test]
async fn of_an_answer_that_is_too_large_the_beginning_is_read() {
    let announced = format!(
        "HTTP/1.1 503 Later\r\nretry-after: 7\r\ncontent-length: 65537\r\n\r\n{}",
        "x".repeat(65_537)
    );
    let rung = answered(&announced).await;
    assert!(reply(&rung).cut);
    assert_eq!(reply(&rung).body.len(), 65_536);
    assert_eq!(reply(&rung).retry_after, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn a_flood_is_cut_off() {
    let receiver = Receiver::flooding().await;
    let rung = rung(&endpoint(&receiver.url())).await;
    assert!(reply(&rung).cut);
    assert_eq!(reply(&rung).body.len(), 65_536);
}

#[tokio::test]
async fn a_receiver_that_never_answers_runs_into_the_deadline() {
    let receiver = Receiver::hanging().await;
    let impatient = Endpoint {
        timeout: Duration::from_millis(200),
        ..endpoint(&receiver.url())
    };
    let rung = rung(&impatient).await;
    assert_eq!(rung.result, Err(AttemptError::Timeout));
    assert_eq!(rung.status, None);
}

#[tokio::test]
async fn an_answer_that_drips_has_no_longer_than_one_that_hangs() {
    let receiver = Receiver::dripping().await;
    let impatient = Endpoint {
        timeout: Duration::from_millis(300),
        ..endpoint(&receiver.url())
    };
    let began = std::time::Instant::now();
    let rung = rung(&impatient).await;
    assert_eq!(rung.result, Err(AttemptError::Timeout));
    assert_eq!(rung.status, Some(200), "it had begun to answer");
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_connection_that_breaks_is_a_reset_wherever_it_breaks() {
    assert_eq!(answered("").await.result, Err(AttemptError::Reset));
    let halfway = answered("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf").await;
    assert_eq!(halfway.result, Err(AttemptError::Reset));
}

#[tokio::test]
async fn what_is_not_http_is_a_protocol_error() {
    let rung = answered("SSH-2.0-OpenSSH_9.2\r\n").await;
    assert_eq!(rung.result, Err(AttemptError::Protocol));
}

#[tokio::test]
async fn nobody_listening_is_a_connect_error() {
    let vacant = Vacant::new();
    let rung = rung(&endpoint(&format!("http://{}/", vacant.address()))).await;
    assert_eq!(rung.result, Err(AttemptError::Connect));
    assert!(rung.detail.unwrap().contains("refused"));
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_a_dns_error() {
    let rung = rung(&endpoint("http://nobody.invalid/notifications")).await;
    assert_eq!(rung.result, Err(AttemptError::Dns));
}

#[tokio::test]
async fn a_failed_handshake_is_a_tls_error() {
    let plain = Receiver::answering("HTTP/1.1 400 Plain\r\ncontent-length: 0\r\n\r\n").await;
    let url = plain.url().replace("http://", "https://");
    assert_eq!(rung(&endpoint(&url)).await.result, Err(AttemptError::Tls));
}

#[tokio::test]
async fn while_secrets_rotate_both_sign_and_then_the_new_one_alone() {
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let (ringer, hand) = ringer();
    let mut endpoint = endpoint(&receiver.url());
    let (new, old) = (secret(1), secret(2));
    endpoint.secrets = vec![
        new.clone().into(),
        SigningSecret {
            until_ms: Some(NOW + 3_600_000),
            ..old.clone().into()
        },
    ];
    let believed = async || {
        ringer.ring(&endpoint, &copy(), 1).await;
        let Seen { head, body } = receiver.seen().await;
        let at_s: i64 = head["webhook-timestamp"].parse().unwrap();
        let (id, signature) = (&head["webhook-id"], &head["webhook-signature"]);
        [&new, &old].map(|known| {
            let known = std::slice::from_ref(known);
            verify(known, id, at_s, signature, &body, at_s, 300)
        })
    };
    assert_eq!(believed().await, [Ok(0), Ok(0)]);
    hand.advance(Duration::from_secs(3600));
    assert_eq!(believed().await, [Ok(0), Err(VerifyError::NoMatch)]);
}

#[tokio::test]
async fn the_trace_goes_on_in_a_span_of_the_attempts_own() {
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let (ringer, _hand) = ringer();
    let mut traced = copy();
    let given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    traced.content.traceparent = Some(given.into());
    let mut spans = Vec::new();
    for number in 1..=2 {
        let rung = ringer
            .ring(&endpoint(&receiver.url()), &traced, number)
            .await;
        let told = receiver.seen().await.head["traceparent"].clone();
        let id = rung.id.to_string().replace('-', "");
        let expected = format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", &id[16..]);
        assert_eq!(told, expected, "the attempt's row leads to its span");
        spans.push(told);
    }
    assert_ne!(spans[0], spans[1]);
    traced.content.traceparent =
        Some(given.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)));
    ringer.ring(&endpoint(&receiver.url()), &traced, 3).await;
    assert!(!receiver.seen().await.head.contains_key("traceparent"));
}

#[tokio::test]
async fn the_endpoints_own_headers_and_credentials_go_along() {
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let more = "headers = { x-tenant = \"7\" }\nbearer = \"token\"";
    let with = Endpoint::new(&configured(&receiver.url(), more), None, &egress()).unwrap();
    rung(&with).await;
    let head = receiver.seen().await.head;
    assert_eq!(
        (head["x-tenant"].as_str(), head["authorization"].as_str()),
        ("7", "Bearer token")
    );
}

#[tokio::test]
async fn a_refused_address_is_not_connected_to_however_it_is_spelt() {
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let port = receiver.url().split([':', '/']).nth(4).unwrap().to_owned();
    let closed = Egress::new(&EgressConfig::default());
    for host in [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "[::ffff:127.0.0.1]",
    ] {
        let url = format!("http://{host}:{port}/notifications");
        let refused = Endpoint::new(&configured(&url, ""), None, &closed).unwrap();
        let rung = rung(&refused).await;
        assert_eq!(rung.result, Err(AttemptError::AddressRefused), "{host}");
        assert!(rung.detail.unwrap().contains("loopback"), "{host}");
    }
    assert_eq!(receiver.requests(), 0);
}

/// The name is judged each time it is resolved, and what was judged is what is connected to.
#[tokio::test]
async fn a_name_that_is_rebound_to_a_refused_address_is_not_followed() {
    let receiver =
        Receiver::answering("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            .await;
    let config: EgressConfig = toml::from_str(r#"allow = ["127.0.0.1"]"#).unwrap();
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicU8::new(0));
    let count = asked.clone();
    let names = Names::asking(std::sync::Arc::new(move |_| {
        // 127.0.0.1 at first, which is allowed; then 127.0.0.2, which leads to the same socket or none and is not.
        let last = 1 + count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Box::pin(async move { Ok(vec![([127, 0, 0, last], 0).into()]) })
    }));
    let url = receiver.url().replace("127.0.0.1", "rebinding.example");
    let egress = Egress::resolving(&config, names);
    let endpoint = Endpoint::new(&configured(&url, ""), None, &egress).unwrap();
    assert_eq!(reply(&rung(&endpoint).await).status, 200);
    let rebound = rung(&endpoint).await;
    assert_eq!(rebound.result, Err(AttemptError::AddressRefused));
    assert!(
        rebound
            .detail
            .unwrap()
            .starts_with("rebinding.example leads to")
    );
    assert_eq!(receiver.requests(), 1);
}

#[tokio::test]
async fn a_proxy_that_is_configured_gets_the_request_with_the_receivers_name() {
    let proxy = Receiver::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let address = proxy.url().replace("/notifications", "");
    let config: EgressConfig = toml::from_str(&format!("proxy = \"{address}\"")).unwrap();
    let shop = configured("http://shop.example/in", "");
    let endpoint = Endpoint::new(&shop, None, &Egress::new(&config)).unwrap();
    assert_eq!(reply(&rung(&endpoint).await).status, 200);
    assert_eq!(proxy.seen().await.head["host"], "shop.example");
}
