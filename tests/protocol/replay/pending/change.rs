//! A change of the order on the wire.

use application::outcome::WriteTry;
use application::ports::pending::{Found, IndexChange, OrderChange, PendingEventStore};
use domain::identity::EventId;
use domain::order::{StatusChange, StoredOrder};
use domain::pending::PendingEvents;
use domain::timestamp::Timestamp;
use testkit::tables::MemoryTables;

use super::stage::soon;

pub(crate) struct OwnedChange {
    before: StoredOrder,
    reached: Option<StatusChange>,
    notified: Option<(EventId, Timestamp)>,
    pending: PendingEvents,
    index: IndexChange,
}

impl OwnedChange {
    pub(crate) fn of(change: &OrderChange<'_>) -> Self {
        Self {
            before: change.before.clone(),
            reached: change.reached.clone(),
            notified: change.notified,
            pending: change.pending.clone(),
            index: change.index,
        }
    }

    /// In the form that its port expects.
    pub(crate) fn borrowed(&self) -> OrderChange<'_> {
        OrderChange {
            before: &self.before,
            reached: self.reached.clone(),
            notified: self.notified,
            pending: self.pending.clone(),
            index: self.index,
        }
    }

    pub(crate) const fn decides(&self) -> bool {
        self.reached.is_some()
    }

    pub(crate) async fn arrive(&self, tables: &MemoryTables) -> WriteTry<Found> {
        tables.change(&self.borrowed().into(), soon()).await
    }
}
