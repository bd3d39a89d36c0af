//! What clients want, and the outcomes of their requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a client knows after one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// 201: the order is created.
    Acked {
        order_id: String,
        /// Whether an earlier request created it (`Idempotency-Replayed`).
        replayed: bool,
    },
    /// 4xx: no order.
    Refused { status: u16 },
    /// 5xx, or no answer at all. A retry with the same key settles it.
    Unknown {
        /// `None` if there was no answer.
        status: Option<u16>,
        /// Set if the answer named it.
        order_id: Option<String>,
        /// From `Retry-After`.
        retry_after: bool,
    },
}

impl Outcome {
    /// `None` unless it was acknowledged.
    #[must_use]
    pub fn acked(&self) -> Option<&str> {
        match self {
            Self::Acked { order_id, .. } => Some(order_id),
            Self::Refused { .. } | Self::Unknown { .. } => None,
        }
    }

    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }
}

/// One order that a client wants under one idempotency key, in as many requests as that takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// May be [`Intent::UNKNOWN_PRODUCT`].
    pub product_id: u64,
    pub quantity: u64,
}

impl Intent {
    /// No product of the catalog has this id.
    pub const UNKNOWN_PRODUCT: u64 = 999_999_999;

    #[must_use]
    pub fn is_hopeless(self) -> bool {
        self.product_id == Self::UNKNOWN_PRODUCT
    }
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub key: String,
    pub outcome: Outcome,
    /// From the request's start to its end.
    pub took: Duration,
}

#[derive(Debug, Default)]
pub struct ClientLog(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    intents: BTreeMap<String, Intent>,
    entries: Vec<Entry>,
    cancels: BTreeMap<String, Cancel>,
}

/// What a user knows of the cancel of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cancel {
    /// It was requested, and no answer has confirmed it.
    Asked,
    /// 200: the order is cancelled.
    Acked,
}

impl ClientLog {
    /// The key's intent: `intent`, unless the key already has another one.
    pub(crate) fn intend(&self, key: &str, intent: Intent) -> Intent {
        *self.book().intents.entry(key.to_owned()).or_insert(intent)
    }

    pub(crate) fn add(&self, entry: Entry) {
        self.book().entries.push(entry);
    }

    /// Adds what is known of the cancel of an order. [`Cancel::Acked`] is never replaced.
    pub(crate) fn cancel(&self, order_id: &str, known: Cancel) {
        let mut book = self.book();
        let cancel = book.cancels.entry(order_id.to_owned()).or_insert(known);
        *cancel = known.max(*cancel);
    }

    #[must_use]
    pub fn cancels(&self) -> BTreeMap<String, Cancel> {
        self.book().cancels.clone()
    }

    /// By key.
    #[must_use]
    pub fn intents(&self) -> BTreeMap<String, Intent> {
        self.book().intents.clone()
    }

    /// In the order in which the requests ended.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.book().entries.clone()
    }

    #[must_use]
    pub fn open_keys(&self) -> Vec<String> {
        let book = self.book();
        let definite = book.entries.iter().filter(|entry| !entry.outcome.is_unknown());
        let settled: BTreeSet<&String> = definite.map(|entry| &entry.key).collect();
        book.intents.keys().filter(|key| !settled.contains(key)).cloned().collect()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
