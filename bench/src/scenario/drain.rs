//! A backlog for one receiver that answers at once: signed, recorded, acked.

use crate::args::Run;
use crate::config::{Endpoint, Plan};
use crate::report::Figures;
use crate::rig::{Rig, ratio};

use super::patience;

pub(crate) async fn run(run: &Run, count: u64) -> anyhow::Result<Figures> {
    let plan = Plan {
        endpoints: vec![Endpoint::wide("sink", "/ok")],
        ladder: "rocketmq".to_owned(),
        rungs_ms: Vec::new(),
    };
    let mut rig = Rig::raise(run, &plan).await?;
    rig.poll_once("sink").await?;
    rig.loader.put(count, |_| "sink".to_owned()).await?;
    rig.begin().await?;
    rig.notify().await?;
    rig.until_count(count, patience(count)).await?;
    rig.until_recorded("delivered", count + 1).await?;
    let told = rig.told().await?;
    let mut figures = rig.figures("drain", count)?;
    figures.rate_per_s = Some(ratio(told.count * 1_000_000, told.span_us));
    let attempts = rig.attempts().await?;
    anyhow::ensure!(
        attempts == count + 1,
        "{attempts} attempts for {count} messages and the one before"
    );
    rig.lower().await?;
    Ok(figures)
}
