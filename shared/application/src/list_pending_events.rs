//! Lists the events that no consumer has seen, for an operator.

use std::collections::HashSet;
use std::time::Duration;

use crate::listing::{Listing, Selection};
use crate::outcome::Failure;
use crate::ports::{Clock, PendingEvents, RecordedEvent};

/// The use case with the ports it needs.
#[derive(Debug, Clone)]
pub struct ListPendingEvents<E, K> {
    /// The events that no consumer has seen.
    pub events: E,
    /// The wall clock.
    pub clock: K,
}

impl<E: PendingEvents, K: Clock> ListPendingEvents<E, K> {
    /// The events that were recorded at least `older_than` ago and that no consumer has seen, the
    /// oldest first, `limit` at most. After each page, `progress` is told how many there are so
    /// far.
    ///
    /// # Errors
    ///
    /// [`Failure`] if they couldn't all be read.
    pub async fn oldest(
        &self,
        older_than: Duration,
        limit: usize,
        mut progress: impl FnMut(u64),
    ) -> Result<Listing<RecordedEvent>, Failure> {
        let now = self.clock.now();
        let mut selection = Selection::new(limit, |a: &RecordedEvent, b: &RecordedEvent| {
            let by_id = || a.message.event_id.cmp(&b.message.event_id);
            a.recorded_at.cmp(&b.recorded_at).then_with(by_id)
        });
        // What is claimed while the pages are read comes up twice.
        let mut told = HashSet::new();
        let mut found = 0;
        let mut unreadable = 0;
        let mut after = None;
        loop {
            let page = self.events.page(after).await?;
            unreadable += page.unreadable;
            for event in page.items {
                let old_enough = now.since(event.recorded_at) >= older_than;
                if old_enough && told.insert(event.message.event_id) {
                    found += 1;
                    selection.add(event);
                }
            }
            progress(found);
            after = page.next;
            if after.is_none() {
                return Ok(selection.finish(unreadable));
            }
        }
    }
}
