//! HTTP bodies of accounts.
//!
//! None with a secret has `Debug`, so that no log line shows it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::timestamp::Timestamp;

/// `POST /v1/users`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// The address, which nobody else may have.
    pub email: String,
    /// The password: 15 characters or more.
    pub password: String,
}

/// What a registration is answered with.
#[derive(Serialize, Deserialize)]
pub struct Registered {
    /// The new user.
    pub user_id: u64,
    /// The address in the form in which it is compared.
    pub email: String,
}

/// `GET /v1/users/me`.
#[derive(Serialize, Deserialize)]
pub struct Account {
    /// Who.
    pub user_id: u64,
    /// The address.
    pub email: String,
    /// Since when.
    pub registered_at: Timestamp,
}

/// `POST /v1/users/me/password`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// The password as it is.
    pub current_password: String,
    /// The password as it shall be: 15 characters or more.
    pub new_password: String,
}

/// `DELETE /v1/users/me`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteAccount {
    /// The password as it is.
    pub current_password: String,
}

/// `GET /v1/users/me/activity`: a page, the newest first.
#[derive(Debug, Serialize, Deserialize)]
pub struct ActivityPage {
    /// What happened.
    pub activities: Vec<Activity>,
    /// What the next page is asked for with, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Something that happened to an account.
#[derive(Debug, Serialize, Deserialize)]
pub struct Activity {
    /// What: `REGISTERED`, `LOGGED_IN`, `LOGIN_FAILED`, `LOCKED`, `REFRESHED`, `REFRESH_REUSED`,
    /// `LOGGED_OUT`, `LOGGED_OUT_EVERYWHERE`, `PASSWORD_CHANGED` or `PASSWORD_CHANGE_FAILED`.
    #[serde(rename = "type")]
    pub activity_type: String,
    /// When.
    pub at: Timestamp,
    /// From which address, of IPv6 the network.
    pub source: String,
    /// In which session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<Uuid>,
}
