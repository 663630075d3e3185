//! The amounts that misbehave in demo mode, as one table.
//!
//! An amount, not a header or a flag, so that a person can bring each about with nothing but
//! `ringback transfer --amount`. Outside demo mode nothing looks at this.

/// What a transfer of a set amount brings about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Simulated {
    /// 3.00: bank1 fails after the debit, inside the transaction.
    Bank1Fails,
    /// 4.00: bank2 fails twice, then works.
    Bank2FailsTwice,
    /// 5.00: bank2 fails until it is repaired.
    Bank2Broken,
    /// 6.00: bank2 refuses for good.
    Bank2Rejects,
    /// 7.00: bank1's process dies after the half message.
    Bank1DiesAfterHalf,
    /// 8.00: bank1's process dies after its database commit, before it ends the transaction.
    Bank1DiesAfterCommit,
}

impl Simulated {
    /// What this amount brings about in demo mode; `None` for an ordinary one.
    pub fn of(amount_fen: i64) -> Option<Self> {
        match amount_fen {
            300 => Some(Self::Bank1Fails),
            400 => Some(Self::Bank2FailsTwice),
            500 => Some(Self::Bank2Broken),
            600 => Some(Self::Bank2Rejects),
            700 => Some(Self::Bank1DiesAfterHalf),
            800 => Some(Self::Bank1DiesAfterCommit),
            _ => None,
        }
    }
}

/// Ends this process as `kill -9` does: no destructor runs, nothing is flushed, nobody is told.
///
/// Returns only if the kernel refused, which it does not for one's own process; it then aborts.
pub fn die() -> ! {
    tracing::warn!(event = "simulated_death", pid = std::process::id());
    let _refused =
        nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
    // SIGKILL is delivered before kill(2) returns to its own process's last thread; should another thread take
    // it, this one must not go on.
    std::process::abort()
}
