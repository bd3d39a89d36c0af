//! Access tokens: JWTs (RFC 9068) signed with Ed25519 (RFC 8037).

mod issuer;
mod verifier;

use serde::{Deserialize, Serialize};

pub use issuer::Ed25519TokenIssuer;
pub use verifier::Ed25519TokenVerifier;

/// Who issues the tokens: their `iss`.
pub const ISSUER: &str = "urn:order-service";

/// Whom they are for: their `aud`.
pub const AUDIENCE: &str = "urn:order-service:api";

/// What kind of JWT they are: their `typ` (RFC 9068, section 2.1).
pub const TOKEN_TYPE: &str = "at+jwt";

/// The longest token that is looked at, in bytes. Ours have some 500.
pub const TOKEN_LENGTH_MAX: usize = 4096;

/// Whether a `kid` is one that we would give: 1 to 64 letters, digits, `-` and `_`. It comes from a
/// token that nobody has verified yet, so nothing else gets as far as a look-up.
pub(crate) fn is_key_name(kid: &str) -> bool {
    (1..=64).contains(&kid.len())
        && kid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// What a token says (RFC 9068, section 2.2). Times are in seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    /// The client that asked. There is one: our own.
    client_id: String,
    /// The session, by the claim that `OpenID` Connect has for it (Front-Channel Logout 1.0,
    /// section 3).
    sid: String,
    jti: String,
    iat: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    exp: i64,
}

#[cfg(test)]
mod tests;
