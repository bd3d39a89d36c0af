//! The whole system on one machine, for `cargo xtask up` and for tests. Its functions, routes and
//! schedules run on [`local_lambda`].
//!
//! # Layout
//! - [`mailbox`]: a stand-in for Amazon SES.
//! - [`broker`]: a real Apache RocketMQ as child processes.
//! - [`table`]: an embedded DynamoDB and the template's tables.
//! - [`products`]: products in a file.
//! - [`faults`]: the faults that both proxies can inject.
//! - [`table_proxy`]: a proxy before the table.
//! - [`order_calls`]: the meaning of calls to the table for orders.
//! - [`roles`]: what the roles of functions permit there.
//! - [`weather`]: latencies, conflicts and limits as on AWS, before the table.
//! - [`broker_proxy`]: a proxy before the name server and the broker.
//! - [`remoting`]: RocketMQ's frames.
//! - [`proxies`]: both kinds of proxies before every function of a system.
//! - [`observer`]: someone who sees what happens in a system.
//! - [`publishing`]: messages that a test publishes itself.
//! - [`failures`]: failed deliveries, instead of waiting for an hour.
//! - [`provision`]: tables, topics and demo data of a new system.
//! - [`system`]: all parts together.
//! - [`user`]: a client of its API.
//! - [`cache`]: downloads that are kept.
//! - [`checkout`]: where the checkout is.
//! - [`skew`]: wrong clocks.
//! - [`progress`]: progress on standard error.

// The RocketMQ client's futures nest deeper than the default limit of 128 allows.
#![recursion_limit = "512"]

pub mod broker;
pub mod broker_proxy;
pub mod cache;
pub mod checkout;
pub mod failures;
pub mod faults;
pub mod mailbox;
pub mod memory;
pub mod observer;
pub mod order_calls;
pub mod processor;
pub mod products;
pub mod progress;
pub mod provision;
pub mod proxies;
pub mod publishing;
pub mod remoting;
pub mod roles;
pub mod skew;
pub mod system;
pub mod table;
pub mod table_proxy;
pub mod user;
pub mod weather;

mod door;
mod maven;
mod preload;
