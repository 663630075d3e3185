//! The scenarios, one after another.

mod black_hole;
mod drain;
mod ladder;
mod sleepers;
mod thousand_endpoints;

use std::time::Duration;

use clap::ValueEnum;

use crate::args::{Run, Scenario};
use crate::report::{self, Figures};

/// Runs what was asked for; each scenario's line is printed when it is done.
pub(crate) async fn run(run: Run) -> anyhow::Result<()> {
    let scenarios = match run.scenarios.as_slice() {
        [] => Scenario::value_variants(),
        some => some,
    };
    let mut all = Vec::new();
    for scenario in scenarios {
        let figures = one(*scenario, &run).await?;
        if run.json {
            println!("{}", serde_json::to_string(&figures)?);
        }
        all.push(figures);
    }
    let table = report::table(&all);
    if run.json {
        eprint!("{table}");
    } else {
        print!("{table}");
    }
    Ok(())
}

async fn one(scenario: Scenario, run: &Run) -> anyhow::Result<Figures> {
    match scenario {
        Scenario::Drain => drain::run(run, run.count.unwrap_or(100_000)).await,
        Scenario::BlackHole => black_hole::run(run, run.count.unwrap_or(10_000)).await,
        Scenario::BlackHoleAsleep => black_hole::asleep(run, run.count.unwrap_or(10_000)).await,
        Scenario::ThousandEndpoints => {
            thousand_endpoints::run(run, run.count.unwrap_or(20_000)).await
        }
        Scenario::Ladder => ladder::run(run, run.count.unwrap_or(500)).await,
        Scenario::Sleepers => sleepers::run(run, run.count.unwrap_or(1_000_000)).await,
    }
}

/// How long `count` messages may take at the least: far below any target, so that only what stands
/// still is given up.
fn patience(count: u64) -> Duration {
    Duration::from_secs(120 + count / 500)
}
