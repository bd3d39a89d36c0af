//! The whole system on one machine, for `cargo xtask up` and for tests.
//!
//! # Layout
//! - [`template`]: `template.yaml` as typed values.
//! - [`host`]: the local Lambda host, which runs the real function binaries.
//! - [`gateway`]: the HTTP front door, which imitates an API Gateway HTTP API.
//! - [`mailbox`]: a stand-in for Amazon SES.
//! - [`schedules`]: the template's schedules.
//! - [`broker`]: a real Apache RocketMQ as child processes.
//! - [`table`]: an embedded DynamoDB and the template's tables.
//! - [`products`]: products in a file.
//! - [`faults`]: the faults that both proxies can inject.
//! - [`table_proxy`]: a proxy before the table.
//! - [`order_calls`]: the meaning of calls to the table for orders.
//! - [`weather`]: latencies, conflicts and limits as on AWS, before the table.
//! - [`broker_proxy`]: a proxy before the name server and the broker.
//! - [`remoting`]: RocketMQ's frames.
//! - [`proxies`]: both kinds of proxies before every function of a system.
//! - [`observer`]: someone who sees what happens in a system.
//! - [`publishing`]: messages that a test publishes itself.
//! - [`failures`]: failed deliveries, instead of waiting for an hour.
//! - [`provision`]: tables, topics and demo data of a new system.
//! - [`system`]: all parts together.
//! - [`cache`]: downloads that are kept.
//! - [`checkout`]: where the checkout is.
//! - [`process`]: child processes that never outlive their owner, and signals to end.
//! - [`skew`]: wrong clocks.
//! - [`progress`]: progress on standard error.
//!
//! # How it differs from AWS
//! - A function has at most [`host::HostOptions::instances_max`] instances; further requests wait,
//!   where Lambda would answer with a throttle.
//! - A process that initialises for more than 10 s is not restarted: the time counts as part of the
//!   request.
//! - Memory is not limited, and a processor share does not follow from it.
//! - Schedules start immediately and have a jitter of a few seconds (see [`schedules`]).

// The RocketMQ client's futures nest deeper than the default limit of 128 allows.
#![recursion_limit = "512"]

pub mod broker;
pub mod broker_proxy;
pub mod cache;
pub mod checkout;
pub mod failures;
pub mod faults;
pub mod gateway;
pub mod host;
pub mod mailbox;
pub mod memory;
pub mod observer;
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
pub mod tasks;
mod wall_clock;
