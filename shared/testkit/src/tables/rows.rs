use std::collections::{BTreeMap, HashMap};

use application::ports::{
    DeadLetter, DeadLetterId, IdempotencyKey, IdempotencyRecord, InboxRecord, OutboxCopy, Pending,
    RecordedEvent, TransactionState,
};
use domain::identity::{EventId, OrderId, ProductId, TransactionId, UserId};
use domain::instant::Instant;
use domain::order::Order;
use domain::product::Product;

/// The outbox copy of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// The event, as long as it is unobserved with the time at which the sweep looks at it.
    pub event: RecordedEvent,
    /// Whether the sweep looks after it.
    pub unobserved: bool,
    /// Until when it is kept, once it was observed or dead-lettered.
    pub expires_at: Option<Instant>,
}

impl StoredEvent {
    pub(super) fn copy(&self) -> OutboxCopy {
        let event = self.event.clone();
        OutboxCopy {
            message: event.message,
            transaction_id: event.transaction_id,
            recorded_at: event.recorded_at,
            pending: self
                .unobserved
                .then_some(Pending { unpublished: event.unpublished, sweep_due: event.sweep_due }),
        }
    }
}

/// What the tables hold. Nothing expires by itself: `DynamoDB` deletes late, too.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) orders: BTreeMap<(UserId, OrderId), Order>,
    pub(super) events: BTreeMap<EventId, StoredEvent>,
    pub(super) attempts: BTreeMap<TransactionId, TransactionState>,
    pub(super) idempotency: HashMap<(UserId, IdempotencyKey), IdempotencyRecord>,
    pub(super) inbox: BTreeMap<(&'static str, EventId), InboxRecord>,
    pub(super) products: BTreeMap<ProductId, Product>,
    pub(super) dead_letters: BTreeMap<DeadLetterId, DeadLetter>,
}

impl Rows {
    /// Stores an event's outbox copy and its attempt's COMMITTED record.
    pub(super) fn record(&mut self, event: &RecordedEvent) {
        let stored = StoredEvent { event: event.clone(), unobserved: true, expires_at: None };
        self.events.insert(event.message.event_id, stored);
        self.attempts.insert(event.transaction_id, TransactionState::Committed);
    }

    pub(super) fn is_handled(&self, inbox: &InboxRecord) -> bool {
        self.inbox.contains_key(&(inbox.handler, inbox.event_id))
    }

    pub(super) fn handle(&mut self, inbox: InboxRecord) {
        self.inbox.insert((inbox.handler, inbox.event_id), inbox);
    }
}
