//! The table of receivers' behaviours: everything that a receiver was ever seen to do, and what it means.
//!
//! Each row is a receiver on a socket of its own, rung by a real notifier with a message from a real broker. What is
//! asserted is what anybody can see afterwards: the attempt's row, what became of the message at the broker, and when the
//! next attempt came. `docs/receiver-behaviours.md` is this table as it was observed; `RINGBACK_BLESS=1` writes it anew.

mod acceptance;
mod bodies;
mod certificates;
mod connections;
mod heads;
mod receiver;
mod retry_after;
mod row;
mod stage;
mod statuses;
mod table;
mod tls;

use futures::future::join_all;

use self::row::Row;
use self::stage::Stage;

/// The sections of the table, in its order.
fn sections() -> Vec<(&'static str, Vec<Row>)> {
    vec![
        ("Statuses", statuses::rows()),
        ("Names and connections", connections::rows()),
        ("TLS", tls::rows()),
        ("Heads", heads::rows()),
        ("Bodies", bodies::rows()),
        ("Acceptance", acceptance::rows()),
        ("Retry-After", retry_after::rows()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_behaviour_of_a_receiver_means_what_the_table_says() {
    let sections = sections();
    let rows: Vec<&Row> = sections.iter().flat_map(|(_, rows)| rows).collect();
    assert!(rows.len() >= 50);
    let stage = Stage::raise(&rows).await;
    let seen = join_all((0..rows.len()).map(|at| stage.observe(at))).await;
    let mut wrong = Vec::new();
    for (row, seen) in rows.iter().zip(&seen) {
        if let Err(what) = seen.agrees_with(row) {
            wrong.push(format!("{}: {what}", row.does));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} rows are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    let text = table::render(&sections, &seen);
    println!("{text}");
    stage.settles_as(&seen).await;
    table::agrees_with_the_documentation(&text);
    stage.strike().await;
}
