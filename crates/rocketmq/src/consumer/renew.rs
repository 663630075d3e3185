//! Renewal: one loop per consumer over the queue of leases, no task per message.
//!
//! A renewal that is not answered, or refused, loses the lease: the old handle may be dead and a new
//! one exist that nobody has, so nothing that is settled afterwards can be relied on.
//!
//! Each endpoint has slots of its own: one that hangs holds all of its own for as long as it likes,
//! and none of another's.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;

use super::Core;
use super::lease::Lease;
use super::settle::{Suspend, change_invisible};
use crate::address::Address;
use crate::error::Error;

/// Renewals in flight at once at each endpoint.
const IN_FLIGHT: usize = 64;

/// Renews what is due, for ever.
pub(super) async fn renew_for_ever(core: Arc<Core>) {
    let mut running = FuturesUnordered::new();
    let mut at = HashMap::<Address, usize>::new();
    loop {
        let room = |address: &Address| IN_FLIGHT - at.get(address).copied().unwrap_or(0);
        tokio::select! {
            due = core.leases.due(room) => for lease in due {
                *at.entry(lease.address.clone()).or_default() += 1;
                running.push(renew_due(&core, lease));
            },
            Some(address) = running.next() => {
                // An endpoint without renewals is not kept.
                if let Entry::Occupied(mut count) = at.entry(address) {
                    *count.get_mut() -= 1;
                    if *count.get() == 0 {
                        count.remove();
                    }
                }
            }
        }
    }
}

/// Renews a lease that is due; tells at which endpoint.
async fn renew_due(core: &Core, lease: Arc<Lease>) -> Address {
    // Whoever holds the lock is settling it or renewing it by hand: then there is nothing to do.
    if let Ok(mut handle) = lease.handle.try_lock()
        && let Err(error) = renew(core, &lease, &mut handle).await
    {
        tracing::warn!(event = "lease_lost", message_id = lease.message_id, address = %lease.address, %error);
    }
    lease.address.clone()
}

/// Renews one lease, whose lock the caller holds. A lease that is settled or lost stays so.
pub(super) async fn renew(
    core: &Core,
    lease: &Arc<Lease>,
    handle: &mut Option<String>,
) -> Result<(), Error> {
    // Taken, not read: a renewal that ends without an answer leaves no handle to settle with.
    let Some(current) = handle.take() else {
        return Ok(());
    };
    let in_doubt = InDoubt { core, lease };
    let from = Instant::now();
    let timeout = core.caller.timeout().min(core.leases.left(lease));
    let renewal = change_invisible(
        core,
        lease,
        current,
        core.leases.length(),
        Suspend::Yes,
        timeout,
    )
    .await;
    match renewal {
        Ok(newest) => {
            *handle = Some(newest);
            core.leases.renewed(lease, from);
            std::mem::forget(in_doubt);
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// A renewal that has no answer yet. Dropped, also with its future half-way: the lease is lost.
struct InDoubt<'a> {
    core: &'a Core,
    lease: &'a Lease,
}

impl Drop for InDoubt<'_> {
    fn drop(&mut self) {
        self.core.leases.lost(self.lease);
    }
}
