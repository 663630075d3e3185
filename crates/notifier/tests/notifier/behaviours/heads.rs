//! Heads: large, endless, broken, and what is no HTTP at all.

use std::time::Duration;

use bytes::Bytes;

use super::receiver::Step;
use super::row::{Row, delivered, failed, send, whole};

fn with(headers: &str) -> Bytes {
    whole("200 OK", headers, "ok")
}

fn lines(count: usize) -> String {
    (0..count).map(|n| format!("x-{n}: 1\r\n")).collect()
}

pub(super) fn rows() -> Vec<Row> {
    let head = |line: &str| format!("HTTP/1.1 200 OK\r\n{line}\r\ncontent-length: 0\r\n\r\n");
    let protocol = || failed("protocol", None);
    vec![
        Row::answers(
            "a header of 60,000 bytes",
            with(&format!("x: {}\r\n", "a".repeat(60_000))),
            delivered(200),
        ),
        Row::answers(
            "a header of 2,000,000 bytes",
            with(&format!("x: {}\r\n", "a".repeat(2_000_000))),
            failed("too_large", None),
        ),
        // With its content-length there are a hundred.
        Row::answers("a hundred headers", with(&lines(99)), delivered(200)),
        Row::answers(
            "a thousand headers",
            with(&lines(1000)),
            failed("too_large", None),
        ),
        Row::new(
            "a header without end",
            vec![
                Step::Read,
                send("HTTP/1.1 200 OK\r\nx: "),
                Step::Repeat(vec![b'a'; 4096].into(), Duration::ZERO),
            ],
            failed("too_large", None),
        ),
        Row::new(
            "headers without end",
            vec![
                Step::Read,
                send("HTTP/1.1 200 OK\r\n"),
                Step::Repeat("x: 1\r\n".repeat(100).into(), Duration::ZERO),
            ],
            failed("too_large", None),
        ),
        Row::new(
            "a head that trickles",
            vec![
                Step::Read,
                Step::Repeat(Bytes::from_static(b"H"), Duration::from_secs(60)),
            ],
            failed("timeout", None),
        )
        .impatient(),
        Row::answers(
            "a header line without a colon",
            head("no colon here"),
            protocol(),
        ),
        Row::answers("a header name with a blank", head("x y: 1"), protocol()),
        Row::answers(
            "a header value with a zero byte",
            head("x: a\0b"),
            protocol(),
        ),
        Row::answers("a folded header line", head("x: a\r\n b"), protocol()),
        Row::answers(
            "a header value that is not ASCII",
            head("x: grüße"),
            delivered(200),
        ),
        Row::answers(
            "lines that end with LF alone",
            "HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
            delivered(200),
        ),
        Row::answers(
            "blank lines before the status line",
            [b"\r\n\r\n".as_slice(), &with("")].concat(),
            delivered(200),
        ),
        Row::answers("HTTP/1.0 200", "HTTP/1.0 200 OK\r\n\r\nok", delivered(200)),
        Row::answers("HTTP/0.9: a body and nothing else", "success", protocol()),
        Row::answers("HTTP/3.0 200", "HTTP/3.0 200 OK\r\n\r\n", protocol()),
        Row::answers(
            "`http/1.1` in small letters",
            "http/1.1 200 OK\r\n\r\n",
            protocol(),
        ),
        Row::answers(
            "a request instead of an answer",
            "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
            protocol(),
        ),
        Row::answers("SSH", "SSH-2.0-OpenSSH_9.2\r\n", protocol()),
        Row::answers("SMTP", "220 mail.example ESMTP\r\n", protocol()),
        Row::answers(
            "bytes that are nothing",
            (0..=255).collect::<Vec<u8>>(),
            protocol(),
        ),
        Row::answers(
            "a TLS alert in the clear",
            b"\x15\x03\x03\x00\x02\x02\x46".to_vec(),
            protocol(),
        ),
        Row::answers(
            "two answers",
            [with(""), whole("500 No", "", "")].concat(),
            delivered(200),
        ),
    ]
}
