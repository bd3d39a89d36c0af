//! Use cases of the order service and the ports they need.
//!
//! A use case holds its ports by value and makes the decisions; an adapter does one thing and
//! reports the outcome. Every remote write has three outcomes ([`outcome`]): done, refused,
//! unknown. An unknown outcome is never guessed: the write is retried, read again, or reported as
//! open.
//!
//! # Layout
//!
//! - [`ports`]: what the use cases need from the outside
//! - [`outcome`]: the outcomes of a remote write
//! - [`deadline`], [`backoff`], [`lifetimes`]: how long to wait, and how long to keep things
//! - [`event`]: domain events as messages, and orders as HTTP bodies
//! - [`orders`]: creates orders, by the transactional protocol, and cancels them
//! - [`events`]: check-backs, the consumer and the sweep, on what is pending in aggregates
//! - [`operations`], [`list_dead_letters`], [`discard_dead_letter`]: what operators do
//! - [`register_user`], [`log_in`], [`refresh_session`], [`log_out`]: accounts and sessions
//! - [`show_account`], [`change_password`], [`delete_account`], [`list_activity`]: a user's account
//! - [`rotate_signing_key`]: replaces the signing key, while tokens of the old one stay good
//! - [`guess_guard`]: lets password guesses through, or makes them wait
//! - [`products`]: lists what is sold
//! - [`get_order`]: reads an order
//! - [`assess_health`]: checks whether the system works

pub mod assess_health;
pub mod backoff;
pub mod change_password;
pub mod current_password;
pub mod deadline;
pub mod delete_account;
pub mod discard_dead_letter;
pub mod event;
pub mod events;
pub mod get_order;
pub mod guess_guard;
pub mod lifetimes;
pub mod list_activity;
pub mod list_dead_letters;
pub mod listing;
pub mod log_in;
pub mod log_out;
pub mod operations;
pub mod orders;
pub mod outcome;
pub mod ports;
pub mod products;
pub mod refresh_session;
pub mod register_user;
mod retry;
pub mod rotate_signing_key;
mod settle;
pub mod show_account;
