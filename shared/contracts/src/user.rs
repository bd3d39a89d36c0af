//! HTTP bodies of accounts.
//!
//! No body with a secret has `Debug`, so that no log line shows it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::timestamp::Timestamp;

/// Every type of an [`Activity`].
pub const ACTIVITY_TYPES: [&str; 19] = [
    "REGISTERED",
    "LOGGED_IN",
    "LOGIN_FAILED",
    "LOCKED",
    "LOGIN_LIMITED",
    "REFRESHED",
    "REFRESH_REUSED",
    "LOGGED_OUT",
    "LOGGED_OUT_EVERYWHERE",
    "PASSWORD_CHANGED",
    "PASSWORD_CHANGE_FAILED",
    "ACCOUNT_DELETION_FAILED",
    "EMAIL_CONFIRMATION_REQUESTED",
    "EMAIL_CONFIRMED",
    "EMAIL_CHANGE_REQUESTED",
    "EMAIL_CHANGE_FAILED",
    "EMAIL_CHANGED",
    "PASSWORD_RESET_REQUESTED",
    "PASSWORD_RESET",
];

/// `POST /v1/users`.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// The address, which no other account may have.
    #[cfg_attr(feature = "schema", schemars(length(max = 254), regex(pattern = r"^[^@]+@[^@]+$")))]
    pub email: String,
    /// The password: 15 characters or more, and none of the most used ones.
    #[cfg_attr(feature = "schema", schemars(length(min = 15, max = 1024)))]
    pub password: String,
}

/// The response to a registration.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Registered {
    /// The new user's number: random, so that it does not show how many users there are.
    pub user_id: u64,
    /// The address as it was typed at the registration.
    pub email: String,
}

/// `GET /v1/users/me`.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Account {
    /// The user's number.
    pub user_id: u64,
    /// The address as the user typed it.
    pub email: String,
    /// Whether a token that was mailed to the address has come back.
    pub email_confirmed: bool,
    /// The address that the user requested. It replaces `email` once it is confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_email: Option<String>,
    /// When the user registered.
    pub registered_at: Timestamp,
}

/// `POST /v1/users/me/password`.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// The current password, as proof.
    pub current_password: String,
    /// The new password: 15 characters or more, and none of the most used ones.
    #[cfg_attr(feature = "schema", schemars(length(min = 15, max = 1024)))]
    pub new_password: String,
}

/// `PUT /v1/users/me/email`.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangeEmail {
    /// The address that the account is to get, once it is confirmed. The account's own address
    /// withdraws an earlier request.
    #[cfg_attr(feature = "schema", schemars(length(max = 254), regex(pattern = r"^[^@]+@[^@]+$")))]
    pub email: String,
    /// The current password, as proof.
    pub current_password: String,
}

/// `POST /v1/email-confirmations`.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ConfirmEmail {
    /// The token of the mail that confirms an address.
    pub token: String,
}

/// `POST /v1/password-resets`.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AskToResetPassword {
    /// The address of the account.
    #[cfg_attr(feature = "schema", schemars(length(max = 254), regex(pattern = r"^[^@]+@[^@]+$")))]
    pub email: String,
}

/// `POST /v1/password-resets/confirm`.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ResetPassword {
    /// The token of the mail that resets the password.
    pub token: String,
    /// The new password: 15 characters or more, and none of the most used ones.
    #[cfg_attr(feature = "schema", schemars(length(min = 15, max = 1024)))]
    pub new_password: String,
}

/// `DELETE /v1/users/me`.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DeleteAccount {
    /// The current password, as proof.
    pub current_password: String,
}

/// `GET /v1/users/me/activity`: a page, the newest first.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ActivityPage {
    /// At most 50 activities.
    pub activities: Vec<Activity>,
    /// The cursor of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Something that happened to an account.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Activity {
    /// One of [`ACTIVITY_TYPES`].
    #[cfg_attr(feature = "schema", schemars(description = "What happened."))]
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ACTIVITY_TYPES)))]
    pub activity_type: String,
    /// When it happened.
    pub at: Timestamp,
    /// The address that the request came from; of an IPv6 address the network.
    pub source: String,
    /// The session, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<Uuid>,
}
