//! `success`, `fail` and JSON, under the rules that ask for them.

use super::row::{Means, Row, Rule, delivered, failed, refused, rejected, whole};

const CODE: Rule = Rule::Field("code", "SUCCESS");

fn says(does: &'static str, body: impl AsRef<[u8]>, rule: Rule, means: Means) -> Row {
    Row::answers(does, whole("200 OK", "", body), means).under(rule)
}

pub(super) fn rows() -> Vec<Row> {
    let no = || failed("not_accepted", Some(200));
    let yes = || delivered(200);
    let of = |status: &str, body: &str| whole(status, "", body);
    vec![
        says("`success`", "success", Rule::Body, yes()),
        says("`success` and a line end", "success\r\n", Rule::Body, yes()),
        says(
            "`success` between blanks",
            " \t\nsuccess  ",
            Rule::Body,
            yes(),
        ),
        says(
            "`success` behind a byte order mark",
            "\u{feff}success",
            Rule::Body,
            yes(),
        ),
        says("`SUCCESS`", "SUCCESS", Rule::Body, no()),
        says("`Success`", "Success", Rule::Body, no()),
        says("`\"success\"`, quoted", "\"success\"", Rule::Body, no()),
        says("`success!`", "success!", Rule::Body, no()),
        says("`fail`", "fail", Rule::Body, no()),
        says("nothing", "", Rule::Body, no()),
        says(
            "a page that says success",
            "<html><body>success</body></html>",
            Rule::Body,
            no(),
        ),
        says(
            "`success` in UTF-16",
            b"s\0u\0c\0c\0e\0s\0s\0",
            Rule::Body,
            no(),
        ),
        Row::answers(
            "204",
            "HTTP/1.1 204 No Content\r\n\r\n",
            failed("not_accepted", Some(204)),
        )
        .under(Rule::Body),
        Row::answers(
            "201 `success`",
            of("201 Created", "success"),
            delivered(201),
        )
        .under(Rule::Body),
        Row::answers("500 `success`", of("500 No", "success"), refused(500)).under(Rule::Body),
        Row::answers("302 `success`", of("302 Found", "success"), refused(302)).under(Rule::Body),
        Row::answers("410 `success`", of("410 Gone", "success"), rejected(410)).under(Rule::Body),
        says("`fail`, when any 2xx will do", "fail", Rule::Status, yes()),
        says(
            "`{\"code\":\"SUCCESS\"}`",
            r#"{"code":"SUCCESS"}"#,
            CODE,
            yes(),
        ),
        says(
            "the same among other fields, spread out",
            "{\n \"message\": \"ok\",\n \"code\" : \"SUCCESS\"\n}\n",
            CODE,
            yes(),
        ),
        says(
            "the same behind a byte order mark",
            "\u{feff}{\"code\":\"SUCCESS\"}",
            CODE,
            yes(),
        ),
        says(
            "the same, escaped",
            "{\"\\u0063ode\":\"SUCCES\\u0053\"}",
            CODE,
            yes(),
        ),
        says(
            "`{\"code\":\"FAIL\",\"message\":\"no such order\"}`",
            r#"{"code":"FAIL","message":"no such order"}"#,
            CODE,
            no(),
        ),
        says(
            "`{\"code\":\"success\"}`",
            r#"{"code":"success"}"#,
            CODE,
            no(),
        ),
        says(
            "`{\"CODE\":\"SUCCESS\"}`",
            r#"{"CODE":"SUCCESS"}"#,
            CODE,
            no(),
        ),
        says(
            "the field further down",
            r#"{"data":{"code":"SUCCESS"}}"#,
            CODE,
            no(),
        ),
        says("an array", r#"[{"code":"SUCCESS"}]"#, CODE, no()),
        says("the bare word", "SUCCESS", CODE, no()),
        says("`null`", "null", CODE, no()),
        says("JSON that breaks off", r#"{"code":"SUCCESS""#, CODE, no()),
        says(
            "JSON and something behind it",
            r#"{"code":"SUCCESS"} ok"#,
            CODE,
            no(),
        ),
        says(
            "the field twice: the last counts",
            r#"{"code":"SUCCESS","code":"FAIL"}"#,
            CODE,
            no(),
        ),
        says("sixty thousand brackets", "[".repeat(60_000), CODE, no()),
        says(
            "`{\"code\":0}`",
            r#"{"code":0}"#,
            Rule::Field("code", "0"),
            yes(),
        ),
        says(
            "`{\"code\":\"0\"}`",
            r#"{"code":"0"}"#,
            Rule::Field("code", "0"),
            yes(),
        ),
        says(
            "`{\"code\":0.0}`",
            r#"{"code":0.0}"#,
            Rule::Field("code", "0"),
            no(),
        ),
        says(
            "`{\"ok\":true}`",
            r#"{"ok":true}"#,
            Rule::Field("ok", "true"),
            yes(),
        ),
        says(
            "`{\"ok\":\"true\"}`",
            r#"{"ok":"true"}"#,
            Rule::Field("ok", "true"),
            yes(),
        ),
        says(
            "`{\"ok\":false}`",
            r#"{"ok":false}"#,
            Rule::Field("ok", "true"),
            no(),
        ),
    ]
}
