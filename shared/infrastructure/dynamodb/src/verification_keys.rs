//! Reads public keys, and remembers them for five minutes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use application::outcome::Failure;
use application::ports::{
    Clock, PublishedKeys, VerificationKey, VerificationKeyStore, VerificationKeys,
};
use aws_sdk_dynamodb::Client;
use domain::timestamp::Timestamp;

use crate::administration::put_verification_key;
use crate::config::KeysTable;
use crate::error::failure;
use crate::item::{Item, from_item};
use crate::keys;
use crate::reading::get;
use crate::records::VerificationKeyRecord;

/// The longest name of a key, in bytes. No key has a longer one, and the table refuses one of 2
/// KiB.
const KID_BYTES_MAX: usize = 128;

/// Reads and stores public keys. Clones share the client.
#[derive(Debug, Clone)]
pub struct DynamoVerificationKeys {
    client: Client,
    table: KeysTable,
}

impl DynamoVerificationKeys {
    /// Keys are read from `table`.
    pub const fn new(client: Client, table: KeysTable) -> Self {
        Self { client, table }
    }
}

impl VerificationKeys for DynamoVerificationKeys {
    async fn by_kid(&self, kid: &str) -> Result<Option<VerificationKey>, Failure> {
        if kid.len() > KID_BYTES_MAX {
            return Ok(None);
        }
        let key = keys::simple(keys::verification_key(kid));
        let found: Option<VerificationKeyRecord> =
            get(&self.client, self.table.as_str(), key).await?;
        Ok(found.map(VerificationKey::from))
    }
}

impl PublishedKeys for DynamoVerificationKeys {
    async fn all(&self, now: Timestamp) -> Result<Vec<VerificationKey>, Failure> {
        let pages = self
            .client
            .scan()
            .table_name(self.table.as_str())
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let items = pages.collect::<Result<Vec<_>, _>>().await.map_err(failure)?;
        let keys = items.into_iter().filter_map(readable);
        Ok(keys.filter(|key| !key.is_retired(now)).collect())
    }
}

/// A key, unless it can't be read: then the others still verify.
fn readable(item: Item) -> Option<VerificationKey> {
    from_item::<VerificationKeyRecord>(item)
        .inspect_err(|error| tracing::error!(%error, "a public key is unreadable"))
        .ok()
        .map(VerificationKey::from)
}

impl VerificationKeyStore for DynamoVerificationKeys {
    async fn put(&self, key: &VerificationKey) -> Result<(), Failure> {
        put_verification_key(&self.client, &self.table, key).await
    }
}

/// How long a key is remembered. A key that is deleted from the table stays valid for that time.
const REMEMBERED: Duration = Duration::from_secs(5 * 60);

/// Remembers keys for five minutes. A key that was not found is read again each time, so that a new
/// key is valid at once and invented names take no memory.
#[derive(Debug)]
pub struct CachedVerificationKeys<Keys, Time> {
    keys: Keys,
    clock: Time,
    remembered: Mutex<HashMap<String, (VerificationKey, Timestamp)>>,
}

impl<Keys, Time> CachedVerificationKeys<Keys, Time> {
    /// Remembers the keys that `keys` returns.
    pub fn new(keys: Keys, clock: Time) -> Self {
        Self { keys, clock, remembered: Mutex::default() }
    }

    /// A key that was read within [`REMEMBERED`].
    fn recall(&self, kid: &str, now: Timestamp) -> Option<VerificationKey> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let (key, read_at) = remembered.get(kid)?;
        read_at.is_younger_than(REMEMBERED, now).then(|| key.clone())
    }
}

impl<Keys: VerificationKeys, Time: Clock> VerificationKeys for CachedVerificationKeys<Keys, Time> {
    async fn by_kid(&self, kid: &str) -> Result<Option<VerificationKey>, Failure> {
        let now = self.clock.now();
        if let Some(key) = self.recall(kid, now) {
            return Ok(Some(key));
        }
        let found = self.keys.by_kid(kid).await?;
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        match &found {
            Some(key) => drop(remembered.insert(kid.to_owned(), (key.clone(), now))),
            None => drop(remembered.remove(kid)),
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl VerificationKeys for &Counting {
        async fn by_kid(&self, kid: &str) -> Result<Option<VerificationKey>, Failure> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let key =
                VerificationKey { kid: kid.to_owned(), public_key: [1; 32], retires_at: None };
            Ok((kid == "known").then_some(key))
        }
    }

    struct Hands(AtomicI64);

    impl Clock for &Hands {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.load(Ordering::Relaxed))
        }
    }

    #[tokio::test]
    async fn a_key_is_remembered_for_five_minutes_and_an_unknown_one_never() {
        let (table, clock) = (Counting::default(), Hands(AtomicI64::new(1_000_000)));
        let keys = CachedVerificationKeys::new(&table, &clock);
        let reads = || table.0.load(Ordering::Relaxed);
        for (at, read) in [(1_000_000, 1), (1_299_999, 1), (1_300_000, 2), (900_000, 3)] {
            clock.0.store(at, Ordering::Relaxed);
            assert!(keys.by_kid("known").await.unwrap().is_some());
            assert_eq!(reads(), read, "at {at}");
        }
        assert!(keys.by_kid("made up").await.unwrap().is_none());
        assert!(keys.by_kid("made up").await.unwrap().is_none());
        assert_eq!(reads(), 5);
    }
}
