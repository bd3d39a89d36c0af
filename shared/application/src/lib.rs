//! Use cases of the order service and the ports they need.
//!
//! A use case holds its ports by value and branches; an adapter does one thing and reports what
//! became of it. Every remote write has three outcomes ([`outcome`]): done, refused, unknown. An
//! unknown is never guessed: it is retried, read again, or told as open.
//!
//! # Layout
//!
//! - [`ports`]: what the use cases ask of the world
//! - [`outcome`]: what can become of a remote write
//! - [`deadline`], [`backoff`], [`lifetimes`]: how long to wait for what, and to remember it
//! - [`event`]: from the domain's events to the wire's and back
//! - [`orders`]: creates orders, by the transactional protocol
//! - [`events`]: check-backs, the consumer and the sweep, on what is pending in aggregates
//! - [`operations`], [`list_dead_letters`], [`discard_dead_letter`]: an operator's
//! - [`register_user`], [`log_in`], [`refresh_session`], [`log_out`]: accounts and sessions
//! - [`show_account`], [`change_password`], [`delete_account`], [`list_activity`]: an owner's
//! - [`rotate_signing_key`]: another key signs, and the old one's tokens stay good
//! - [`guess_guard`]: lets guesses through, or makes them wait
//! - [`get_order`], [`assess_health`]: what their names say

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
pub mod refresh_session;
pub mod register_user;
mod retry;
pub mod rotate_signing_key;
mod settle;
pub mod show_account;
