//! Bodies: too short, too long, endless, packed, garbled; and the two ways to announce one.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;

use super::receiver::Step;
use super::row::{Row, Rule, delivered, failed, refused, rejected, send, whole};

/// Ten megabytes of nothing in ten kilobytes.
fn bomb() -> Vec<u8> {
    gzip(&vec![0; 10 << 20])
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// An answer whose body goes on as fast as it is read.
fn endless(head: &'static str, piece: impl Into<Bytes>) -> Vec<Step> {
    vec![
        Step::Read,
        send(head),
        Step::Repeat(piece.into(), Duration::ZERO),
    ]
}

pub(super) fn rows() -> Vec<Row> {
    let chunked =
        |rest: &str| format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{rest}");
    let packed = "content-encoding: gzip\r\n";
    let ten_gb = "HTTP/1.1 200 OK\r\ncontent-length: 10737418240\r\n\r\n";
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let endless_chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let page = "<html>".repeat(20_000);
    vec![
        Row::answers(
            "a body up to the end of the connection",
            "HTTP/1.1 200 OK\r\n\r\nok",
            delivered(200),
        ),
        Row::answers("chunks", chunked("2\r\nok\r\n0\r\n\r\n"), delivered(200)),
        Row::answers(
            "chunks with an extension and a trailer",
            chunked("2;a=b\r\nok\r\n0\r\nx-sum: 1\r\n\r\n"),
            delivered(200),
        ),
        Row::answers(
            "a chunk whose size is no number",
            chunked("zz\r\nok\r\n"),
            failed("protocol", Some(200)),
        ),
        Row::answers(
            "chunks that break off",
            chunked("8\r\nok"),
            failed("reset", Some(200)),
        ),
        Row::answers(
            "chunks without a last one",
            chunked("2\r\nok\r\n"),
            failed("reset", Some(200)),
        ),
        Row::new(
            "chunks without end",
            endless(endless_chunks, chunk),
            delivered(200),
        ),
        Row::new(
            "a body without end or length",
            endless("HTTP/1.1 200 OK\r\n\r\n", vec![b'x'; 4096]),
            delivered(200),
        ),
        Row::new(
            "10 GB, announced and sent",
            endless(ten_gb, vec![b'x'; 4096]),
            delivered(200),
        ),
        Row::new(
            "10 GB",
            endless(ten_gb, vec![b'x'; 4096]),
            failed("too_large", Some(200)),
        )
        .under(Rule::Body),
        Row::new(
            "500 with a page without end",
            endless("HTTP/1.1 500 No\r\n\r\n", "<html>".repeat(100)),
            refused(500),
        ),
        Row::answers(
            "410 with a page of 120,000 bytes",
            whole("410 Gone", "", page),
            rejected(410),
        ),
        Row::answers(
            "content-length shorter than the body",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok and more",
            delivered(200),
        ),
        Row::answers(
            "content-length longer than the body",
            "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nok",
            failed("reset", Some(200)),
        ),
        Row::answers(
            "content-length -1",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            failed("protocol", None),
        ),
        Row::answers(
            "content-length 2 and 3",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
            failed("protocol", None),
        ),
        Row::answers(
            "content-length of thirty digits",
            format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
                "9".repeat(30)
            ),
            failed("protocol", None),
        ),
        Row::answers(
            "content-length and chunks",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            delivered(200),
        ),
        Row::answers(
            "gzip that nobody asked for",
            whole("200 OK", packed, gzip(b"success")),
            delivered(200),
        ),
        Row::answers(
            "`success`, packed with gzip",
            whole("200 OK", packed, gzip(b"success")),
            failed("not_accepted", Some(200)),
        )
        .under(Rule::Body),
        Row::answers(
            "a gzip bomb: 10 MB in 10 KB",
            whole("200 OK", packed, bomb()),
            delivered(200),
        ),
        Row::answers(
            "a gzip bomb",
            whole("200 OK", packed, bomb()),
            failed("not_accepted", Some(200)),
        )
        .under(Rule::Field("code", "SUCCESS")),
        Row::answers(
            "gzip that is none",
            whole("200 OK", packed, "no gzip"),
            delivered(200),
        ),
        Row::answers(
            "a body that is not UTF-8",
            whole("200 OK", "", b"\xff\xfe\x00ok"),
            delivered(200),
        ),
        Row::answers(
            "500 with a body that is not UTF-8",
            whole("500 No", "", b"caf\xe9"),
            refused(500),
        ),
        Row::answers(
            "JSON that is not UTF-8",
            whole("200 OK", "", b"{\"code\":\"SUCC\xffESS\"}"),
            failed("not_accepted", Some(200)),
        )
        .under(Rule::Field("code", "SUCCESS")),
        Row::new(
            "200, and then the body does not come",
            vec![
                Step::Read,
                send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"),
                Step::Hold,
            ],
            failed("timeout", Some(200)),
        )
        .impatient(),
        Row::new(
            "a body that trickles",
            vec![
                Step::Read,
                send("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"),
                Step::Repeat(Bytes::from_static(b"x"), Duration::from_millis(100)),
            ],
            failed("timeout", Some(200)),
        )
        .impatient(),
        Row::new(
            "a reset within the body",
            vec![
                Step::Read,
                send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"),
                Step::Reset,
            ],
            failed("reset", Some(200)),
        ),
        Row::new(
            "a whole answer on a connection that it keeps",
            vec![Step::Read, send(whole("200 OK", "", "ok")), Step::Hold],
            delivered(200),
        ),
    ]
}
