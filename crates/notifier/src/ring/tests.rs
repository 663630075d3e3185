//! Attempts against a real server on a socket that behaves as badly as receivers do.

mod receiver;

use notification::{Acceptance, EndpointId, Operation, Secret, verify};
use service::http_client::{self, HttpOptions};

use self::receiver::{Receiver, Seen};
use super::*;
use crate::copy::tests::copy;

const NOW: i64 = 1_700_000_000_000; // Tue, 14 Nov 2023 22:13:20 GMT

fn secret(byte: u8) -> Secret {
    use base64::Engine;
    let key = base64::engine::general_purpose::STANDARD.encode([byte; 32]);
    format!("whsec_{key}").parse().unwrap()
}

fn endpoint(url: &str) -> Endpoint {
    Endpoint {
        id: EndpointId::new("bank2").unwrap(),
        operation: Operation::Open,
        operation_since_ms: 0,
        url: url.parse().unwrap(),
        url_text: url.into(),
        secrets: vec![secret(1), secret(2)],
        client: http_client::build(&HttpOptions::default()).unwrap(),
        ladder: None,
        timeout: Duration::from_secs(5),
        acceptance: Acceptance::default(),
    }
}

fn ringer() -> (Ringer, service::clock::ClockHand) {
    let (clock, hand) = Clock::manual(NOW);
    (Ringer::new(clock), hand)
}

async fn rung(endpoint: &Endpoint) -> Rung {
    ringer().0.ring(endpoint, &copy()).await
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
    let rung = ringer().0.ring(&endpoint(&receiver.url()), &sent).await;
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
    ringer.ring(&endpoint, &copy()).await;
    hand.advance(Duration::from_secs(3600));
    ringer.ring(&endpoint, &copy()).await;
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
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let rung = rung(&endpoint(&gone)).await;
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
