//! Names and connections: absent, refused, broken at every place.

use serde_json::json;

use super::receiver::Step;
use super::row::{At, Means, Row, delivered, failed, refused, send, whole};

/// Answers 401 to a request whose head does not hold this.
fn wants(does: &'static str, line: &'static str, means: Means) -> Row {
    let no = whole("401 Unauthorized", "", "who are you?");
    let script = vec![Step::Want(line, no), send(whole("200 OK", "", "ok"))];
    Row::new(does, script, means)
}

pub(super) fn rows() -> Vec<Row> {
    let reset = || failed("reset", None);
    let begins = |bytes: &'static str| vec![Step::Read, send(bytes)];
    vec![
        Row::elsewhere(
            "a name that does not exist",
            At::Url("http://nobody.invalid/"),
            failed("dns", None),
        ),
        Row::elsewhere(
            "a name that leads to a refused address (DNS rebinding)",
            At::Url("http://localhost:{port}/"),
            failed("address_refused", None),
        ),
        Row::elsewhere("nobody listens", At::Nobody, failed("connect", None)),
        Row::new(
            "takes the connection and says nothing",
            vec![Step::Hold],
            failed("timeout", None),
        )
        .impatient(),
        Row::new(
            "reads the request and never answers",
            vec![Step::Read, Step::Hold],
            failed("timeout", None),
        )
        .impatient(),
        Row::new("ends the connection at once", vec![], reset()),
        Row::new("ends it after the request", vec![Step::Read], reset()),
        Row::new(
            "resets it when the request begins",
            vec![Step::Begin, Step::Reset],
            reset(),
        ),
        Row::new(
            "resets it after the request",
            vec![Step::Read, Step::Reset],
            reset(),
        ),
        Row::new(
            "ends within the status line",
            begins("HTTP/1.1 20"),
            reset(),
        ),
        Row::new(
            "ends after the status line",
            begins("HTTP/1.1 200 OK\r\n"),
            reset(),
        ),
        Row::new(
            "ends within the headers",
            begins("HTTP/1.1 200 OK\r\ncontent-le"),
            reset(),
        ),
        Row::new(
            "resets within the headers",
            [begins("HTTP/1.1 200 OK\r\n"), vec![Step::Reset]].concat(),
            reset(),
        ),
        Row::new(
            "says that it will say nothing, and stays",
            vec![Step::Read, Step::HalfClose, Step::Hold],
            reset(),
        ),
        Row::new(
            "answers, ends its side and stays",
            vec![
                Step::Read,
                send(whole("200 OK", "", "ok")),
                Step::HalfClose,
                Step::Hold,
            ],
            delivered(200),
        ),
        wants(
            "wants a header of its own",
            "x-tenant: 7\r\n",
            delivered(200),
        )
        .with(json!({ "headers": { "X-Tenant": "7" } })),
        wants(
            "wants a bearer token",
            "authorization: Bearer token\r\n",
            delivered(200),
        )
        .with(json!({ "bearer": "token" })),
        wants(
            "wants user and password",
            "authorization: Basic dTpw\r\n",
            delivered(200),
        )
        .with(json!({ "basic": { "user": "u", "password": "p" } })),
        wants(
            "wants a token that the endpoint does not have",
            "authorization: ",
            refused(401),
        ),
    ]
}
