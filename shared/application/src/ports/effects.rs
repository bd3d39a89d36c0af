use std::future::Future;

use domain::identity::{EventId, OrderId, UserId};
use domain::order::{Notification, Order, OrderLines};
use domain::timestamp::Timestamp;

use super::RecordedEvent;
use crate::deadline::Deadline;
use crate::outcome::WriteTry;

/// A handler's inbox record: that it has done its part for an event. An effect that carries one is
/// stored together with it or not at all, and at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboxRecord {
    /// The handler's name.
    pub handler: &'static str,
    /// The event.
    pub event_id: EventId,
    /// When it was handled.
    pub at: Timestamp,
    /// Until when a duplicate is recognised.
    pub expires_at: Timestamp,
}

/// Why an effect was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EffectCancelled {
    /// The handler has done its part already.
    pub handled: bool,
    /// What the effect is conditional on is not there, or not in the state it must be in.
    pub subject_refused: bool,
    /// There is not enough stock of a product, or no such product.
    pub stock_short: bool,
    /// An item was busy, or in the way for a reason that is none of the above.
    pub busy: bool,
}

/// Inbox records by themselves.
pub trait Inbox: Send + Sync {
    /// Makes one try to record that a handler has done its part, within `deadline`.
    fn record(
        &self,
        record: &InboxRecord,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<EffectCancelled>> + Send;
}

/// The handler whose part is the observation, as its inbox record names it.
pub const OBSERVER: &str = "observer";

/// The end of an event's way: a consumer has seen it on its topic.
pub trait Observations: Send + Sync {
    /// Makes one try, within `deadline`, to take an event out of what the sweep looks at, together
    /// with the inbox record, and to let its outbox copy expire at `keep_event_until`. It MUST be
    /// conditional on the copy's being there (`subject_refused` if it isn't).
    fn observe(
        &self,
        inbox: &InboxRecord,
        keep_event_until: Timestamp,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<EffectCancelled>> + Send;
}

/// What inventory decides of an order that is CREATED.
#[derive(Debug)]
pub struct StockDecision<'a> {
    /// The order after the decision.
    pub order: &'a Order,
    /// What tells the decision.
    pub event: &'a RecordedEvent,
    /// What is taken out of stock with it: nothing when the order is rejected.
    pub reserve: Option<&'a OrderLines>,
}

/// The stock and the orders that wait for it.
pub trait Inventory: Send + Sync {
    /// Makes one try, within `deadline`, to store a decision together with the inbox record. It
    /// MUST be conditional on the stored order's being CREATED (`subject_refused` if it isn't) and
    /// on enough stock of every product (`stock_short`), and MUST store the event and its attempt's
    /// COMMITTED record with it.
    fn decide(
        &self,
        inbox: &InboxRecord,
        decision: &StockDecision<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<EffectCancelled>> + Send;
}

/// What customers were told.
pub trait Notifications: Send + Sync {
    /// Makes one try, within `deadline`, to add a notification to an order together with the inbox
    /// record. It MUST be conditional on the order's being there (`subject_refused` if it isn't).
    fn notify(
        &self,
        inbox: &InboxRecord,
        user_id: UserId,
        order_id: OrderId,
        notification: &Notification,
        deadline: Deadline,
    ) -> impl Future<Output = WriteTry<EffectCancelled>> + Send;
}
