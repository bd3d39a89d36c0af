//! Accounts, their sessions, and what is stored about both.
//!
//! - `accounts`, `registration`, `account_removal`: reads, stores, changes and deletes accounts
//! - `sessions`: sessions and their refresh tokens
//! - `mails`, `mail_tokens`: requests for mails, and the tokens that are mailed
//! - `activities`, `guesses`, `sources`: what was done, passwords that were tried, and the networks
//!   that an account knows

mod account_removal;
mod accounts;
mod activities;
mod guesses;
mod mail_tokens;
mod mails;
mod registration;
mod sessions;
mod sources;

use aws_sdk_dynamodb::Client;

use crate::config::UsersTable;

/// The condition that an address is free, or belongs to this user already.
pub(crate) const FREE_OR_SAME_USER: &str = "attribute_not_exists(#pk) OR #user_id = :user_id";

/// Accounts with their sessions, mails, activities, guesses and networks. Each port is in the file
/// of its subject and needs these actions:
///
/// | port | actions |
/// | --- | --- |
/// | `AccountRepository` | `PutItem`, `UpdateItem` |
/// | `Sessions` | `GetItem`, `PutItem`, `UpdateItem` |
/// | `Accounts`, `MailRequests` | `GetItem` |
/// | `MailRepository` | `PutItem`, `UpdateItem`, `DeleteItem` |
/// | `ActivityLog` | `PutItem` |
/// | `ActivityReader` | `Query` |
/// | `GuessRecords` | `GetItem`, `PutItem`, `DeleteItem` |
/// | `KnownSources` | `GetItem`, `PutItem` |
/// | `KnownSourceRemoval` | `Query`, `BatchWriteItem` |
/// | `AccountRemoval` | `Query`, `BatchWriteItem`, `UpdateItem`, `DeleteItem` |
///
/// Clones share the client.
#[derive(Debug, Clone)]
pub struct DynamoAccounts {
    client: Client,
    users: UsersTable,
}

impl DynamoAccounts {
    /// Reads from and writes to this table.
    pub const fn new(client: Client, users: UsersTable) -> Self {
        Self { client, users }
    }
}
