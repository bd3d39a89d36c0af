//! Users: their accounts, sessions and activities, and how often somebody guesses.

pub(super) mod accounts;
pub(super) mod activities;
pub(super) mod guesses;
pub(super) mod registration;
pub(super) mod removal;
pub(super) mod sessions;
pub(super) mod sources;
pub(super) mod tokens;

use std::fmt;

fn hexadecimal(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}
