//! Every class of status, redirects among them, and what comes before the status that counts.

use std::time::Duration;

use super::receiver::Step;
use super::row::{
    Means, Row, Rule, answer_with, delivered, failed, refused, rejected, send, whole,
};

fn plain(does: &'static str, status: &'static str, means: Means) -> Row {
    Row::answers(does, whole(status, "", "what it says"), means)
}

/// Sent somewhere else, which a connection could follow.
fn redirect(does: &'static str, status: &'static str, to: &str, means: Means) -> Row {
    Row::answers(
        does,
        whole(status, &format!("location: {to}\r\n"), ""),
        means,
    )
}

pub(super) fn rows() -> Vec<Row> {
    let empty = |status: &str| format!("HTTP/1.1 {status}\r\n\r\n");
    let ok = whole("200 OK", "", "ok");
    let after = |first: &str| [first.as_bytes(), &ok].concat();
    vec![
        plain("200", "200 OK", delivered(200)),
        plain("201", "201 Created", delivered(201)),
        plain("202", "202 Accepted", delivered(202)),
        Row::answers("204, no body", empty("204 No Content"), delivered(204)),
        Row::answers(
            "204 with a body all the same",
            empty("204 No Content") + "surprise",
            delivered(204),
        ),
        Row::answers("205", whole("205 Reset Content", "", ""), delivered(205)),
        plain("206", "206 Partial Content", delivered(206)),
        plain("226", "226 IM Used", delivered(226)),
        plain(
            "299, which nobody has defined",
            "299 Whatever",
            delivered(299),
        ),
        plain("200 without a reason", "200", delivered(200)),
        plain("300", "300 Multiple Choices", refused(300)),
        redirect(
            "301 to another host",
            "301 Moved Permanently",
            "http://93.184.216.34/",
            refused(301),
        ),
        redirect(
            "302 to the metadata service",
            "302 Found",
            "http://169.254.169.254/latest/",
            refused(302),
        ),
        redirect("303", "303 See Other", "/seen", refused(303)),
        Row::answers("304", empty("304 Not Modified"), refused(304)),
        redirect(
            "307 to itself, a loop",
            "307 Temporary Redirect",
            "/",
            refused(307),
        ),
        redirect("308", "308 Permanent Redirect", "/new", refused(308)),
        plain("400", "400 Bad Request", refused(400)),
        plain("401", "401 Unauthorized", refused(401)),
        plain("402", "402 Payment Required", refused(402)),
        plain("403", "403 Forbidden", refused(403)),
        plain("404", "404 Not Found", refused(404)),
        plain("405", "405 Method Not Allowed", refused(405)),
        plain("407", "407 Proxy Authentication Required", refused(407)),
        plain("408", "408 Request Timeout", refused(408)),
        plain("409", "409 Conflict", refused(409)),
        plain("410", "410 Gone", rejected(410)),
        plain("411", "411 Length Required", refused(411)),
        plain("413", "413 Content Too Large", refused(413)),
        plain("415", "415 Unsupported Media Type", refused(415)),
        plain("418", "418 I'm a teapot", refused(418)),
        plain("421", "421 Misdirected Request", refused(421)),
        plain("422", "422 Unprocessable Content", rejected(422)),
        plain("425", "425 Too Early", refused(425)),
        plain("429", "429 Too Many Requests", refused(429)),
        plain("451", "451 Unavailable For Legal Reasons", refused(451)),
        plain("499", "499 Client Closed Request", refused(499)),
        plain(
            "404 where 404 is to be rejected",
            "404 Not Found",
            rejected(404),
        )
        .under(Rule::Reject(&[404])),
        plain("410 where only 404 is", "410 Gone", refused(410)).under(Rule::Reject(&[404])),
        plain("500", "500 Internal Server Error", refused(500)),
        plain("501", "501 Not Implemented", refused(501)),
        plain("502", "502 Bad Gateway", refused(502)),
        plain("503", "503 Service Unavailable", refused(503)),
        plain("504", "504 Gateway Timeout", refused(504)),
        plain("505", "505 HTTP Version Not Supported", refused(505)),
        plain("511", "511 Network Authentication Required", refused(511)),
        plain("599", "599 Whatever", refused(599)),
        plain("600", "600 Whatever", refused(600)),
        plain("999", "999 Whatever", refused(999)),
        Row::answers("status 42", empty("42 Short"), failed("protocol", None)),
        Row::answers("status 2000", empty("2000 Long"), failed("protocol", None)),
        Row::answers("status `OK`", empty("OK"), failed("protocol", None)),
        Row::answers(
            "100, then 200",
            after(&empty("100 Continue")),
            delivered(200),
        ),
        Row::answers(
            "102, then 200",
            after(&empty("102 Processing")),
            delivered(200),
        ),
        Row::answers(
            "103 with a link, then 200",
            after("HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n"),
            delivered(200),
        ),
        Row::answers(
            "a hundred times 100, then 200",
            after(&empty("100 Continue").repeat(100)),
            delivered(200),
        ),
        Row::new(
            "100 for ever",
            vec![
                Step::Read,
                Step::Repeat(empty("100 Continue").into(), Duration::from_millis(20)),
            ],
            failed("timeout", None),
        )
        .impatient(),
        Row::new(
            "100 and the end",
            answer_with(empty("100 Continue")),
            failed("reset", None),
        ),
        Row::answers(
            "101, an upgrade that nobody asked for",
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
            refused(101),
        ),
        Row::new(
            "413 when it has only begun to read the request",
            vec![
                Step::Begin,
                send(whole("413 Content Too Large", "connection: close\r\n", "")),
            ],
            refused(413),
        ),
    ]
}
