//! Variables that make the chaos tests longer, repeat one of their runs, or give tests what they need
//! from outside.

use std::path::PathBuf;

/// How much of a chaos test is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// What every change has to pass.
    Usual,
    /// `RINGBACK_SOAK=1`: what a night has time for.
    Soak,
}

impl Effort {
    /// `usual` or `soak`, whichever is asked for.
    pub fn choose<T>(self, usual: T, soak: T) -> T {
        match self {
            Effort::Usual => usual,
            Effort::Soak => soak,
        }
    }
}

/// As `RINGBACK_SOAK` says.
pub fn effort() -> Effort {
    if variable("RINGBACK_SOAK").is_some() {
        Effort::Soak
    } else {
        Effort::Usual
    }
}

/// The seed of this run: `RINGBACK_SEED`, or a fresh one. Printed, so that a failure can be repeated.
pub fn seed(test: &str) -> u64 {
    let seed = variable("RINGBACK_SEED").and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("{test}: RINGBACK_SEED={seed}");
    seed
}

/// The program of an older release: `RINGBACK_OLDER`.
pub fn older() -> Option<PathBuf> {
    variable("RINGBACK_OLDER").map(PathBuf::from)
}

/// What starts and kills a cluster of Apache RocketMQ: `RINGBACK_ROCKETMQ_CLUSTER`.
pub fn cluster() -> Option<PathBuf> {
    variable("RINGBACK_ROCKETMQ_CLUSTER").map(PathBuf::from)
}

/// An Apache RocketMQ that runs already.
#[derive(Debug, Clone)]
pub struct RocketMq {
    /// Its gRPC service: `RINGBACK_ROCKETMQ`.
    pub grpc: String,
    /// Its administration: `RINGBACK_ROCKETMQ_ADMIN`.
    pub admin: String,
}

/// The one that tests may use, if there is one.
pub fn rocketmq() -> Option<RocketMq> {
    let (grpc, admin) = (
        variable("RINGBACK_ROCKETMQ"),
        variable("RINGBACK_ROCKETMQ_ADMIN"),
    );
    let (grpc, admin) = grpc.zip(admin)?;
    Some(RocketMq { grpc, admin })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where tests read the environment"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
