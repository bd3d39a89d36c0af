use std::collections::{BTreeMap, HashMap};

use application::ports::{
    Activity, AddressDigest, DeadLetter, DeadLetterId, GuessTarget, IdempotencyKey,
    IdempotencyRecord, InboxRecord, OutboxCopy, Pending, RecordedEvent, Source, TokenHash,
    TransactionState, Whose,
};
use domain::identity::{EventId, OrderId, ProductId, SessionId, TransactionId, UserId};
use domain::order::Order;
use domain::product::Product;
use domain::timestamp::Timestamp;
use domain::user::{Account, EmailAddress, Guesses, Session};

use super::aggregates::Item;

/// The outbox copy of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// The event, as long as it is unobserved with the time at which the sweep looks at it.
    pub event: RecordedEvent,
    /// Whether the sweep looks after it.
    pub unobserved: bool,
    /// Until when it is kept, once it was observed or dead-lettered.
    pub expires_at: Option<Timestamp>,
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

/// An account, and which attempt wrote it.
#[derive(Debug, Clone)]
pub(super) struct StoredAccount {
    pub(super) account: Account,
    pub(super) attempt: TransactionId,
}

/// A refresh token.
#[derive(Debug, Clone)]
pub(super) struct StoredToken {
    pub(super) session: SessionId,
    pub(super) expires_at: Timestamp,
    /// What it was exchanged for.
    pub(super) successor: Option<TokenHash>,
}

/// What the tables hold. Nothing expires by itself: `DynamoDB` deletes late, too.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) items: BTreeMap<(UserId, OrderId), Item>,
    /// How many attempts were fenced, also those whose tombstone an order has replaced.
    pub(super) fences: u64,
    pub(super) orders: BTreeMap<(UserId, OrderId), Order>,
    pub(super) events: BTreeMap<EventId, StoredEvent>,
    pub(super) attempts: BTreeMap<TransactionId, TransactionState>,
    pub(super) idempotency: HashMap<(UserId, IdempotencyKey), IdempotencyRecord>,
    pub(super) inbox: BTreeMap<(&'static str, EventId), InboxRecord>,
    pub(super) products: BTreeMap<ProductId, Product>,
    pub(super) dead_letters: BTreeMap<DeadLetterId, DeadLetter>,
    pub(super) accounts: BTreeMap<UserId, StoredAccount>,
    pub(super) owners: HashMap<EmailAddress, UserId>,
    pub(super) sessions: BTreeMap<SessionId, Session>,
    pub(super) tokens: HashMap<TokenHash, StoredToken>,
    pub(super) activities: Vec<(Whose, Activity)>,
    pub(super) guesses: HashMap<GuessTarget, Guesses>,
    pub(super) sources: HashMap<(AddressDigest, Source), Timestamp>,
}

impl Rows {
    /// Stores an event's outbox copy and its attempt's COMMITTED record.
    pub(super) fn record(&mut self, event: &RecordedEvent) {
        let stored = StoredEvent { event: event.clone(), unobserved: true, expires_at: None };
        self.events.insert(event.message.event_id, stored);
        self.attempts.insert(event.transaction_id, TransactionState::Committed);
    }

    /// Adds an activity, unless it is there.
    pub(super) fn note(&mut self, whose: Whose, activity: Activity) {
        if !self.activities.iter().any(|(_, known)| known.id == activity.id) {
            self.activities.push((whose, activity));
        }
    }

    pub(super) fn is_handled(&self, inbox: &InboxRecord) -> bool {
        self.inbox.contains_key(&(inbox.handler, inbox.event_id))
    }

    pub(super) fn handle(&mut self, inbox: InboxRecord) {
        self.inbox.insert((inbox.handler, inbox.event_id), inbox);
    }
}
