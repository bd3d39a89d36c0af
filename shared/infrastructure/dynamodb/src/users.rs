//! Accounts, their sessions, and what is stored about both.

mod account_removal;
mod accounts;
mod activities;
mod guesses;
mod mail_tokens;
mod mails;
mod registration;
mod sessions;
mod sources;

pub use accounts::DynamoAccounts;
pub use registration::DynamoUserRepository;
