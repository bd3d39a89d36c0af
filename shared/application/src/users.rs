//! Accounts and their sessions.

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
