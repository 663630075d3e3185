//! How late each rung is: RocketMQ's sixteen levels, compressed, all refused.

use std::time::Duration;

use crate::args::Run;
use crate::config::{Endpoint, Plan};
use crate::report::Figures;
use crate::rig::Rig;

use super::patience;

/// RocketMQ's levels in seconds.
const LEVELS_S: [u64; 16] = [
    10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200, 1800, 3600, 7200,
];

/// By how much they are shortened.
const COMPRESSED: u64 = 400;

/// How many begin each second: with a free slot, lateness is the ladder's own.
const PER_S: u64 = 100;

pub(crate) async fn run(run: &Run, count: u64) -> anyhow::Result<Figures> {
    let rungs_ms = LEVELS_S.map(|level| level * 1000 / COMPRESSED).to_vec();
    let ladder: Vec<String> = rungs_ms.iter().map(|ms| format!("{ms}ms")).collect();
    let plan = Plan {
        endpoints: vec![Endpoint::wide("rungs", "/rungs")],
        ladder: ladder.join(","),
        rungs_ms,
    };
    let mut rig = Rig::raise(run, &plan).await?;
    rig.notify().await?;
    rig.begin().await?;
    rig.loader
        .trickle(count, PER_S, |_| "rungs".to_owned())
        .await?;
    let attempts = count * (LEVELS_S.len() as u64 + 1);
    let climb: u64 = plan.rungs_ms.iter().sum();
    let within = patience(attempts) + Duration::from_millis(climb);
    rig.until_count(attempts, within).await?;
    rig.until_recorded("dead", count).await?;
    let told = rig.told().await?;
    let (climbing, whole) = told.climbed;
    anyhow::ensure!(
        (told.count, climbing, whole) == (attempts, count, count),
        "{} attempts for {climbing} messages, of which {whole} came {} times",
        told.count,
        LEVELS_S.len() + 1
    );
    let figures = rig.figures("ladder", attempts)?;
    let mut figures = figures.with_spread(told.lateness);
    let earliest = told.lateness.map_or(0.0, |spread| spread.min_ms);
    figures.note = format!(
        "lateness of {} rungs, levels/{COMPRESSED}; the earliest {earliest:.1} ms",
        attempts - count
    );
    rig.lower().await?;
    Ok(figures)
}
