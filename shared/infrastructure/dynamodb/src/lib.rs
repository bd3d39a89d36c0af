//! Amazon DynamoDB behind the application's ports.
//!
//! A method of an adapter does one thing and reports its outcome; the use cases decide what follows.
//! A write is tried once within its deadline, because only the use case knows whether a second try
//! is right. A read is repeated here.
//!
//! # Layout
//!
//! - [`connect()`], [`connect_to`]: clients with time limits
//! - [`config`]: the tables by name
//! - [`keys`], `records`: the keys and the attributes of items
//! - `error`, `transaction`: the outcome of a call
//! - `orders`, `users`, `catalog`, `verification_keys`: the adapters by subject
//! - `events`: aggregates with their pending events, and dead letters
//! - [`administration`]: writes of operators and demos
//! - `tables`: whether the tables can be read, for the health check
//!
//! `README.md` beside this crate lists the tables with their items, attributes and indexes.

#![warn(missing_docs)]

pub mod administration;
mod catalog;
pub mod config;
mod connect;
mod error;
mod events;
mod expression;
mod item;
pub mod keys;
mod orders;
mod reading;
mod records;
mod tables;
mod transaction;
mod users;
mod verification_keys;

pub use aws_sdk_dynamodb::Client;
pub use catalog::{CachedPrices, DynamoCatalog};
pub use connect::{connect, connect_to};
pub use events::{AggregateTables, DynamoAggregates, DynamoDeadLetters, PendingAggregatesPosition};
pub use orders::DynamoOrders;
pub use tables::{DynamoTables, ProbedTable};
pub use users::DynamoAccounts;
pub use verification_keys::{CachedVerificationKeys, DynamoVerificationKeys};
