//! Reserves an order's stock: the order becomes CONFIRMED, or REJECTED if there is not enough, or
//! if its account would hold too many open units.
//!
//! The decision raises an event, which is pending with the write that stores the decision. The same
//! write ends `OrderCreated` and notifies the account of it: all changes of the order are one
//! write.

use std::time::Duration;

use contracts::event::SCHEMA_VERSION;
use domain::aggregate::AggregateKey;
use domain::event::EventStamp;
use domain::identity::{EventId, TransactionId};
use domain::order::{OpenCount, Order, StoredOrder, UndecidedOrder};
use domain::pending::PendingEvent;
use domain::timestamp::Timestamp;

use super::groups::{Request, ReservationGroups, Reserved};
use crate::deadline::Deadline;
use crate::events::publish::PublishStored;
use crate::events::{StoredAggregate, revise};
use crate::lifetimes;
use crate::outcome::{Failure, FailureClass};
use crate::ports::pending::{AggregateChange, IndexChange, OrderChange, PendingEventStore};
use crate::ports::stock::Reservations;
use crate::ports::{Clock, TransactionalPublisher};

/// How long the half message and the commit of the next event may take together.
const PUBLICATION: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Confirm {
        /// Whether the order's units count as open.
        counted: bool,
    },
    Reject,
}

/// The event of a decision. Several writers may decide, but at most one of their events is in the
/// history.
#[derive(Debug, Clone, Copy)]
pub(super) struct FollowUp {
    pub(super) event_id: EventId,
    pub(super) publication: TransactionId,
}

/// A decision that is not stored yet: the order after it, and its event.
#[derive(Debug, Clone)]
pub(super) struct Decision {
    after: Order,
    follow_up: FollowUp,
    at: Timestamp,
}

impl Decision {
    /// The event of the decision belongs to the trace of the order.
    pub(super) fn new(
        order: UndecidedOrder<'_>,
        verdict: Verdict,
        follow_up: FollowUp,
        at: Timestamp,
        traceparent: Option<String>,
    ) -> Self {
        let event_id = follow_up.event_id;
        let stamp = EventStamp { event_id, schema_version: SCHEMA_VERSION, traceparent };
        let (after, _) = match verdict {
            Verdict::Confirm { counted: true } => order.confirm_counted(at, stamp),
            Verdict::Confirm { counted: false } => order.confirm(at, stamp),
            Verdict::Reject => order.reject(at, stamp),
        };
        Self { after, follow_up, at }
    }

    /// Where the order's units count as open, if they do.
    pub(super) fn open_count(&self) -> Option<OpenCount> {
        self.after.open_count()
    }

    /// The write that stores the decision: `OrderCreated` ends, and the event of the decision is
    /// pending.
    pub(super) fn change<'a>(&self, before: &'a StoredOrder) -> OrderChange<'a> {
        let created = before.created_event();
        let FollowUp { event_id, publication } = self.follow_up;
        let mut pending = before.pending.clone();
        pending.remove(created);
        let due = self.at.plus(lifetimes::SWEEP_AFTER);
        pending.put(event_id, PendingEvent::sent(publication, self.at, due));
        // Usually the sweep still looks when `OrderCreated` was due, which is not later than the
        // new event is.
        let index = IndexChange::between(&before.pending, &pending);
        OrderChange {
            before,
            reached: Some(self.after.history().latest().clone()),
            notified: Some((created, self.at)),
            pending,
            index,
        }
    }
}

/// Stores a decision. A confirmation goes into one write with those of other orders that wait for
/// the same products; a rejection takes no stock and has a write of its own.
pub(super) async fn store(
    aggregates: &(impl PendingEventStore + Reservations),
    groups: &ReservationGroups,
    stored: &StoredOrder,
    verdict: Verdict,
    decision: Decision,
    deadline: Deadline,
) -> Reserved {
    if verdict != Verdict::Reject {
        let request = Request { stored: stored.clone(), decision };
        return groups.reserve(aggregates, request, deadline).await;
    }
    let rejects = AggregateChange::Order(decision.change(stored));
    match revise::store(aggregates, &rejects, deadline).await {
        Ok(None) => Reserved::Stored,
        Ok(Some(StoredAggregate::Order(found))) => Reserved::Changed(Box::new(found)),
        Ok(Some(StoredAggregate::User(_))) => {
            let cause = "another kind of aggregate was found at the order's key";
            Reserved::Failed(Failure::new(FailureClass::Permanent, cause))
        }
        Err(failure) => Reserved::Failed(failure),
    }
}

/// Publishes the event of a decision from the order as it is after the write.
pub(super) async fn publish_as_found(
    aggregates: &impl PendingEventStore,
    publication: &PublishStored<impl TransactionalPublisher, impl Clock>,
    order: AggregateKey,
    follow_up: FollowUp,
    deadline: Deadline,
) {
    match aggregates.find(order).await {
        Ok(Some(found)) if found.raised(follow_up.event_id) => {
            publish(publication, &found, follow_up, deadline).await;
        }
        Ok(_) => tracing::error!(
            event_id = %follow_up.event_id,
            "the event of the decision is not in the order that was just decided"
        ),
        Err(failure) => log_left_to_sweep(follow_up, &failure),
    }
}

/// Publishes the event of a decision. If that fails, the sweep publishes it.
pub(super) async fn publish(
    publication: &PublishStored<impl TransactionalPublisher, impl Clock>,
    found: &StoredAggregate,
    follow_up: FollowUp,
    deadline: Deadline,
) {
    let FollowUp { event_id, publication: transaction_id } = follow_up;
    let within = Deadline::after(PUBLICATION).or_earlier(deadline);
    if let Err(error) = publication.send(found, event_id, transaction_id, within).await {
        log_left_to_sweep(follow_up, &error);
    }
}

fn log_left_to_sweep(follow_up: FollowUp, error: &(dyn std::error::Error + 'static)) {
    let FollowUp { event_id, publication: transaction_id } = follow_up;
    tracing::warn!(%event_id, %transaction_id, error, "an event is left to the sweep");
}
