//! Which of an aggregate's events are not handled yet.
//!
//! The write that raises an event also makes it pending; its entry is removed when the last of our
//! handlers is done with it. Until then a broker may lose the event: the sweep publishes it again.

use std::collections::{BTreeMap, BTreeSet};

use crate::identity::{EventId, TransactionId};
use crate::timestamp::Timestamp;

/// What is known about an event's latest publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Publication {
    /// No half message was ever sent, so the event can be sent without asking a broker first.
    Unsent,
    /// A half message may have been sent.
    Sent,
    /// The event was found on its topic, and waits for its consumer.
    Found,
}

/// An event that is not handled yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingEvent {
    /// Since when the event is pending. A redrive sets this to the time of the redrive.
    pub since: Timestamp,
    /// The identifier of the event's latest publication: the attempt that created it, a redrive or
    /// a republication.
    pub transaction_id: TransactionId,
    /// When that publication was made; `since` if none was made yet. The wait before the event is
    /// published again is counted from here.
    pub published_at: Timestamp,
    pub publication: Publication,
    /// When the sweep looks at the event next.
    pub due: Timestamp,
    /// The handlers with an effect outside the aggregate that are done with the event. Each adds
    /// its name in the transaction of its effect.
    pub done_by: BTreeSet<String>,
    /// How many deliveries have failed, counted over all copies of the message.
    pub failures: u32,
    /// How often the event was published again although it was, or may have been, on its topic.
    pub copies: u32,
    /// Since when some broker has not answered whether the event is on its topic.
    pub unanswered_since: Option<Timestamp>,
}

impl PendingEvent {
    /// An event whose half message is stored and waits for its commit. The sweep looks at it at
    /// `due`.
    pub const fn sent(transaction_id: TransactionId, since: Timestamp, due: Timestamp) -> Self {
        Self::new(transaction_id, Publication::Sent, since, due)
    }

    /// An event of which no half message was sent. The sweep looks at it at once.
    pub const fn unsent(transaction_id: TransactionId, since: Timestamp) -> Self {
        Self::new(transaction_id, Publication::Unsent, since, since)
    }

    const fn new(
        transaction_id: TransactionId,
        publication: Publication,
        since: Timestamp,
        due: Timestamp,
    ) -> Self {
        Self {
            since,
            transaction_id,
            published_at: since,
            publication,
            due,
            done_by: BTreeSet::new(),
            failures: 0,
            copies: 0,
            unanswered_since: None,
        }
    }

    /// Whether a delivery has reached a handler of ours and left a failure or a mark.
    pub fn is_touched(&self) -> bool {
        self.failures > 0 || !self.done_by.is_empty()
    }
}

/// The order in which the sweep looks at aggregates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rank {
    /// An event may be on no topic.
    First,
    /// All events are on their topics and wait for their consumer.
    Second,
}

/// An aggregate's events that are not handled yet, by their identifiers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PendingEvents(BTreeMap<EventId, PendingEvent>);

impl PendingEvents {
    pub fn one(event_id: EventId, event: PendingEvent) -> Self {
        Self(BTreeMap::from([(event_id, event)]))
    }

    pub fn get(&self, event_id: EventId) -> Option<&PendingEvent> {
        self.0.get(&event_id)
    }

    pub fn holds(&self, event_id: EventId) -> bool {
        self.0.contains_key(&event_id)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The events in the order of their identifiers.
    pub fn iter(&self) -> impl Iterator<Item = (EventId, &PendingEvent)> {
        self.0.iter().map(|(event_id, event)| (*event_id, event))
    }

    /// Whether these events include one that was never sent and that `before` does not hold.
    pub fn adds_unsent_to(&self, before: &Self) -> bool {
        let unsent = self.iter().filter(|(_, event)| event.publication == Publication::Unsent);
        unsent.into_iter().any(|(event_id, _)| !before.holds(event_id))
    }

    /// When the sweep looks at the event that is due first.
    pub fn due(&self) -> Option<Timestamp> {
        self.0.values().map(|event| event.due).min()
    }

    pub fn rank(&self) -> Rank {
        let all_found = self.0.values().all(|event| event.publication == Publication::Found);
        if all_found { Rank::Second } else { Rank::First }
    }

    /// Adds an event, or replaces the one with the same identifier.
    pub fn put(&mut self, event_id: EventId, event: PendingEvent) {
        self.0.insert(event_id, event);
    }

    /// Removes an event and returns it. `None` if it is not pending.
    pub fn remove(&mut self, event_id: EventId) -> Option<PendingEvent> {
        self.0.remove(&event_id)
    }
}

impl FromIterator<(EventId, PendingEvent)> for PendingEvents {
    fn from_iter<Entries: IntoIterator<Item = (EventId, PendingEvent)>>(entries: Entries) -> Self {
        Self(entries.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn event_id(number: u128) -> EventId {
        EventId::new(Uuid::from_u128(number))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn attempt() -> TransactionId {
        TransactionId::new(Uuid::from_u128(9))
    }

    #[test]
    fn the_event_that_is_due_first_decides_when_the_sweep_looks() {
        let mut pending =
            PendingEvents::one(event_id(1), PendingEvent::sent(attempt(), at(0), at(60)));
        pending.put(event_id(2), PendingEvent::unsent(attempt(), at(5)));
        assert_eq!(pending.due(), Some(at(5)));
        pending.remove(event_id(2));
        assert_eq!(pending.due(), Some(at(60)));
        assert_eq!((pending.len(), pending.holds(event_id(1))), (1, true));
        pending.remove(event_id(1));
        assert_eq!(pending.due(), None);
    }

    #[test]
    fn an_event_is_touched_by_a_failure_and_by_a_mark() {
        let untouched = PendingEvent::sent(attempt(), at(0), at(60));
        assert!(!untouched.is_touched());
        assert!(PendingEvent { failures: 1, ..untouched.clone() }.is_touched());
        let done_by = BTreeSet::from(["inventory".to_owned()]);
        assert!(PendingEvent { done_by, ..untouched }.is_touched());
    }

    #[test]
    fn what_is_pending_is_found_by_its_event() {
        let entries = [1, 2, 3]
            .map(|number| (event_id(number), PendingEvent::sent(attempt(), at(0), at(60))));
        let mut pending: PendingEvents = entries.clone().into_iter().collect();
        assert_eq!((pending.len(), pending.is_empty()), (3, false));
        assert!(pending.iter().map(|(id, entry)| (id, entry.clone())).eq(entries.clone()));
        for (id, entry) in &entries {
            assert!(pending.holds(*id));
            assert_eq!(pending.get(*id), Some(entry));
            assert_eq!(pending.remove(*id).as_ref(), Some(entry));
            assert!(!pending.holds(*id));
        }
        assert_eq!((pending.len(), pending.is_empty()), (0, true));
        pending.put(event_id(1), PendingEvent::unsent(attempt(), at(0)));
        assert!(pending.holds(event_id(1)) && !pending.holds(event_id(2)));
    }

    #[test]
    fn an_unsent_event_is_added_once() {
        let of = |number, entry| PendingEvents::one(event_id(number), entry);
        let unsent = || PendingEvent::unsent(attempt(), at(0));
        let sent = || PendingEvent::sent(attempt(), at(0), at(60));
        assert!(of(1, unsent()).adds_unsent_to(&PendingEvents::default()));
        assert!(of(1, unsent()).adds_unsent_to(&of(2, unsent())));
        assert!(!of(1, unsent()).adds_unsent_to(&of(1, unsent())), "it was there before");
        assert!(!of(1, sent()).adds_unsent_to(&PendingEvents::default()));
    }

    #[test]
    fn an_event_that_may_be_on_no_topic_comes_before_one_that_waits_for_its_consumer() {
        let found = PendingEvent {
            publication: Publication::Found,
            ..PendingEvent::unsent(attempt(), at(0))
        };
        let mut pending = PendingEvents::one(event_id(1), found);
        assert_eq!(pending.rank(), Rank::Second);
        pending.put(event_id(2), PendingEvent::sent(attempt(), at(0), at(60)));
        assert_eq!(pending.rank(), Rank::First);
    }
}
