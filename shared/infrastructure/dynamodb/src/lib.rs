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
//! - the adapters, one per port; those of operators' commands are in `operations`
//! - `aggregates`: orders, each in one item with what is pending of it
//! - [`administration`]: what operators and demos put into the tables
//!
//! # Tables
//!
//! | table | items |
//! | --- | --- |
//! | orders | `USER#<user_id>` / `ORDER#<order_id>` |
//! | events | `EVENT#<event_id>`, `TXN#<transaction_id>`, `INBOX#<handler>#<event_id>`, `IDEM#<user_id>#<key>`, `DEAD#<event_id>` or `DEAD#<message_id>` |
//! | users | `USER#<user_id>` / `RECORD` and `ACTIVITY#<activity_id>`, `EMAIL#<address>`, `SESSION#<session_id>`, `TOKEN#<hash>`, `GUESS#<target>`, `SOURCES#<digest of the address>` / `SOURCE#<address>`, `NOBODY#<digest of the address>` / `ACTIVITY#<activity_id>` |
//! | catalog | `PRODUCT#<product_id>` |
//! | keys | `KEY#<kid>` |
//!
//! Every item carries its `schema_version`. The events, users and keys tables have a time to live
//! (`expires_at`, in seconds), and the events table has an index (`unobserved`, `sweep_due_ms`). The
//! orders table has an index of orders with pending events (`shard`, `due_ms`) and a time to live
//! that tombstones alone carry (`tombstone_until`, in seconds).

mod account_removal;
mod accounts;
mod activities;
pub mod administration;
mod aggregates;
mod catalog;
pub mod config;
mod connect;
mod dead_letters;
mod effects;
mod error;
mod expression;
mod guesses;
mod inventory;
mod item;
pub mod keys;
mod ledger;
mod operations;
mod orders;
mod outbox;
mod overdue;
mod reading;
mod records;
mod sessions;
mod sources;
mod tables;
mod transaction;
mod unobserved;
mod users;
mod verification_keys;

pub use accounts::DynamoAccounts;
pub use aggregates::{DynamoDeadLetterMoves, DynamoOrders};
pub use aws_sdk_dynamodb::Client;
pub use catalog::DynamoCatalog;
pub use connect::{connect, connect_to};
pub use dead_letters::DynamoDeadLetters;
pub use effects::{DynamoInbox, DynamoNotifications, DynamoObservations};
pub use inventory::DynamoInventory;
pub use ledger::DynamoTransactionLedger;
pub use operations::{
    DynamoDeadLetterReader, DynamoDeadLetterRemoval, DynamoOutboxReader, PendingPosition,
};
pub use orders::{DynamoOrderReader, DynamoOrderRepository};
pub use outbox::DynamoOutbox;
pub use overdue::DynamoOverdueEvents;
pub use tables::{DynamoTables, ProbedTable};
pub use unobserved::DynamoUnobservedEvents;
pub use users::DynamoUserRepository;
pub use verification_keys::{CachedVerificationKeys, DynamoVerificationKeys};
