//! What clients were told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a client knows after one request. A definite answer is believed; everything else is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// 201.
    Acked {
        /// The order.
        order_id: String,
        /// Whether an earlier request had taken it.
        replayed: bool,
    },
    /// 4xx: no order.
    Refused {
        /// The status.
        status: u16,
    },
    /// 5xx, or no answer at all. A retry with the same key settles it.
    Unknown {
        /// The status, when there was one.
        status: Option<u16>,
        /// The order in question, when the answer named it.
        order_id: Option<String>,
        /// Whether the answer said when to try again.
        retry_after: bool,
    },
}

impl Outcome {
    /// The order, when there is one for certain.
    #[must_use]
    pub fn acked(&self) -> Option<&str> {
        match self {
            Self::Acked { order_id, .. } => Some(order_id),
            Self::Refused { .. } | Self::Unknown { .. } => None,
        }
    }

    /// Whether the client does not know.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }
}

/// What a client wants: one order, under one idempotency key, however often it has to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// Of what.
    pub product_id: u64,
    /// How many.
    pub quantity: u64,
}

impl Intent {
    /// A product that nobody sells.
    pub const UNKNOWN_PRODUCT: u64 = 999_999_999;

    /// Whether it can only be refused.
    #[must_use]
    pub fn is_hopeless(self) -> bool {
        self.product_id == Self::UNKNOWN_PRODUCT
    }
}

/// One request and what came of it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The idempotency key.
    pub key: String,
    /// What the client was told.
    pub outcome: Outcome,
    /// How long that took.
    pub took: Duration,
}

/// Every intent and every request.
#[derive(Debug, Default)]
pub struct ClientLog(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    intents: BTreeMap<String, Intent>,
    entries: Vec<Entry>,
}

impl ClientLog {
    /// What is wanted under a key: `intent`, unless something else was before. It stays the same.
    pub(crate) fn intend(&self, key: &str, intent: Intent) -> Intent {
        *self.book().intents.entry(key.to_owned()).or_insert(intent)
    }

    pub(crate) fn add(&self, entry: Entry) {
        self.book().entries.push(entry);
    }

    /// Every intent by its key.
    #[must_use]
    pub fn intents(&self) -> BTreeMap<String, Intent> {
        self.book().intents.clone()
    }

    /// Every request, in the order in which they ended.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.book().entries.clone()
    }

    /// The keys of which no request has had a definite answer.
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
