//! Amazon DynamoDB behind the application's ports.
//!
//! An adapter does one thing and reports what became of it: the use cases judge. A write is tried
//! once within its deadline, because only the use case knows whether a second try is right; a read
//! is repeated here.
//!
//! # Layout
//!
//! - [`connect`], [`connect_to`]: clients with time limits
//! - [`config`]: the tables by name
//! - [`keys`], `records`: how things are stored
//! - `error`, `transaction`: what became of a call
//! - `aggregates`: orders, accounts and sessions, each in one item with what is pending of it
//! - the other adapters, one per port; those of operators' commands are in `operations`
//! - `aggregate_reader`: many aggregates at once, for the health check and operators
//! - [`administration`]: what operators and demos put into the tables
//!
//! # Tables
//!
//! | table | items |
//! | --- | --- |
//! | orders | `USER#<user_id>` / `ORDER#<order_id>` |
//! | events | `DEAD#<event_id>` or `DEAD#<message_id>` |
//! | users | `USER#<user_id>` / `RECORD` and `ACTIVITY#<activity_id>`, `EMAIL#<address>`, `SESSION#<session_id>`, `TOKEN#<hash>`, `GUESS#<target>`, `SOURCES#<digest of the address>` / `SOURCE#<address>`, `NOBODY#<digest of the address>` / `ACTIVITY#<activity_id>` |
//! | catalog | `PRODUCT#<product_id>` |
//! | keys | `KEY#<kid>` |
//!
//! Every item carries its `schema_version`. The events, users and keys tables have a time to live
//! (`expires_at`, in seconds), the orders table one that tombstones alone carry (`tombstone_until`, in
//! seconds). The orders and users tables have an index of aggregates with pending events (`shard`,
//! `due_ms`).

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
pub use aggregates::{DynamoAggregates, DynamoDeadLetterMoves, DynamoOrders};
pub use aws_sdk_dynamodb::Client;
pub use catalog::DynamoCatalog;
pub use connect::{connect, connect_to};
pub use operations::{DynamoDeadLetterReader, DynamoDeadLetterRemoval, DynamoLetters};
pub use tables::{DynamoTables, ProbedTable};
pub use users::DynamoUserRepository;
pub use verification_keys::{CachedVerificationKeys, DynamoVerificationKeys};
