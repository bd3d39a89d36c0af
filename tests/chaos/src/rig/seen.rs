//! The effects of the functions' calls on the table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use harness::order_calls;
use harness::table_proxy::{TableCall, TableProxy};

/// Effects that the table does not show at the end: an order replaces its tombstone, and a
/// notification that is written twice is stored once.
#[derive(Debug, Clone, Default)]
pub struct Seen(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    fenced: BTreeSet<String>,
    notified: BTreeMap<String, u64>,
}

impl Seen {
    pub(super) fn watch(&self, table: &TableProxy) {
        let seen = self.clone();
        table.watch(move |call| seen.record(call));
    }

    fn record(&self, call: &TableCall) {
        if !order_calls::is_done(call) {
            return;
        }
        let mut counts = self.counts();
        counts.fenced.extend(order_calls::fenced_by(call).map(|attempt| attempt.transaction_id));
        for event_id in order_calls::notified_by(call) {
            *counts.notified.entry(event_id).or_default() += 1;
        }
    }

    #[must_use]
    pub fn fenced(&self) -> BTreeSet<String> {
        self.counts().fenced.clone()
    }

    #[must_use]
    pub fn notified(&self, event_id: &str) -> u64 {
        self.counts().notified.get(event_id).copied().unwrap_or_default()
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
