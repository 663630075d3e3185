//! A backlog for a receiver that hangs, and traffic to five others of the same group meanwhile.

use crate::args::Run;
use crate::config::{Endpoint, Plan};
use crate::report::Figures;
use crate::rig::Rig;

use super::patience;

/// Healthy messages a second, over all five.
const PER_S: u64 = 500;

/// How many: half a minute's.
const HEALTHY: u64 = 15_000;

pub(crate) async fn run(run: &Run, count: u64) -> anyhow::Result<Figures> {
    let healthy = (0..5).map(|n| Endpoint::usual(format!("healthy-{n}"), "/ok"));
    let hole = Endpoint::usual("hole".to_owned(), "/hang");
    let plan = Plan {
        endpoints: healthy.chain([hole]).collect(),
        ladder: "rocketmq".to_owned(),
        rungs_ms: Vec::new(),
    };
    let mut rig = Rig::raise(run, &plan).await?;
    rig.poll_once("healthy-0").await?;
    rig.loader.put(count, |_| "hole".to_owned()).await?;
    rig.begin().await?;
    rig.notify().await?;
    let healthy = HEALTHY.min(count * 3 / 2);
    let to = |n| format!("healthy-{}", n % 5);
    rig.loader.trickle(healthy, PER_S, to).await?;
    rig.until_count(healthy, patience(healthy)).await?;
    let told = rig.told().await?;
    let mut figures = rig.figures("black-hole", healthy)?.with_spread(told.delay);
    figures.note = format!("healthy, from put to arrival, at {PER_S}/s beside {count} that hang");
    rig.lower().await?;
    Ok(figures)
}
