//! Endpoints: the list, one of them whole, and what came of a change or a test.

use notification::api::endpoint::{
    ClockShown, DefinedIn, EndpointMade, EndpointView, EndpointsPage, LaneShown, TestResult,
};
use notification::api::notifier::Repaired;
use notification::{Operation, Verdict};
use serde_json::Value;

use super::moment::{Now, span};
use super::{columns, count};
use crate::screen::Paint;

/// The most characters of an answer that are repeated.
const LONGEST_QUOTE: usize = 200;

/// Beyond this the notifier raises `clock_skew`.
const MOST_APART_S: u64 = 60;

/// The table of `endpoint list`, and the line below it.
pub fn list(page: &EndpointsPage, operation: Option<Operation>) -> String {
    let shown = u64::try_from(page.endpoints.len()).unwrap_or(u64::MAX);
    let kind = operation.map(|operation| format!("{operation} "));
    let one = format!("{}endpoint", kind.as_deref().unwrap_or_default());
    let more = if page.next.is_some() {
        " There are more."
    } else {
        ""
    };
    let foot = match shown {
        0 => format!("No {one}s."),
        shown => format!("{}.{more}", count(shown, &one)),
    };
    if page.endpoints.is_empty() {
        return foot;
    }
    let head = ["ID", "OPERATION", "URL", "LADDER", "DEFINED IN"].map(ToOwned::to_owned);
    let row = |view: &EndpointView| {
        let operation = match view.unusable {
            Some(_) => format!("{}, UNUSABLE", view.operation),
            None => view.operation.to_string(),
        };
        let ladder = view.endpoint.get("ladder").map(text);
        [
            setting(view, "id"),
            operation,
            setting(view, "url"),
            ladder.unwrap_or_else(|| "the group's".to_owned()),
            view.defined_in.to_string(),
        ]
    };
    let rows = std::iter::once(head).chain(page.endpoints.iter().map(row));
    format!("{}\n{foot}", columns(rows.collect()))
}

/// One endpoint whole.
pub fn show(view: &EndpointView, now: &Now) -> String {
    let id = setting(view, "id");
    let mut lines = vec![
        format!("{id}   {}", setting(view, "url")),
        operation(view, now),
    ];
    lines.push(match (view.defined_in, view.updated_ms) {
        (DefinedIn::File, _) => "  defined in the notifier's ringback.toml".to_owned(),
        (DefinedIn::Table, Some(updated_ms)) => format!(
            "  in the notifier's table, revision {}, changed {}{}",
            view.revision,
            now.clock(updated_ms),
            by(view.updated_by.as_deref())
        ),
        (DefinedIn::Table, None) => {
            format!("  in the notifier's table, revision {}", view.revision)
        }
    });
    if let Some(why) = &view.unusable {
        lines.push(format!("  UNUSABLE in the notifier that was asked: {why}"));
    }
    let mut rows: Vec<[String; 2]> = Vec::new();
    if !view.endpoint.contains_key("ladder") {
        rows.push(["  ladder".to_owned(), "the group's".to_owned()]);
    }
    let settings = view
        .endpoint
        .iter()
        .filter(|(key, _)| *key != "id" && *key != "url");
    rows.extend(settings.map(|(key, value)| [format!("  {key}"), text(value)]));
    rows.extend(
        view.hidden
            .iter()
            .map(|key| [format!("  {key}"), "(hidden)".to_owned()]),
    );
    for secret in &view.secrets {
        let until = secret
            .until_ms
            .map(|ms| format!(" until {}", now.clock(ms)));
        let line = format!("{}{}", secret.fingerprint, until.unwrap_or_default());
        rows.push(["  secret".to_owned(), line]);
    }
    lines.push(columns(rows));
    lines.extend(view.lane.as_ref().and_then(lane));
    lines.extend(view.clock.map(|shown| clock(shown, now)));
    lines.push(match view.operation {
        Operation::Open => format!("Try it:  ringback endpoint test {id}\nHold it: ringback endpoint pause {id} --reason '…'"),
        Operation::Paused => format!("Go on: ringback endpoint resume {id}"),
        Operation::Disabled => format!("Try it:       ringback endpoint test {id}\nRing it again: ringback endpoint enable {id}"),
    });
    lines.join("\n")
}

/// What was said by `endpoint repaired`.
pub fn repaired(said: &Repaired, now: &Now) -> String {
    let (id, at) = (&said.endpoint, now.clock(said.repaired_ms));
    format!(
        "{id} is repaired: what failed before {at} refuses no resend any more.\n\
         See what is dead: ringback dlq list --endpoint {id}"
    )
}

/// `  paused since 14:03:07 by operator: their maintenance`.
fn operation(view: &EndpointView, now: &Now) -> String {
    let since = view
        .operation_ms
        .filter(|_| view.operation != Operation::Open || view.operation_by.is_some());
    let since = since.map(|ms| {
        format!(
            " since {}{}",
            now.clock(ms),
            by(view.operation_by.as_deref())
        )
    });
    let why = view.operation_reason.as_ref().map(|why| format!(": {why}"));
    format!(
        "  {}{}{}",
        view.operation,
        since.unwrap_or_default(),
        why.unwrap_or_default()
    )
}

/// What is under way in the notifier that was asked, if anything is.
fn lane(lane: &LaneShown) -> Option<String> {
    let ms = |ms: u64| span(i64::try_from(ms).unwrap_or(i64::MAX));
    let mut parts = Vec::new();
    for (number, what) in [
        (lane.under_way, "under way"),
        (lane.waiting, "waiting"),
        (lane.asleep, "parked for want of room"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    if let (Some(open_ms), Some(probe_ms)) = (lane.open_for_ms, lane.probe_in_ms) {
        let (open, probe) = (ms(open_ms), ms(probe_ms));
        parts.push(format!("breaker open for {open}, probe in {probe}"));
    }
    if let Some(asked_ms) = lane.asked_to_wait_ms {
        parts.push(format!("asked to be left alone for {}", ms(asked_ms)));
    }
    (!parts.is_empty()).then(|| {
        format!(
            "  now, in the notifier that was asked: {}",
            parts.join(" · ")
        )
    })
}

/// `  its clock: 5 min 3 s ahead of the notifier's, at 14:03:07: signatures may be refused`.
fn clock(clock: ClockShown, now: &Now) -> String {
    let apart = i64::try_from(clock.ahead_s.unsigned_abs()).unwrap_or(i64::MAX);
    let way = match clock.ahead_s {
        ahead if ahead > 0 => "ahead of",
        _ => "behind",
    };
    let apart = match apart {
        0 => "as the notifier's".to_owned(),
        _ => format!("{} {way} the notifier's", span(apart.saturating_mul(1_000))),
    };
    let so = match clock.ahead_s.unsigned_abs() > MOST_APART_S {
        true => ": signatures may be refused as too old or too new",
        false => "",
    };
    format!("  its clock: {apart}, at {}{so}", now.clock(clock.read_ms))
}

fn by(name: Option<&str>) -> String {
    name.map(|name| format!(" by {name}")).unwrap_or_default()
}

/// What is told once one was added.
pub fn added(made: &EndpointMade) -> String {
    let id = setting(&made.view, "id");
    let mut lines = vec![format!("added {id}: {}", setting(&made.view, "url"))];
    lines.extend(made.secret.as_deref().map(told_once));
    lines.push(format!("Try it: ringback endpoint test {id}"));
    lines.join("\n")
}

/// What is told once a secret was rotated.
pub fn rotated(made: &EndpointMade, now: &Now) -> String {
    let id = setting(&made.view, "id");
    let until = made
        .view
        .secrets
        .iter()
        .filter_map(|secret| secret.until_ms)
        .max();
    let old = match until {
        Some(until_ms) => format!("the old secret signs too until {}", now.clock(until_ms)),
        None => "the old secret signs no more".to_owned(),
    };
    let mut lines = vec![format!("{id} signs with a new secret; {old}")];
    lines.extend(made.secret.as_deref().map(told_once));
    lines.join("\n")
}

fn told_once(secret: &str) -> String {
    format!("secret {secret}   shown this once: give it to the receiver")
}

/// What is told once settings were changed.
pub fn changed(view: &EndpointView, now: &Now) -> String {
    format!(
        "changed; effective everywhere within two seconds\n{}",
        show(view, now)
    )
}

/// What is told once it is operated otherwise.
pub fn operated(view: &EndpointView) -> String {
    let id = setting(view, "id");
    match view.operation {
        Operation::Open => format!(
            "{id} is open: held messages go out within a minute, parked ones as their parking ends"
        ),
        Operation::Paused => format!(
            "{id} is paused: everything for it is held, nothing is counted. Go on: ringback endpoint resume {id}"
        ),
        Operation::Disabled => format!(
            "{id} is disabled: everything for it is parked. Ring it again: ringback endpoint enable {id}"
        ),
    }
}

/// What a test met: `POST https://… → 200 in 12 ms   delivered`.
pub fn tested(result: &TestResult, paint: Paint) -> String {
    let took = span(i64::try_from(result.took_ms).unwrap_or(i64::MAX));
    let answer = match (result.status, result.error) {
        (Some(status), _) => format!("{status} in {took}"),
        (None, Some(error)) => format!(
            "no answer ({}) after {took}",
            super::attempt::words(error.as_str())
        ),
        (None, None) => format!("no answer after {took}"),
    };
    let verdict = match result.verdict {
        Verdict::Delivered => paint.good("DELIVERED"),
        _ => paint.bad(&result.verdict.as_str().to_uppercase()),
    };
    let mut lines = vec![format!("POST {} → {answer}   {verdict}", result.url)];
    let detail = result
        .detail
        .iter()
        .filter(|_| result.verdict != Verdict::Delivered);
    lines.extend(detail.map(|detail| format!("  {detail}")));
    if let Some(excerpt) = &result.excerpt {
        lines.push(format!("  {}", one_line(excerpt)));
    }
    lines.join("\n")
}

/// As much of a text as fits a line; what would end the line is a blank.
fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let shown: String = text.chars().take(LONGEST_QUOTE).map(plain).collect();
    let more = if text.chars().nth(LONGEST_QUOTE).is_some() {
        "…"
    } else {
        ""
    };
    format!("{shown}{more}")
}

fn setting(view: &EndpointView, key: &str) -> String {
    view.endpoint.get(key).map(text).unwrap_or_default()
}

/// A text as it is, anything else as JSON.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use notification::api::endpoint::SecretView;
    use serde_json::json;

    use super::*;
    use crate::render::moment::Zone;
    use crate::render::samples::{T0, tx_no};

    const NOW: Now = Now {
        ms: T0 + 21_000,
        zone: Zone::Utc,
    };

    fn view() -> EndpointView {
        let endpoint = json!({"id": "m1", "url": "https://m1.example/hook", "ladder": "1s 2s",
            "timeout": "10s", "reject": [410, 422]});
        EndpointView {
            endpoint: endpoint.as_object().unwrap().clone(),
            defined_in: DefinedIn::Table,
            operation: Operation::Paused,
            operation_ms: Some(T0),
            operation_by: Some("operator".into()),
            operation_reason: Some("their maintenance".into()),
            secrets: vec![
                SecretView {
                    fingerprint: "3f2a91bc".into(),
                    until_ms: None,
                },
                SecretView {
                    fingerprint: "99aa0011".into(),
                    until_ms: Some(T0 + 3_600_000),
                },
            ],
            hidden: vec!["headers.x-api-key".into()],
            revision: 12,
            created_ms: Some(T0),
            created_by: Some("operator".into()),
            updated_ms: Some(T0),
            updated_by: Some("operator".into()),
            unusable: None,
            lane: Some(LaneShown {
                waiting: 3,
                open_for_ms: Some(61_000),
                probe_in_ms: Some(4_000),
                ..LaneShown::default()
            }),
            clock: Some(ClockShown {
                ahead_s: -303,
                read_ms: T0,
            }),
        }
    }

    #[test]
    fn one_is_shown_whole_but_for_its_secrets() {
        let expected = "\
m1   https://m1.example/hook
  paused since 14:03:07 by operator: their maintenance
  in the notifier's table, revision 12, changed 14:03:07 by operator
  ladder             1s 2s
  reject             [410,422]
  timeout            10s
  headers.x-api-key  (hidden)
  secret             3f2a91bc
  secret             99aa0011 until 15:03:07
  now, in the notifier that was asked: 3 waiting · breaker open for 1 min 1 s, probe in 4 s
  its clock: 5 min 3 s behind the notifier's, at 14:03:07: signatures may be refused as too old or too new
Go on: ringback endpoint resume m1";
        assert_eq!(show(&view(), &NOW), expected);
    }

    #[test]
    fn a_clock_that_is_near_is_no_matter() {
        let shown = |ahead_s| {
            let read_ms = T0;
            clock(ClockShown { ahead_s, read_ms }, &NOW)
        };
        assert_eq!(shown(0), "  its clock: as the notifier's, at 14:03:07");
        let near = "  its clock: 1 min ahead of the notifier's, at 14:03:07";
        assert_eq!(shown(60), near);
        let far = shown(61);
        assert!(far.ends_with("refused as too old or too new"), "{far}");
    }

    #[test]
    fn the_list_says_where_each_is_defined() {
        let mut file = view();
        file.defined_in = DefinedIn::File;
        file.operation = Operation::Open;
        file.endpoint.insert("id".into(), json!("bank2"));
        file.endpoint.remove("ladder");
        let page = EndpointsPage {
            endpoints: vec![file, view()],
            next: None,
        };
        let expected = "\
ID     OPERATION  URL                      LADDER       DEFINED IN
bank2  open       https://m1.example/hook  the group's  file
m1     paused     https://m1.example/hook  1s 2s        table
2 endpoints.";
        assert_eq!(list(&page, None), expected);
        let none = EndpointsPage {
            endpoints: vec![],
            next: None,
        };
        assert_eq!(
            list(&none, Some(Operation::Disabled)),
            "No disabled endpoints."
        );
    }

    #[test]
    fn a_secret_that_was_made_is_told_with_what_to_do() {
        let made = EndpointMade {
            view: view(),
            secret: Some("whsec_abc".into()),
        };
        let text = added(&made);
        assert!(text.contains("whsec_abc   shown this once"), "{text}");
        let text = rotated(&made, &NOW);
        assert!(
            text.starts_with("m1 signs with a new secret; the old secret signs too until 15:03:07"),
            "{text}"
        );
    }

    #[test]
    fn a_test_tells_answer_verdict_and_excerpt() {
        let mut result = TestResult {
            endpoint: "m1".parse().unwrap(),
            url: "https://m1.example/hook".into(),
            tx_no: tx_no(),
            verdict: Verdict::Delivered,
            status: Some(200),
            error: None,
            detail: None,
            took_ms: 12,
            excerpt: Some("ok".into()),
        };
        let text = tested(&result, Paint::Plain);
        assert_eq!(
            text,
            "POST https://m1.example/hook → 200 in 12 ms   DELIVERED\n  ok"
        );
        result.verdict = Verdict::Refused;
        (result.status, result.excerpt) = (None, None);
        result.error = Some(notification::AttemptError::Connect);
        result.detail = Some("connect: connection refused".into());
        let text = tested(&result, Paint::Plain);
        assert!(
            text.contains("no answer (connect) after 12 ms   REFUSED\n  connect:"),
            "{text}"
        );
    }
}
