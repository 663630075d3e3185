//! The ladders that have a name, taken from what others do.

use std::time::Duration;

/// Name and rungs of each preset. `rocketmq` is the default: the sixteen levels of its retry
/// policy; `alipay` and `wechat` are those platforms' published notification schedules; `stripe`
/// spreads ten retries over three days.
pub const PRESETS: &[(&str, &str)] = &[
    (
        "rocketmq",
        "10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h",
    ),
    ("five-step", "5m 10m 30m 1h 24h"),
    ("widening", "1m 5m 10m 30m 1h 2h 5h 10h"),
    ("alipay", "4m 10m 10m 1h 2h 6h 15h"),
    (
        "wechat",
        "15s 15s 30s 3m 10m 20m 30m 30m 30m 60m 3h 3h 3h 6h 6h",
    ),
    ("stripe", "5m 30m 2h 5h 10h 10h 10h 10h 12h 12h"),
];

/// The rungs of a preset in their spelling.
pub(super) fn find(name: &str) -> Option<&'static str> {
    let preset = PRESETS.iter().find(|(preset, _)| *preset == name)?;
    Some(preset.1)
}

/// The default's rungs.
pub(super) fn rocketmq() -> Vec<Duration> {
    const SECONDS: [u64; 16] = [
        10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200, 1800, 3600, 7200,
    ];
    SECONDS.map(Duration::from_secs).to_vec()
}
