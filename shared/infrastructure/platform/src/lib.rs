//! The process of a function: settings, logs, metrics, time and identifiers.
//!
//! - [`settings`]: typed settings from the environment, with all faults reported together
//! - [`telemetry`]: log lines in JSON
//! - [`metrics`]: numbers for alarms, in CloudWatch's embedded metric format
//! - [`clock`], [`identity`]: the wall clock and new identifiers, which are made only here
//! - [`mail_sender`]: from whom mails come
//! - [`deadline`]: the time that Lambda leaves for an invocation
//! - [`cluster`]: settings of a RocketMQ cluster that several adapters or functions read
//! - [`name_servers`]: whether a name server knows a broker that takes orders' events
//! - [`failure`]: an error with all its causes, on one line

#![warn(missing_docs)]

pub mod clock;
pub mod cluster;
pub mod deadline;
pub mod failure;
pub mod identity;
pub mod mail_sender;
pub mod metrics;
pub mod name_servers;
pub mod settings;
pub mod telemetry;
