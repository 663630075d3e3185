//! A thousand endpoints of one group, of which a hundred hang.

use crate::args::Run;
use crate::config::{Endpoint, Plan};
use crate::report::Figures;
use crate::rig::Rig;

use super::patience;

/// Messages a second, over all.
const PER_S: u64 = 1000;

const ENDPOINTS: u64 = 1000;

/// Each tenth one hangs.
fn hangs(endpoint: u64) -> bool {
    endpoint.is_multiple_of(10)
}

fn name(endpoint: u64) -> String {
    format!("endpoint-{endpoint:03}")
}

pub(crate) async fn run(run: &Run, count: u64) -> anyhow::Result<Figures> {
    let endpoint = |n| {
        let path = if hangs(n) { "/hang" } else { "/ok" };
        Endpoint::usual(name(n), path)
    };
    let plan = Plan {
        endpoints: (0..ENDPOINTS).map(endpoint).collect(),
        ladder: "rocketmq".to_owned(),
        rungs_ms: Vec::new(),
    };
    let mut rig = Rig::raise(run, &plan).await?;
    rig.poll_once(&name(1)).await?;
    rig.notify().await?;
    rig.begin().await?;
    let to = |n: u64| name(n % ENDPOINTS);
    rig.loader.trickle(count, PER_S, to).await?;
    let healthy = (0..count).filter(|n| !hangs(n % ENDPOINTS)).count() as u64;
    rig.until_count(healthy, patience(count)).await?;
    let told = rig.told().await?;
    let figures = rig.figures("thousand-endpoints", count)?;
    let mut figures = figures.with_spread(told.delay);
    figures.note = format!("healthy, from put to arrival, at {PER_S}/s over all");
    rig.lower().await?;
    Ok(figures)
}
