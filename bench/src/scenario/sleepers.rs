//! Refused once, and asleep on the ladder: the broker and the record keep them, the notifier nothing.

use std::time::Duration;

use crate::args::Run;
use crate::config::{Endpoint, Plan};
use crate::report::Figures;
use crate::rig::{Rig, ratio};

use super::patience;

/// How long the notifier has to come to rest.
const REST: Duration = Duration::from_secs(5);

pub(crate) async fn run(run: &Run, count: u64) -> anyhow::Result<Figures> {
    let plan = Plan {
        endpoints: vec![Endpoint::wide("fail", "/fail")],
        ladder: "6h,12h".to_owned(),
        rungs_ms: Vec::new(),
    };
    let mut rig = Rig::raise(run, &plan).await?;
    rig.notify().await?;
    rig.begin().await?;
    rig.loader.put(count, |_| "fail".to_owned()).await?;
    rig.until_count(count, patience(count)).await?;
    rig.until_recorded("waiting", count).await?;
    tokio::time::sleep(REST).await;
    let told = rig.told().await?;
    let mut figures = rig.figures("sleepers", count)?;
    figures.rate_per_s = Some(ratio(told.count * 1_000_000, told.span_us));
    let peak = figures.rss_mib.get("notifier").copied().unwrap_or(0.0);
    figures.rss_mib.insert("notifier", rig.notifier_rss_mib()?);
    figures.note = format!("RSS of the notifier while they sleep; {peak:.0} MiB on the way");
    rig.lower().await?;
    Ok(figures)
}
