//! Tables of answers and what they mean.

use super::*;

fn reply(status: u16, body: &'static str) -> Result<Reply, AttemptError> {
    Ok(Reply {
        status,
        body: Bytes::from_static(body.as_bytes()),
        cut: false,
        retry_after: None,
    })
}

fn rule(accept: Accept) -> Acceptance {
    Acceptance {
        accept,
        ..Acceptance::default()
    }
}

fn field(field: &str, equals: &str) -> Acceptance {
    rule(Accept::Field {
        field: field.into(),
        equals: equals.into(),
    })
}

#[test]
fn statuses_mean_what_the_default_rule_says() {
    let default = Acceptance::default();
    for (status, meaning) in [
        (200, Verdict::Delivered),
        (204, Verdict::Delivered),
        (299, Verdict::Delivered),
        (100, Verdict::Refused),
        (301, Verdict::Refused),
        (307, Verdict::Refused),
        (400, Verdict::Refused),
        (404, Verdict::Refused),
        (410, Verdict::Rejected),
        (422, Verdict::Rejected),
        (429, Verdict::Refused),
        (500, Verdict::Refused),
        (503, Verdict::Refused),
    ] {
        assert_eq!(
            verdict(&default, &reply(status, "")),
            (meaning, None),
            "{status}"
        );
    }
}

#[test]
fn a_failure_is_refused_and_named() {
    for error in AttemptError::ALL {
        assert_eq!(
            verdict(&Acceptance::default(), &Err(*error)),
            (Verdict::Refused, Some(*error))
        );
    }
}

#[test]
fn a_body_rule_wants_that_body_and_a_2xx() {
    let alipay = rule(Accept::Body("success".into()));
    let refused = (Verdict::Refused, Some(AttemptError::NotAccepted));
    assert_eq!(
        verdict(&alipay, &reply(200, "success")),
        (Verdict::Delivered, None)
    );
    assert_eq!(
        verdict(&alipay, &reply(200, "success\r\n")),
        (Verdict::Delivered, None)
    );
    for body in ["", "fail", "Success", "success!", "\"success\""] {
        assert_eq!(verdict(&alipay, &reply(200, body)), refused, "{body}");
    }
    assert_eq!(
        verdict(&alipay, &reply(500, "success")),
        (Verdict::Refused, None)
    );
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_answer() {
    let marked = "\u{feff}success";
    let alipay = rule(Accept::Body("success".into()));
    assert_eq!(
        verdict(&alipay, &reply(200, marked)),
        (Verdict::Delivered, None)
    );
    let json = "\u{feff}{\"code\":\"SUCCESS\"}";
    assert_eq!(
        verdict(&field("code", "SUCCESS"), &reply(200, json)),
        (Verdict::Delivered, None)
    );
}

#[test]
fn an_answer_that_was_cut_off_is_judged_by_its_status_unless_the_rule_asks_for_its_body() {
    let cut = |status| reply(status, "success").map(|whole| Reply { cut: true, ..whole });
    let default = Acceptance::default();
    let alipay = rule(Accept::Body("success".into()));
    assert_eq!(verdict(&default, &cut(200)), (Verdict::Delivered, None));
    assert_eq!(verdict(&default, &cut(503)), (Verdict::Refused, None));
    for acceptance in [&default, &alipay] {
        assert_eq!(verdict(acceptance, &cut(410)), (Verdict::Rejected, None));
    }
    assert_eq!(
        verdict(&alipay, &cut(200)),
        (Verdict::Refused, Some(AttemptError::TooLarge))
    );
}

#[test]
fn a_field_rule_reads_the_top_of_a_json_object() {
    let wechat = field("code", "SUCCESS");
    let refused = (Verdict::Refused, Some(AttemptError::NotAccepted));
    let good = reply(200, r#"{"code":"SUCCESS","message":"ok"}"#);
    assert_eq!(verdict(&wechat, &good), (Verdict::Delivered, None));
    for body in [
        "",
        "SUCCESS",
        r#"{"code":"FAIL"}"#,
        r#"{"data":{"code":"SUCCESS"}}"#,
        r#"["code"]"#,
        r#"{"code":"SUCCESS""#,
    ] {
        assert_eq!(verdict(&wechat, &reply(200, body)), refused, "{body}");
    }
    assert_eq!(
        verdict(&field("code", "0"), &reply(200, r#"{"code":0}"#)),
        (Verdict::Delivered, None)
    );
}

#[test]
fn a_rejection_beats_the_body() {
    let alipay = rule(Accept::Body("success".into()));
    assert_eq!(
        verdict(&alipay, &reply(410, "success")),
        (Verdict::Rejected, None)
    );
}

#[test]
fn configuration_spells_the_three_rules() {
    for (json, accept) in [
        (r#""2xx""#, Accept::Status2xx),
        (r#"{"body":"success"}"#, Accept::Body("success".into())),
        (
            r#"{"field":"code","equals":"SUCCESS"}"#,
            Accept::Field {
                field: "code".into(),
                equals: "SUCCESS".into(),
            },
        ),
    ] {
        assert_eq!(serde_json::from_str::<Accept>(json).unwrap(), accept);
        assert_eq!(serde_json::to_string(&accept).unwrap(), json);
    }
    for bad in [
        r#""3xx""#,
        r#"{"body":"x","field":"y"}"#,
        r#"{"field":"y"}"#,
        "200",
    ] {
        let error = serde_json::from_str::<Accept>(bad).unwrap_err().to_string();
        assert!(error.contains("2xx"), "{bad}: {error}");
    }
}

#[test]
fn a_rejection_that_is_no_error_is_refused() {
    let bad = Acceptance {
        reject: vec![410, 200],
        ..Acceptance::default()
    };
    assert_eq!(bad.check().unwrap_err().value, "200");
    assert!(Acceptance::default().check().is_ok());
}
