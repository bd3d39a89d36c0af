//! Password hashes and access tokens.
//!
//! - [`password`]: hashes by Argon2id (RFC 9106)
//! - [`signing_key`]: the private Ed25519 key, in a file
//! - [`tokens`]: access tokens, JWTs (RFC 9068) signed with Ed25519

pub mod password;
pub mod signing_key;
pub mod tokens;
