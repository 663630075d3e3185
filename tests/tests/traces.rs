//! One trace from the request at bank1 to what bank2 does, as an OpenTelemetry collector is told it.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use std::collections::{BTreeMap, BTreeSet};

use demo::eventually;
use notification::TxNo;
use notification::api::bank1::TransferRequest;
use reqwest::StatusCode;
use ringback_tests::{Collector, PATIENCE, Setting, TestStage, ToldSpan, http, under_test};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const ASKER: &str = "b7ad6b7169203331";

/// OTLP's numbers.
const INTERNAL: i32 = 1;
const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const PRODUCER: i32 = 4;
const CONSUMER: i32 = 5;

async fn stage(collector: &Collector) -> TestStage {
    let telemetry = format!("\n[telemetry]\notlp = \"{}\"\n", collector.url());
    let setting = Setting {
        config: Box::new(move |text| text + &telemetry),
        ..Setting::default()
    };
    TestStage::raise(under_test!(), setting).await
}

/// Asks bank1 for a transfer, as part of a trace if one is given.
async fn ask(
    on: &TestStage,
    amount_fen: i64,
    traceparent: Option<String>,
) -> (TxNo, Option<StatusCode>) {
    let tx_no = on.world.fresh_tx_no();
    let body = TransferRequest {
        tx_no: Some(tx_no),
        from_account: "1".to_owned(),
        to_account: "2".to_owned(),
        amount_fen,
    };
    let url = format!("http://{}/transfers", on.stage.addresses.bank1);
    let mut request = http().post(url).json(&body).timeout(PATIENCE);
    if let Some(traceparent) = traceparent {
        request = request.header("traceparent", traceparent);
    }
    (
        tx_no,
        request.send().await.ok().map(|answer| answer.status()),
    )
}

fn named<'a>(spans: &'a [ToldSpan], name: &str) -> Vec<&'a ToldSpan> {
    spans.iter().filter(|span| span.name == name).collect()
}

/// Waits until so many spans of that name were told in the trace, then gives all of it.
async fn until(collector: &Collector, trace: &str, name: &str, count: usize) -> Vec<ToldSpan> {
    let what = format!("{count} spans {name}");
    eventually(&what, PATIENCE, || async {
        let spans = collector.spans_of(trace);
        Ok((named(&spans, name).len() >= count).then_some(spans))
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_with_retries_is_one_tree_of_spans() {
    let collector = Collector::start().await;
    let on = stage(&collector).await;
    // Given a transfer that is unwanted in its trace, and then one that bank2 refuses twice.
    let unwanted = TRACE.replace("0af", "0bf");
    let (_, told) = ask(&on, 1000, Some(format!("00-{unwanted}-{ASKER}-00"))).await;
    assert_eq!(told, Some(StatusCode::CREATED));
    let (tx_no, told) = ask(&on, 400, Some(format!("00-{TRACE}-{ASKER}-01"))).await;
    assert_eq!(told, Some(StatusCode::CREATED));

    until(&collector, TRACE, "apply", 3).await;
    until(&collector, TRACE, "transfer", 1).await;
    let spans = until(&collector, TRACE, "receive", 3).await;

    // Then it is one tree whose root is what the asker's span caused.
    let by_id: BTreeMap<&str, &ToldSpan> = spans.iter().map(|span| (&*span.id, span)).collect();
    assert_eq!(by_id.len(), spans.len(), "no id stands twice: {spans:#?}");
    let line = |span: &ToldSpan| {
        let parent = by_id.get(&*span.parent).map(|parent| &*parent.name);
        let parent = parent.unwrap_or(&span.parent).to_owned();
        (parent, span.service.clone(), span.name.clone(), span.kind)
    };
    let mut shape: BTreeMap<_, usize> = BTreeMap::new();
    for span in &spans {
        *shape.entry(line(span)).or_default() += 1;
        assert!(
            span.started_ns <= span.ended_ns && span.started_ns > 0,
            "{span:?}"
        );
    }
    let expected = [
        (ASKER, "bank1", "transfer", SERVER, 1),
        ("transfer", "bank1", "half", PRODUCER, 1),
        ("transfer", "bank1", "local_transaction", INTERNAL, 1),
        ("transfer", "bank1", "commit", CLIENT, 1),
        ("transfer", "notifier", "receive", CONSUMER, 3),
        ("receive", "notifier", "attempt", CLIENT, 3),
        ("receive", "notifier", "record", INTERNAL, 3),
        // The broker hears of two: the first rung, of a second, is waited out in the notifier.
        ("receive", "notifier", "settle", CLIENT, 2),
        ("attempt", "bank2", "apply", SERVER, 3),
    ];
    let expected = expected.map(|(parent, service, name, kind, count)| {
        let names = (parent.to_owned(), service.to_owned(), name.to_owned(), kind);
        (names, count)
    });
    assert_eq!(shape, BTreeMap::from(expected), "{spans:#?}");

    // Each attempt stands under a receive of its own, and what bank2 did under its attempt.
    let parents: BTreeSet<&str> = named(&spans, "attempt")
        .iter()
        .map(|span| &*span.parent)
        .collect();
    assert_eq!(parents.len(), 3);
    let attempt = |number: &str| {
        let of_number =
            |span: &&ToldSpan| by_id[&*span.parent].attributes["ringback.attempt"] == number;
        named(&spans, "attempt")
            .into_iter()
            .find(of_number)
            .unwrap()
    };
    for (number, status, error) in [("1", "500", true), ("2", "500", true), ("3", "200", false)] {
        let attempt = attempt(number);
        assert_eq!(attempt.attributes["http.response.status_code"], status);
        assert_eq!(attempt.error.is_some(), error, "{attempt:?}");
        let applied = named(&spans, "apply");
        let applied = applied
            .iter()
            .find(|span| span.parent == attempt.id)
            .unwrap();
        assert_eq!(applied.error.is_some(), error, "{applied:?}");
        assert_eq!(applied.attributes["ringback.tx_no"], tx_no.to_string());
    }

    // Nothing is told but these, no body and no secret; and nothing of the trace that nobody wants.
    let known = [
        "http.request.method",
        "http.response.status_code",
        "ringback.attempt",
        "ringback.endpoint",
        "ringback.generation",
        "ringback.group",
        "ringback.tx_no",
        "ringback.verdict",
    ];
    let keys: BTreeSet<&str> = spans
        .iter()
        .flat_map(|span| span.attributes.keys())
        .map(|key| &**key)
        .collect();
    assert_eq!(keys, BTreeSet::from(known));
    assert_eq!(collector.spans_of(&unwanted), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_back_belongs_to_the_trace_of_a_request_whose_process_died() {
    let collector = Collector::start().await;
    let mut on = stage(&collector).await;
    let (tx_no, told) = ask(&on, 800, Some(format!("00-{TRACE}-{ASKER}-01"))).await;
    assert_eq!(told, None, "bank1 dies in it");
    on.stage.bank1.start().await.unwrap();
    let spans = until(&collector, TRACE, "check_back", 1).await;
    let asked = named(&spans, "check_back")[0];
    assert_eq!((&*asked.service, asked.kind), ("bank1", SERVER));
    assert_eq!(asked.attributes["ringback.tx_no"], tx_no.to_string());
    assert_eq!(asked.attributes["ringback.resolution"], "commit");
    // What the dead process had not sent is missing; what it caused has the parent that it told.
    let spans = until(&collector, TRACE, "apply", 1).await;
    let received = named(&spans, "receive");
    assert!(
        received.iter().all(|span| span.parent == asked.parent),
        "{spans:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_trace_one_begins_and_a_collector_that_is_away_costs_a_line() {
    let collector = Collector::start().await;
    let on = stage(&collector).await;
    collector.answers(StatusCode::SERVICE_UNAVAILABLE);
    let lines = |service: &str, event: &str| {
        let text =
            std::fs::read_to_string(on.folder.logs().join(format!("{service}.log"))).unwrap();
        text.matches(&format!("\"event\":\"{event}\"")).count()
    };
    let services = ["bank1", "bank2", "notifier"];
    for round in 1..=3 {
        let before = collector.requests();
        let (tx_no, told) = ask(&on, 1000, None).await;
        assert_eq!(told, Some(StatusCode::CREATED));
        on.world.settled(&tx_no, PATIENCE).await.unwrap();
        let tried = || async { Ok((collector.requests() >= before + 3).then_some(())) };
        let what = format!("three requests of round {round}");
        eventually(&what, PATIENCE, tried).await.unwrap();
    }
    for service in services {
        let told = || async { Ok((lines(service, "spans_not_taken") > 0).then_some(())) };
        eventually(&format!("{service} tells"), PATIENCE, told)
            .await
            .unwrap();
    }
    assert_eq!(collector.spans(), []);
    collector.answers(StatusCode::OK);
    let (tx_no, told) = ask(&on, 1000, None).await;
    assert_eq!(told, Some(StatusCode::CREATED));
    let applied = eventually("what bank2 did", PATIENCE, || async {
        let spans = collector.spans();
        let applied = |span: &&ToldSpan| {
            span.name == "apply" && span.attributes["ringback.tx_no"] == tx_no.to_string()
        };
        Ok(spans.iter().find(applied).cloned())
    })
    .await
    .unwrap();
    let spans = until(&collector, &applied.trace, "transfer", 1).await;
    assert_eq!(named(&spans, "transfer")[0].parent, "");

    for service in services {
        let again = || async { Ok((lines(service, "spans_taken_again") == 1).then_some(())) };
        eventually(&format!("{service} tells"), PATIENCE, again)
            .await
            .unwrap();
        assert_eq!(lines(service, "spans_not_taken"), 1, "{service}");
    }
}
