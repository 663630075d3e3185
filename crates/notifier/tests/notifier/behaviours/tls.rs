//! TLS: whom we believe, whom we show ourselves to, and what breaks.

use serde_json::{Value, json};

use super::certificates::{Authority, Leaf};
use super::receiver::{Step, Transport};
use super::row::{Row, answer_with, delivered, failed, send, whole};

const HERE: &[&str] = &["127.0.0.1"];

/// Trusts the authority.
fn trusting(authority: &Authority) -> Value {
    json!({ "tls": { "ca": authority.pem() } })
}

/// Trusts the authority, and shows this certificate.
fn showing(authority: &Authority, ours: &Leaf) -> Value {
    json!({ "tls": {
        "ca": authority.pem(), "certificate": ours.certificate_pem(), "key": ours.key_pem(),
    } })
}

pub(super) fn rows() -> Vec<Row> {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let years = 2020..4000;
    let good = ours.vouch(HERE, years.clone());
    let client = ours.vouch(&["notifier"], years.clone());
    let foreign = theirs.vouch(&["notifier"], years.clone());
    let ok = || whole("200 OK", "", "ok");
    let over = |does, config, means| {
        Row::new(does, answer_with(ok()), means)
            .over(Transport::Tls(config))
            .with(trusting(&ours))
    };
    let tls = || failed("tls", None);
    // https to a receiver that speaks no TLS, or breaks it.
    let below = |does, script, means| Row::new(does, script, means).with(trusting(&ours));
    vec![
        over(
            "a certificate by the endpoint's own CA",
            good.server(),
            delivered(200),
        ),
        over(
            "TLS 1.2 and no later",
            good.server_of(&rustls::version::TLS12),
            delivered(200),
        ),
        over(
            "TLS 1.3 and no earlier",
            good.server_of(&rustls::version::TLS13),
            delivered(200),
        ),
        over(
            "an expired certificate",
            ours.vouch(HERE, 2020..2021).server(),
            tls(),
        ),
        over(
            "a certificate that is not valid yet",
            ours.vouch(HERE, 3000..4000).server(),
            tls(),
        ),
        over(
            "a certificate for another host",
            ours.vouch(&["elsewhere.example"], years).server(),
            tls(),
        ),
        over(
            "a self-signed certificate",
            Leaf::of_its_own(HERE).server(),
            tls(),
        ),
        over(
            "a certificate by a CA that is not the endpoint's",
            theirs.vouch(HERE, 2020..4000).server(),
            tls(),
        ),
        over(
            "a certificate by a CA that nobody knows, the endpoint naming none",
            good.server(),
            tls(),
        )
        .with(json!({})),
        over(
            "asks for our certificate, and knows it",
            good.server_for(&ours),
            delivered(200),
        )
        .with(showing(&ours, &client)),
        over(
            "asks for our certificate, and there is none",
            good.server_for(&ours),
            tls(),
        ),
        over(
            "asks for our certificate, and does not know it",
            good.server_for(&ours),
            tls(),
        )
        .with(showing(&ours, &foreign)),
        // It answers a request: a connection that ends before one is on it is a reset. It stays until
        // we leave: with what it has not read yet, its end would be one too.
        Row::new(
            "agrees on HTTP/2, and then speaks something else",
            vec![
                Step::ReadHttp2,
                send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
                Step::Hold,
            ],
            failed("protocol", None),
        )
        .over(Transport::Tls(good.server_of_http2()))
        .with(trusting(&ours)),
        Row::new(
            "a body that ends with the connection, TLS closed in order",
            vec![Step::Read, send("HTTP/1.1 200 OK\r\n\r\nok")],
            delivered(200),
        )
        .over(Transport::Tls(good.server()))
        .with(trusting(&ours)),
        Row::new(
            "a body that ends with the connection, which anybody may have cut off",
            vec![Step::Read, send("HTTP/1.1 200 OK\r\n\r\nok"), Step::Vanish],
            failed("reset", Some(200)),
        )
        .over(Transport::Tls(good.server()))
        .with(trusting(&ours)),
        Row::new(
            "a whole answer, and TLS not closed in order",
            vec![Step::Read, send(ok()), Step::Vanish],
            delivered(200),
        )
        .over(Transport::Tls(good.server()))
        .with(trusting(&ours)),
        below(
            "plain HTTP where TLS is asked for",
            vec![send("HTTP/1.1 400 Bad Request\r\n\r\n")],
            tls(),
        ),
        below("bytes that are no TLS", vec![send(vec![0x42; 64])], tls()),
        below(
            "a TLS alert: handshake failure",
            vec![send(b"\x15\x03\x03\x00\x02\x02\x28".to_vec())],
            tls(),
        ),
        below(
            "ends within the handshake",
            vec![send(b"\x16\x03\x03\x00\x7a\x02".to_vec())],
            tls(),
        ),
        below(
            "says nothing to the handshake",
            vec![Step::Hold],
            failed("timeout", None),
        )
        .impatient(),
    ]
}
