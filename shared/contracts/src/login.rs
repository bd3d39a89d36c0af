//! HTTP bodies of logins, refreshes and logouts, and the public keys.
//!
//! No body with a secret has `Debug`, so that no log line shows it.

use serde::{Deserialize, Serialize};

/// `POST /v1/users/login`.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The address of the account.
    pub email: String,
    /// Its password.
    pub password: String,
}

/// `POST /v1/users/token`.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// The newest refresh token of the session. It is good for one exchange.
    pub refresh_token: String,
}

/// `POST /v1/users/logout`: one of the two.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("oneOf" = logout_forms())))]
#[serde(deny_unknown_fields)]
pub struct Logout {
    /// A refresh token of the session that ends.
    #[serde(default)]
    pub refresh_token: Option<String>,
    /// Whether all sessions of the access token's user end.
    #[serde(default)]
    pub everywhere: bool,
}

/// A refresh token alone, or `everywhere` as true.
#[cfg(feature = "schema")]
fn logout_forms() -> serde_json::Value {
    serde_json::json!([
        {
            "title": "One session",
            "properties": {"refresh_token": {"type": "string"}, "everywhere": {"const": false}},
            "required": ["refresh_token"],
        },
        {
            "title": "Every session",
            "properties": {"refresh_token": {"type": "null"}, "everywhere": {"const": true}},
            "required": ["everywhere"],
        },
    ])
}

/// The response to a login and to a refresh.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Tokens {
    /// A JWT (RFC 9068) to be sent as `Authorization: Bearer`.
    pub access_token: String,
    /// Always `Bearer` (RFC 6750).
    #[cfg_attr(feature = "schema", schemars(extend("const" = "Bearer")))]
    pub token_type: String,
    /// How long the access token is good, in seconds.
    pub expires_in: u64,
    /// The refresh token for the next exchange. It replaces the one that was sent.
    pub refresh_token: String,
}

/// `GET /.well-known/jwks.json` (RFC 7517, section 5).
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JsonWebKeySet {
    /// Every key that verifies tokens now.
    pub keys: Vec<JsonWebKey>,
}

/// A public Ed25519 key (RFC 8037, section 2).
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JsonWebKey {
    /// `OKP`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "OKP")))]
    pub kty: String,
    /// `Ed25519`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "Ed25519")))]
    pub crv: String,
    /// `EdDSA`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "EdDSA")))]
    pub alg: String,
    /// `sig`.
    #[serde(rename = "use")]
    #[cfg_attr(feature = "schema", schemars(extend("const" = "sig")))]
    pub key_use: String,
    /// The key's name, which is in the header of its tokens.
    pub kid: String,
    /// The key's 32 bytes in base64url.
    pub x: String,
}
