//! Accounts and their sessions.
//!
//! No broker takes part in a request of a user: its event is stored unsent, and the sweep publishes
//! it at its next look.

pub mod ask_for_mail;
pub mod change_password;
pub mod current_password;
pub mod delete_account;
pub mod guess_guard;
pub mod judging;
pub mod list_activity;
pub mod log_in;
pub mod log_out;
pub mod redeem_mail;
pub mod refresh_session;
pub mod register;
mod settle;
pub mod show_account;
