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
//! - `aggregates`: orders, accounts and sessions, each in one item with its pending events
//! - the other adapters, one per port; those for operators' commands are in `operations`
//! - `aggregate_reader`: many aggregates at once, for the health check and operators
//! - [`administration`]: writes of operators and demos
//!
//! `README.md` beside this crate lists the tables with their items, attributes and indexes.

mod account_removal;
mod accounts;
mod activities;
pub mod administration;
mod aggregate_reader;
mod aggregates;
mod catalog;
pub mod config;
mod connect;
mod error;
mod expression;
mod guesses;
mod item;
pub mod keys;
mod operations;
mod products;
mod reading;
mod records;
mod sessions;
mod sources;
mod tables;
mod transaction;
mod users;
mod verification_keys;

pub use accounts::DynamoAccounts;
pub use aggregate_reader::{DynamoAggregateReader, PendingAggregatesPosition};
pub use aggregates::{DynamoAggregates, DynamoDeadLetterMoves, DynamoOrders, DynamoStockReturns};
pub use aws_sdk_dynamodb::Client;
pub use catalog::DynamoCatalog;
pub use connect::{connect, connect_to};
pub use operations::{DynamoDeadLetterReader, DynamoDeadLetterRemoval, DynamoLetters};
pub use products::DynamoProductListing;
pub use tables::{DynamoTables, ProbedTable};
pub use users::DynamoUserRepository;
pub use verification_keys::{CachedVerificationKeys, DynamoVerificationKeys};
