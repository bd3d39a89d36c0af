//! HTTP bodies of the login.

use serde::{Deserialize, Serialize};

/// `POST /v1/users/login`. It has no `Debug`, so that no log line shows the password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Whose account.
    pub email: String,
    /// Its password.
    pub password: String,
}

/// What a login is answered with. It has no `Debug`, so that no log line shows the token.
#[derive(Serialize, Deserialize)]
pub struct Tokens {
    /// A JWT (RFC 9068) to be sent as `Authorization: Bearer`.
    pub access_token: String,
    /// Always `Bearer` (RFC 6750).
    pub token_type: String,
    /// For how many seconds the token is good.
    pub expires_in: u64,
}
