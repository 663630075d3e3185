//! sqlx's drivers, and how long a server gets to answer one that connects.

use std::sync::Once;
use std::time::Duration;

/// The shortest time that a pool waits for a connection to a server.
pub(crate) const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// Makes them known, once in a process.
pub(crate) fn install() {
    static DRIVERS: Once = Once::new();
    DRIVERS.call_once(sqlx::any::install_default_drivers);
}
