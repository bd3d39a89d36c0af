//! Passwords, access tokens, and the keys that sign and verify these.

pub(super) mod access_tokens;
pub(super) mod passwords;
pub(super) mod signing_keys;
