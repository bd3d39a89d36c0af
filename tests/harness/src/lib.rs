//! The whole system on one machine, for `cargo xtask up` and for tests.
//!
//! # Layout
//! - [`template`]: `template.yaml` as typed values.
//! - [`host`]: the local Lambda host, which runs the real function binaries.
//! - [`gateway`]: the HTTP front door, which imitates an API Gateway HTTP API.
//! - [`schedules`]: the template's schedules.
//! - [`broker`]: a real Apache RocketMQ as child processes.
//! - [`table`]: an embedded DynamoDB and the template's tables.
//! - [`products`]: products in a file.
//! - [`faults`]: the vocabulary of faults that both proxies speak.
//! - [`table_proxy`]: a proxy before the table.
//! - [`order_calls`]: what calls to the table do about orders.
//! - [`weather`]: latencies, conflicts and limits as on AWS, before the table.
//! - [`broker_proxy`]: a proxy before name server and broker.
//! - [`remoting`]: RocketMQ's frames.
//! - [`proxies`]: both kinds of proxies before every function of a system.
//! - [`publishing`]: messages of a test's own.
//! - [`failures`]: failed deliveries, in place of an hour of waiting.
//! - [`provision`]: what a fresh system needs before its first request.
//! - [`system`]: all of it, composed.
//! - [`process`]: child processes that never outlive their owner, and being told to end.
//! - [`skew`]: wrong clocks.
//! - [`progress`]: what is being done, on standard error.
//!
//! # How it differs from AWS
//! - A function has at most [`host::HostOptions::instances_max`] instances; further requests wait,
//!   where Lambda would answer with a throttle.
//! - A process that initialises for more than 10 s is not restarted: the time counts as the
//!   request's.
//! - Memory is not limited, and a processor share does not follow from it.
//! - Schedules start at once and have a jitter of a few seconds (see [`schedules`]).

// The RocketMQ client's futures nest deeper than the default limit of 128 allows.
#![recursion_limit = "512"]

pub mod broker;
pub mod broker_proxy;
pub mod failures;
pub mod faults;
pub mod gateway;
pub mod host;
pub mod memory;
pub mod order_calls;
pub mod process;
pub mod processor;
pub mod products;
pub mod progress;
pub mod provision;
pub mod proxies;
pub mod publishing;
pub mod remoting;
pub mod schedules;
pub mod skew;
pub mod system;
pub mod table;
pub mod table_proxy;
pub mod template;
pub mod weather;

mod door;
mod entropy;
mod maven;
mod preload;
mod tasks;
mod wall_clock;
