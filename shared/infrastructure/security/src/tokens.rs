//! Access tokens: JWTs (RFC 9068) signed with Ed25519 (RFC 8037).

mod issuer;
mod verifier;

use serde::{Deserialize, Serialize};

pub use issuer::Ed25519TokenIssuer;
pub use verifier::Ed25519TokenVerifier;

/// The issuer of the tokens: their `iss`.
pub(crate) const ISSUER: &str = "urn:order-service";

/// The audience of the tokens: their `aud`.
pub(crate) const AUDIENCE: &str = "urn:order-service:api";

/// The type of the tokens: their `typ` (RFC 9068, section 2.1).
pub(crate) const TOKEN_TYPE: &str = "at+jwt";

/// The longest token that is read, in bytes. Our tokens have some 500.
pub(crate) const TOKEN_LENGTH_MAX: usize = 4096;

/// Whether a `kid` has the form of our keys' names: 1 to 64 letters, digits, `-` and `_`. A `kid`
/// comes from a token that is not verified yet, so no other text is looked up.
pub(crate) fn is_key_name(kid: &str) -> bool {
    (1..=64).contains(&kid.len())
        && kid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// The claims of a token (RFC 9068, section 2.2). Times are in seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    /// The client that requested the token. There is only one: our own.
    client_id: String,
    /// The session, in `OpenID` Connect's claim for it (Front-Channel Logout 1.0, section 3).
    sid: String,
    jti: String,
    iat: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    exp: i64,
}

#[cfg(test)]
mod tests;
