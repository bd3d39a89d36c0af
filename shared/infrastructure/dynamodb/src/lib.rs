//! Amazon DynamoDB behind the application's ports.
//!
//! An adapter does one thing and reports its outcome; the use cases decide what follows. A write is
//! tried once within its deadline, because only the use case knows whether a second try is right. A
//! read is repeated here.
//!
//! # Layout
//!
//! - [`connect`], [`connect_to`]: clients with time limits
//! - [`config`]: the tables by name
//! - [`keys`], `records`: the keys and the attributes of items
//! - `error`, `transaction`: the outcome of a call
//! - `aggregates`: orders, accounts, sessions and requests for mails, each in one item with its
//!   pending events
//! - `users`, `catalog`: accounts with what belongs to them, and products, a file for each port
//! - `operations`, [`administration`]: operators' reads and writes, and those of demos
//! - `aggregate_reader`: many aggregates at once, for the health check and operators
//!
//! `README.md` beside this crate lists the tables with their items, attributes and indexes.

#![warn(missing_docs)]

pub mod administration;
mod aggregate_reader;
mod aggregates;
mod catalog;
pub mod config;
mod connect;
mod error;
mod expression;
mod item;
pub mod keys;
mod operations;
mod reading;
mod records;
mod tables;
mod transaction;
mod users;
mod verification_keys;

pub use aggregate_reader::{DynamoAggregateReader, PendingAggregatesPosition};
pub use aggregates::{DynamoAggregates, DynamoDeadLetterMoves, DynamoOrders, DynamoStockReturns};
pub use aws_sdk_dynamodb::Client;
pub use catalog::{DynamoCatalog, DynamoProductListing};
pub use connect::{connect, connect_to};
pub use operations::{DynamoDeadLetterReader, DynamoDeadLetterRemoval, DynamoLetters};
pub use tables::{DynamoTables, ProbedTable};
pub use users::{DynamoAccounts, DynamoUserRepository};
pub use verification_keys::{CachedVerificationKeys, DynamoVerificationKeys};
