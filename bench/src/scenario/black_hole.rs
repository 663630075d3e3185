//! A receiver that hangs, and traffic to five others of the same group meanwhile.
//!
//! Either its backlog lies in front of them when the notifier starts: how long until they are reached counts
//! too. Or the notifier has met its backlog before, which sleeps, and more comes.

use crate::args::Run;
use crate::config::{Endpoint, Plan};
use crate::report::Figures;
use crate::rig::Rig;

use super::patience;

/// Healthy messages a second, over all five.
const PER_S: u64 = 500;

/// How many: half a minute's.
const HEALTHY: u64 = 15_000;

/// More for the one that hangs, a second, once its backlog sleeps.
const MORE_PER_S: u64 = 100;

fn healthy(n: u64) -> String {
    format!("healthy-{}", n % 5)
}

fn hole(_: u64) -> String {
    "hole".to_owned()
}

async fn raise(run: &Run) -> anyhow::Result<Rig> {
    let healthy = (0..5).map(|n| Endpoint::usual(healthy(n), "/ok"));
    let plan = Plan {
        endpoints: healthy.chain([Endpoint::usual(hole(0), "/hang")]).collect(),
        ladder: "rocketmq".to_owned(),
        rungs_ms: Vec::new(),
    };
    let mut rig = Rig::raise(run, &plan).await?;
    rig.poll_once("healthy-0").await?;
    Ok(rig)
}

/// The backlog lies in front when the notifier starts.
pub(crate) async fn run(run: &Run, count: u64) -> anyhow::Result<Figures> {
    let mut rig = raise(run).await?;
    rig.loader.put(count, hole).await?;
    rig.begin().await?;
    rig.notify().await?;
    let sent = HEALTHY.min(count * 3 / 2);
    rig.loader.trickle(sent, PER_S, healthy).await?;
    rig.until_count(sent, patience(sent)).await?;
    let told = rig.told().await?;
    let mut figures = rig.figures("black-hole", sent)?.with_spread(told.delay);
    figures.note = format!("healthy, from put to arrival, at {PER_S}/s behind {count} that hang");
    rig.lower().await?;
    Ok(figures)
}

/// The backlog sleeps, and more comes.
pub(crate) async fn asleep(run: &Run, count: u64) -> anyhow::Result<Figures> {
    let mut rig = raise(run).await?;
    rig.loader.put(count, hole).await?;
    rig.notify().await?;
    // All that the lane itself does not hold.
    rig.until_recorded("waiting", count.saturating_sub(100))
        .await?;
    rig.begin().await?;
    let sent = HEALTHY.min(count * 3 / 2);
    let more = rig.loader.clone();
    tokio::try_join!(
        rig.loader.trickle(sent, PER_S, healthy),
        more.trickle(sent * MORE_PER_S / PER_S, MORE_PER_S, hole)
    )?;
    rig.until_count(sent, patience(sent)).await?;
    let told = rig.told().await?;
    let figures = rig.figures("black-hole-asleep", sent)?;
    let mut figures = figures.with_spread(told.delay);
    figures.note = format!(
        "healthy, from put to arrival, at {PER_S}/s; {count} that hang sleep, {MORE_PER_S}/s more come"
    );
    rig.lower().await?;
    Ok(figures)
}
