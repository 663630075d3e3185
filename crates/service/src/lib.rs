//! What every process of Ringback's shares: how it starts, serves, tells the time and stops.
//!
//! Nothing here knows what a notification is. Each module is small and stands alone:
//!
//! - [`shutdown`]: one token for the process, with a soft phase and a hard one;
//! - [`http`]: listen, serve, drain; [`extract`] and [`problem`]: bad input as `problem+json`;
//!   [`request_id`]: the name of a request, in its answer and in the log;
//! - [`http_client`]: the only place where an HTTP client is built;
//! - [`clock`] and [`ids`]: the only wall clock and the only random source;
//! - [`telemetry`], [`ready`], [`token`]: logs, the line that says "up", the operator's token;
//! - [`metrics`]: pages of metrics, and their names;
//! - [`traces`]: spans for an OpenTelemetry collector, where somebody wants them;
//! - [`worker`]: the process's name in what it records.

pub mod clock;
pub mod extract;
pub mod http;
pub mod http_client;
pub mod ids;
pub mod metrics;
pub mod problem;
pub mod ready;
pub mod request_id;
pub mod shutdown;
pub mod telemetry;
pub mod token;
pub mod traces;
pub mod worker;

pub use clock::Clock;
pub use problem::Problem;
pub use shutdown::Shutdown;
