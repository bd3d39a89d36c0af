//! What is written when an order is created, and what can be found at its key.

use std::collections::BTreeSet;

use super::Order;
use crate::aggregate::AggregateKey;
use crate::identity::{EventId, TransactionId};
use crate::pending::{PendingEvent, PendingEvents};

/// An order that is not stored yet, with the attempt that is to store it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrder {
    order: Order,
    attempt: TransactionId,
    pending: PendingEvent,
}

impl NewOrder {
    pub const fn new(order: Order, attempt: TransactionId, pending: PendingEvent) -> Self {
        Self { order, attempt, pending }
    }

    /// The order, in status CREATED.
    pub const fn order(&self) -> &Order {
        &self.order
    }

    pub const fn attempt(&self) -> TransactionId {
        self.attempt
    }

    pub fn into_stored(self) -> StoredOrder {
        let created = self.order.history().first().event.event_id;
        StoredOrder {
            order: self.order,
            attempt: self.attempt,
            pending: PendingEvents::one(created, self.pending),
            revision: 1,
        }
    }
}

/// An order with everything that is stored in the same item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOrder {
    pub order: Order,
    /// The attempt that created the order. It never changes, and is kept after all events are
    /// handled: a broker may ask about the attempt years later.
    pub attempt: TransactionId,
    pub pending: PendingEvents,
    /// How many writes have changed the order or what is pending. Each write is conditional on it,
    /// so no write undoes another one. Unlike the order's version it also rises without an event.
    pub revision: u64,
}

impl StoredOrder {
    pub const fn key(&self) -> AggregateKey {
        self.order.key()
    }

    /// The identifier of the order's `OrderCreated`.
    pub const fn created_event(&self) -> EventId {
        self.order.history().first().event.event_id
    }

    pub fn raised(&self, event_id: EventId) -> bool {
        self.order.history().change_of(event_id).is_some()
    }
}

/// The most attempts that one tombstone holds, so that its item stays below 8 KB.
pub const FENCED_MAX: usize = 256;

/// What is stored at the key of an order that does not exist: the attempts that can no longer
/// create it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tombstone(BTreeSet<TransactionId>);

impl Tombstone {
    pub fn holds(&self, attempt: TransactionId) -> bool {
        self.0.contains(&attempt)
    }

    pub fn is_full(&self) -> bool {
        self.0.len() >= FENCED_MAX
    }

    pub fn fence(&mut self, attempt: TransactionId) {
        self.0.insert(attempt);
    }
}

impl FromIterator<TransactionId> for Tombstone {
    fn from_iter<Attempts: IntoIterator<Item = TransactionId>>(attempts: Attempts) -> Self {
        Self(attempts.into_iter().collect())
    }
}

/// What is at an order's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AtKey {
    /// Neither an order nor a tombstone.
    Absent,
    Tombstone(Tombstone),
    Created {
        /// The attempt that created the order. It can be read in every version of the item.
        attempt: TransactionId,
        /// The order, unless newer code stored it in a version that this code can't read.
        stored: Option<Box<StoredOrder>>,
    },
}

impl AtKey {
    /// Which attempt created the order, if there is one.
    pub const fn attempt(&self) -> Option<TransactionId> {
        match self {
            Self::Created { attempt, .. } => Some(*attempt),
            Self::Absent | Self::Tombstone(_) => None,
        }
    }
}

impl From<StoredOrder> for AtKey {
    fn from(stored: StoredOrder) -> Self {
        Self::Created { attempt: stored.attempt, stored: Some(Box::new(stored)) }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::event::EventStamp;
    use crate::identity::{OrderId, ProductId, UserId};
    use crate::money::Money;
    use crate::order::{OrderLine, OrderLines};
    use crate::timestamp::Timestamp;

    fn attempt(number: u128) -> TransactionId {
        TransactionId::new(Uuid::from_u128(number))
    }

    fn event(number: u128) -> EventId {
        EventId::new(Uuid::from_u128(number))
    }

    #[test]
    fn a_new_order_is_stored_with_its_attempt_and_its_pending_event() {
        let line = OrderLine { product_id: ProductId::new(1).unwrap(), quantity: 2 };
        let lines = OrderLines::merge(&[line]).unwrap();
        let (id, now) = (OrderId::new(Uuid::from_u128(1)), Timestamp::from_millis(0));
        let stamp = EventStamp::untraced(event(1), 1);
        let price = |_| Money::from_minor(100);
        let (order, _) =
            Order::create(id, UserId::new(1).unwrap(), &lines, price, now, stamp).unwrap();
        let stored =
            NewOrder::new(order, attempt(1), PendingEvent::unsent(attempt(1), now)).into_stored();
        assert_eq!((stored.pending.len(), stored.pending.holds(event(1))), (1, true));
        assert_eq!((stored.created_event(), stored.revision), (event(1), 1));
        assert!(stored.raised(event(1)) && !stored.raised(event(2)));
        assert_eq!(AtKey::from(stored).attempt(), Some(attempt(1)));
    }

    #[test]
    fn a_tombstone_holds_the_attempts_that_it_fences_and_creates_nothing() {
        let mut tombstone: Tombstone = [attempt(1)].into_iter().collect();
        assert!(tombstone.holds(attempt(1)) && !tombstone.holds(attempt(2)));
        tombstone.fence(attempt(2));
        assert!(tombstone.holds(attempt(1)) && tombstone.holds(attempt(2)));
        assert_eq!(AtKey::Tombstone(tombstone).attempt(), None);
    }

    #[test]
    fn a_tombstone_is_full_with_256_attempts() {
        let mut tombstone: Tombstone = (0..255).map(attempt).collect();
        assert!(!tombstone.is_full());
        tombstone.fence(attempt(255));
        assert!(tombstone.is_full());
    }
}
