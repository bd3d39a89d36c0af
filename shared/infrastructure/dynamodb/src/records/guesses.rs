use application::ports::{AddressDigest, GuessTarget, Source};
use domain::account::Guesses;
use domain::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::SCHEMA_VERSION;
use crate::keys;

/// The guesses at a target: `GUESS#<target>`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GuessesItem {
    pk: String,
    sk: String,
    schema_version: u32,
    made: u32,
    wait_until_ms: i64,
    forgotten_at_ms: i64,
    expires_at: i64,
}

impl GuessesItem {
    pub(crate) fn new(target: GuessTarget, guesses: &Guesses) -> Self {
        Self {
            pk: keys::guesses(target),
            sk: keys::RECORD.to_owned(),
            schema_version: SCHEMA_VERSION,
            made: guesses.made,
            wait_until_ms: guesses.wait_until.as_millis(),
            forgotten_at_ms: guesses.forgotten_at.as_millis(),
            // One second later, because `expires_at` is in whole seconds and must not be too early.
            expires_at: guesses.forgotten_at.as_secs().saturating_add(1),
        }
    }
}

impl From<GuessesItem> for Guesses {
    fn from(item: GuessesItem) -> Self {
        Self {
            made: item.made,
            wait_until: Timestamp::from_millis(item.wait_until_ms),
            forgotten_at: Timestamp::from_millis(item.forgotten_at_ms),
        }
    }
}

/// A network from which an account was registered or logged in to: `SOURCES#<digest>` /
/// `SOURCE#<network>`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KnownSourceItem {
    pk: String,
    sk: String,
    schema_version: u32,
    expires_at: i64,
}

impl KnownSourceItem {
    /// The item of a network that is known until `expires_at`.
    pub(crate) fn new(address: AddressDigest, source: Source, expires_at: Timestamp) -> Self {
        Self {
            pk: keys::sources_of(address),
            sk: keys::source(source),
            schema_version: SCHEMA_VERSION,
            expires_at: expires_at.as_secs(),
        }
    }

    /// Whether the network is still known at `now`.
    pub(crate) const fn is_known(&self, now: Timestamp) -> bool {
        now.as_secs() < self.expires_at
    }
}
