//! What every function needs of its process.
//!
//! - [`settings`]: typed settings from the environment, every fault told at once
//! - [`telemetry`]: log lines in JSON
//! - [`metrics`]: numbers for alarms, in CloudWatch's embedded metric format
//! - [`clock`], [`identity`]: the wall clock and new identifiers, the one place that makes them
//! - [`deadline`]: how long Lambda leaves an invocation
//! - [`name_servers`]: whether a name server accepts a connection
//! - [`failure`]: an error with everything that caused it, on one line

pub mod clock;
pub mod deadline;
pub mod failure;
pub mod identity;
pub mod metrics;
pub mod name_servers;
pub mod settings;
pub mod telemetry;
