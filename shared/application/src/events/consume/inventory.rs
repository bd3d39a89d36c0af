//! Reserves an order's stock: the order becomes CONFIRMED, or REJECTED if there is not enough, or
//! if its account would hold too many open units.
//!
//! The decision raises an event, which is pending with the write that stores the decision. The same
//! write ends `OrderCreated` and notifies the account of it: all changes of the order are one
//! write.

use std::time::Duration;

use contracts::event::SCHEMA_VERSION;
use domain::event::EventStamp;
use domain::identity::{EventId, TransactionId};
use domain::order::{OpenCount, Order, OrderEvent, StoredOrder, UndecidedOrder};
use domain::pending::PendingEvent;
use domain::timestamp::Timestamp;

use super::groups::{Request, Reserved, Shortage};
use super::handle::{HandleEvents, is_done_elsewhere};
use super::registry::HandlerError;
use crate::deadline::Deadline;
use crate::events::StoredAggregate;
use crate::events::revise::store;
use crate::lifetimes;
use crate::outcome::{Failure, FailureClass};
use crate::ports::pending::{AggregateChange, IndexChange, OrderChange, PendingEventStore};
use crate::ports::stock::Reservations;
use crate::ports::{Clock, IdentitySource, TransactionalPublisher};

/// How long the half message and the commit of the next event may take together.
const PUBLICATION: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Confirm {
        /// Whether the order's units count as open.
        counted: bool,
    },
    Reject,
}

/// The event of a decision. Several writers may decide, but at most one of their events is in the
/// history.
#[derive(Debug, Clone, Copy)]
struct FollowUp {
    event_id: EventId,
    publication: TransactionId,
}

/// A decision that is not stored yet: the order after it, and its event.
#[derive(Debug, Clone)]
pub(super) struct Decision {
    after: Order,
    follow_up: FollowUp,
    at: Timestamp,
}

impl Decision {
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

impl<Aggregates, Publisher, Time, Identities> HandleEvents<Aggregates, Publisher, Time, Identities>
where
    Aggregates: PendingEventStore + Reservations,
    Publisher: TransactionalPublisher,
    Time: Clock,
    Identities: IdentitySource,
{
    /// Decides an order that is CREATED, and publishes the event of the decision. An order that is
    /// decided already, or was cancelled, is returned as it was found: its event only ends.
    pub(super) async fn decide(
        &self,
        mut stored: StoredOrder,
        elsewhere: &[&'static str],
        received_at: Timestamp,
        deadline: Deadline,
    ) -> Result<Option<StoredOrder>, HandlerError> {
        let created = stored.created_event();
        let mut verdict = Verdict::Confirm { counted: self.groups.counts_open_units() };
        let mut made: Vec<FollowUp> = Vec::new();
        loop {
            let is_open = is_done_elsewhere(&stored.pending, created, elsewhere);
            let Some(undecided) = stored.order.undecided().filter(|_| is_open) else {
                // One of our own tries may have been stored unnoticed. An event is published by the
                // writer whose event is in the history, and by nobody else.
                let ours = made.iter().find(|follow_up| stored.raised(follow_up.event_id));
                if let Some(follow_up) = ours {
                    self.publish(&StoredAggregate::Order(stored), *follow_up, deadline).await;
                    return Ok(None);
                }
                return Ok(Some(stored));
            };
            let follow_up = FollowUp {
                event_id: self.identities.event_id(),
                publication: self.identities.transaction_id(),
            };
            made.push(follow_up);
            // The new event belongs to the trace of the order.
            let stamp = EventStamp {
                event_id: follow_up.event_id,
                schema_version: SCHEMA_VERSION,
                traceparent: stored.order.history().first().event.traceparent.clone(),
            };
            let (after, _) = decided(undecided, verdict, received_at, stamp);
            let decision = Decision { after, follow_up, at: received_at };
            match self.store(&stored, verdict, decision, deadline).await {
                Reserved::Stored => {
                    self.publish_as_found(stored, follow_up, deadline).await;
                    return Ok(None);
                }
                Reserved::Changed(found) => stored = *found,
                Reserved::Short(shortage) => {
                    if shortage == Shortage::OpenUnits {
                        let order_id = stored.order.id();
                        tracing::info!(%order_id, "its account would hold too many open units");
                    }
                    verdict = Verdict::Reject;
                }
                Reserved::Failed(failure) => return Err(HandlerError::Failed(failure)),
            }
        }
    }

    /// Stores a decision. A confirmation goes into one write with those of other orders that wait
    /// for the same products; a rejection takes no stock and has a write of its own.
    async fn store(
        &self,
        stored: &StoredOrder,
        verdict: Verdict,
        decision: Decision,
        deadline: Deadline,
    ) -> Reserved {
        if verdict != Verdict::Reject {
            let request = Request { stored: stored.clone(), decision };
            return self.groups.reserve(&self.aggregates, request, deadline).await;
        }
        let rejects = AggregateChange::Order(decision.change(stored));
        match store(&self.aggregates, &rejects, deadline).await {
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
    async fn publish_as_found(&self, stored: StoredOrder, follow_up: FollowUp, deadline: Deadline) {
        match self.aggregates.find(stored.key()).await {
            Ok(Some(found)) if found.raised(follow_up.event_id) => {
                self.publish(&found, follow_up, deadline).await;
            }
            Ok(_) => tracing::error!(
                event_id = %follow_up.event_id,
                "the event of the decision is not in the order that was just decided"
            ),
            Err(failure) => log_left_to_sweep(follow_up, &failure),
        }
    }

    async fn publish(&self, found: &StoredAggregate, follow_up: FollowUp, deadline: Deadline) {
        let FollowUp { event_id, publication } = follow_up;
        let within = Deadline::after(PUBLICATION).or_earlier(deadline);
        if let Err(error) = self.publication.send(found, event_id, publication, within).await {
            log_left_to_sweep(follow_up, &error);
        }
    }
}

fn log_left_to_sweep(follow_up: FollowUp, error: &(dyn std::error::Error + 'static)) {
    let FollowUp { event_id, publication } = follow_up;
    let transaction_id = publication;
    tracing::warn!(%event_id, %transaction_id, error, "an event is left to the sweep");
}

/// The order after the decision, and the event of it.
fn decided(
    order: UndecidedOrder<'_>,
    verdict: Verdict,
    at: Timestamp,
    stamp: EventStamp,
) -> (Order, OrderEvent) {
    match verdict {
        Verdict::Confirm { counted: true } => order.confirm_counted(at, stamp),
        Verdict::Confirm { counted: false } => order.confirm(at, stamp),
        Verdict::Reject => order.reject(at, stamp),
    }
}
