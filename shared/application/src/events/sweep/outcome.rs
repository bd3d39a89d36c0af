//! The results of a sweep.

use std::time::Duration;

use crate::events::report::report;

report! {
    /// The report of a window.
    pub struct SweepReport {
        /// Events that were on no topic and were sent. The broker has acknowledged each.
        pub sent: u64 = "EventsSwept",
        /// Events that were on their topic and were published again, because our group would not
        /// get them otherwise.
        pub republished: u64 = "EventsRepublished",
        /// Events that are on their topic and wait for their consumer.
        pub found: u64,
        /// Those of `found` that have waited so long that an operator should know.
        pub overdue: u64,
        /// Events that were published again as often as allowed, and still wait.
        pub undelivered: u64 = "EventsUndelivered",
        /// Events that could not be looked up or sent. A later look tries them again.
        pub deferred: u64 = "EventsDeferred",
        /// Reads of the index that succeeded, of all topics together.
        pub looks: u64,
        /// Reads of the index that failed, as a whole or in part, and aggregates that can't be
        /// read: how long their events have been pending is unknown.
        pub failed_looks: u64 = "FailedLooks",
        /// How long the oldest event that was found has been pending, in milliseconds. It means
        /// nothing if no look succeeded.
        pub oldest_ms: u64 => max,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryOutcome {
    Sent,
    Republished,
    Found,
    Overdue,
    Undelivered,
    /// The event could not be looked up or sent: a later look tries again.
    Deferred,
    /// This code can't read the event's aggregate: a later look tries again.
    Unreadable,
}

#[derive(Debug)]
pub(super) struct Processed {
    /// Whether this sweep claimed the aggregate.
    pub(super) is_ours: bool,
    /// How long the aggregate's oldest event has been pending.
    pub(super) waited: Duration,
    pub(super) outcomes: Vec<EntryOutcome>,
}

impl Processed {
    pub(super) fn not_ours() -> Self {
        Self { is_ours: false, ..Self::ours() }
    }

    pub(super) const fn ours() -> Self {
        Self { is_ours: true, waited: Duration::ZERO, outcomes: Vec::new() }
    }

    /// An aggregate that could not be claimed, and has been due for `waited`.
    pub(super) fn deferred(waited: Duration) -> Self {
        Self { waited, outcomes: vec![EntryOutcome::Deferred], ..Self::ours() }
    }

    pub(super) fn unreadable() -> Self {
        Self { outcomes: vec![EntryOutcome::Unreadable], ..Self::ours() }
    }
}

impl SweepReport {
    pub(super) fn count(&mut self, processed: &Processed) {
        let waited_ms = u64::try_from(processed.waited.as_millis()).unwrap_or(u64::MAX);
        self.oldest_ms = self.oldest_ms.max(waited_ms);
        for outcome in &processed.outcomes {
            match outcome {
                EntryOutcome::Sent => self.sent += 1,
                EntryOutcome::Republished => self.republished += 1,
                EntryOutcome::Found => self.found += 1,
                EntryOutcome::Overdue => {
                    self.found += 1;
                    self.overdue += 1;
                }
                EntryOutcome::Undelivered => {
                    self.found += 1;
                    self.overdue += 1;
                    self.undelivered += 1;
                }
                EntryOutcome::Deferred => self.deferred += 1,
                EntryOutcome::Unreadable => {
                    self.deferred += 1;
                    self.failed_looks += 1;
                }
            }
        }
    }
}
