//! Password hashes, signing keys, access tokens and refresh tokens.
//!
//! - [`password`]: password hashes by Argon2id (RFC 9106)
//! - [`signing_key`]: private Ed25519 keys, and a file that holds one
//! - [`tokens`]: access tokens, JWTs (RFC 9068) signed with Ed25519
//! - [`refresh_tokens`]: random refresh tokens

#![warn(missing_docs)]

pub mod password;
pub mod refresh_tokens;
pub mod signing_key;
pub mod tokens;
