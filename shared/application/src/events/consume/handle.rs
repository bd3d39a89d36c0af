//! Handles one event.

use std::panic::AssertUnwindSafe;

use domain::aggregate::AggregateKey;
use domain::identity::EventId;
use domain::order::StoredOrder;
use domain::pending::{PendingEvent, PendingEvents};
use domain::timestamp::Timestamp;
use futures::FutureExt;

use super::groups::{ReservationGroups, Reserved, Shortage};
use super::inventory::{self, Decision, FollowUp, Verdict};
use super::pause_after;
use super::registry::{EventHandler, HandlerError, IncomingEvent, Registry};
use crate::deadline::Deadline;
use crate::events::publish::PublishStored;
use crate::events::revise::revise;
use crate::events::{NotRebuilt, StoredAggregate};
use crate::lifetimes;
use crate::outcome::{Failure, FailureClass};
use crate::ports::pending::{AggregateChange, IndexChange, OrderChange, PendingEventStore};
use crate::ports::stock::Reservations;
use crate::ports::{Clock, IdentitySource, TransactionalPublisher};

/// Handles events by the state of their aggregates.
pub struct HandleEvents<Aggregates, Publisher, Time, Identities> {
    /// Reads and changes aggregates, and takes items out of stock.
    pub aggregates: Aggregates,
    /// Publishes the events that follow.
    pub publication: PublishStored<Publisher, Time>,
    pub identities: Identities,
    /// Handlers with an effect outside the aggregate.
    pub registry: Registry,
    /// The reservations that go together into one write.
    pub groups: ReservationGroups,
}

/// Why a message can be acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// Every handler is done with its event, by this delivery or an earlier one.
    Handled,
    /// No aggregate of this deployment raised its event.
    Foreign,
}

pub(super) struct NotEnded {
    pub(super) error: HandlerError,
    /// Which handler failed; `None` if none was called.
    pub(super) handler: Option<&'static str>,
    /// Whether newer code raised the event. Then it is never given up.
    pub(super) is_newer: bool,
    /// The aggregate, if it could be read.
    pub(super) stored: Option<StoredAggregate>,
}

/// The names of the handlers that change only the aggregate, for logs and dead letters.
const INVENTORY: &str = "inventory";
const NOTIFICATION: &str = "notification";

impl<Aggregates, Publisher, Time, Identities> HandleEvents<Aggregates, Publisher, Time, Identities>
where
    Aggregates: PendingEventStore + Reservations,
    Publisher: TransactionalPublisher,
    Time: Clock,
    Identities: IdentitySource,
{
    /// Handles an event, if it is pending in its aggregate.
    pub(super) async fn handle(
        &self,
        key: AggregateKey,
        event_id: EventId,
        received_at: Timestamp,
        deadline: Deadline,
    ) -> Result<Ended, NotEnded> {
        let unread = |failure| NotEnded {
            error: HandlerError::Failed(failure),
            handler: None,
            is_newer: false,
            stored: None,
        };
        let Some(mut stored) = self.aggregates.find(key).await.map_err(unread)? else {
            return Ok(Ended::Foreign);
        };
        if !stored.raised(event_id) {
            return Ok(Ended::Foreign);
        }
        // Before its type is read: an event that newer code raised and handled has ended as well.
        if !stored.pending().holds(event_id) {
            return Ok(Ended::Handled);
        }
        let event_type = match stored.event_type(event_id) {
            Ok(event_type) => event_type,
            Err(error) => return Err(not_rebuilt(&error, stored)),
        };
        for handler in self.registry.handlers_of(event_type) {
            let Some(entry) = stored.pending().get(event_id) else { return Ok(Ended::Handled) };
            if entry.done_by.contains(handler.name()) {
                continue;
            }
            let incoming =
                IncomingEvent { event_id, event_type, stored: &stored, received_at, deadline };
            if let Err(error) = call(handler, &incoming).await {
                let (handler, stored) = (Some(handler.name()), Some(stored));
                return Err(NotEnded { error, handler, is_newer: false, stored });
            }
            // The handler has marked itself as done in the aggregate, so the aggregate was changed.
            stored = self.aggregates.find(key).await.map_err(unread)?.ok_or_else(|| {
                unread(Failure::new(FailureClass::Permanent, "the aggregate is gone"))
            })?;
        }
        if !stored.pending().holds(event_id) {
            return Ok(Ended::Handled);
        }
        let elsewhere: Vec<_> =
            self.registry.handlers_of(event_type).map(EventHandler::name).collect();
        self.conclude(stored, event_id, &elsewhere, received_at, deadline)
            .await
            .map(|()| Ended::Handled)
    }

    /// Changes only the aggregate, and ends the event with it.
    async fn conclude(
        &self,
        stored: StoredAggregate,
        event_id: EventId,
        elsewhere: &[&'static str],
        received_at: Timestamp,
        deadline: Deadline,
    ) -> Result<(), NotEnded> {
        let mut stored = stored;
        if let StoredAggregate::Order(order) = &stored
            && event_id == order.created_event()
        {
            match self.decide(order.clone(), elsewhere, received_at, deadline).await {
                Ok(None) => return Ok(()),
                Ok(Some(found)) => stored = StoredAggregate::Order(found),
                Err(error) => return Err(failed(INVENTORY, error, stored)),
            }
        }
        let finished = revise(&self.aggregates, stored.clone(), deadline, |found| {
            finish(found, event_id, elsewhere, received_at)
        });
        match finished.await {
            Ok(_) => Ok(()),
            Err(failure) => Err(failed(NOTIFICATION, HandlerError::Failed(failure), stored)),
        }
    }

    /// Decides an order that is CREATED, and publishes the event of the decision. An order that is
    /// decided already, or was cancelled, is returned as it was found: its event only ends.
    async fn decide(
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
                if let Some(ours) = ours {
                    let found = StoredAggregate::Order(stored);
                    inventory::publish(&self.publication, &found, *ours, deadline).await;
                    return Ok(None);
                }
                return Ok(Some(stored));
            };
            let follow_up = FollowUp {
                event_id: self.identities.event_id(),
                publication: self.identities.transaction_id(),
            };
            made.push(follow_up);
            let trace = stored.order.history().first().event.traceparent.clone();
            let decision = Decision::new(undecided, verdict, follow_up, received_at, trace);
            let (aggregates, groups) = (&self.aggregates, &self.groups);
            match inventory::store(aggregates, groups, &stored, verdict, decision, deadline).await {
                Reserved::Stored => {
                    let (order, publication) = (stored.key(), &self.publication);
                    inventory::publish_as_found(
                        aggregates,
                        publication,
                        order,
                        follow_up,
                        deadline,
                    )
                    .await;
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

    /// Records in the event's entry that a delivery failed, and when the next one is expected:
    /// until then the sweep does not publish it again. Returns the aggregate with the entry, and
    /// how many deliveries have failed; `None` if the event has ended meanwhile. A failure whose
    /// answer is lost counts twice: then the event is given up earlier, and never later.
    pub(super) async fn record_failure(
        &self,
        stored: StoredAggregate,
        event_id: EventId,
        deadline: Deadline,
    ) -> Result<Option<(StoredAggregate, u32)>, Failure> {
        let now = self.publication.clock.now();
        let recorded = revise(&self.aggregates, stored, deadline, |found| {
            let mut pending = found.pending().clone();
            let entry = pending.remove(event_id)?;
            let failures = entry.failures.saturating_add(1);
            let due = now.plus(pause_after(entry.failures) + lifetimes::SWEEP_AFTER);
            pending.put(event_id, PendingEvent { failures, due, ..entry });
            let index = IndexChange::at(&pending);
            Some(found.pending_change(pending, index))
        });
        Ok(recorded.await?.and_then(|stored| {
            let failures = stored.pending().get(event_id)?.failures;
            Some((stored, failures))
        }))
    }
}

/// A handler that changes only the aggregate has failed.
const fn failed(handler: &'static str, error: HandlerError, stored: StoredAggregate) -> NotEnded {
    NotEnded { error, handler: Some(handler), is_newer: false, stored: Some(stored) }
}

/// The write that ends an event; for an event of an order, with the notification. `None` if the
/// event has ended, or if it was redriven meanwhile and a handler elsewhere is not done with it:
/// then another delivery handles it.
fn finish<'a>(
    found: &'a StoredAggregate,
    event_id: EventId,
    elsewhere: &[&'static str],
    at: Timestamp,
) -> Option<AggregateChange<'a>> {
    if !is_done_elsewhere(found.pending(), event_id, elsewhere) {
        return None;
    }
    let mut pending = found.pending().clone();
    pending.remove(event_id)?;
    let index = IndexChange::between(found.pending(), &pending);
    Some(match found.pending_change(pending, index) {
        AggregateChange::Order(ends) => {
            AggregateChange::Order(OrderChange { notified: Some((event_id, at)), ..ends })
        }
        AggregateChange::User(ends) => AggregateChange::User(ends),
    })
}

/// Whether an event is pending, and every handler with an effect elsewhere has marked itself as
/// done with it. Without the marks the event must not end: a missing effect would count as done.
fn is_done_elsewhere(
    pending: &PendingEvents,
    event_id: EventId,
    elsewhere: &[&'static str],
) -> bool {
    pending
        .get(event_id)
        .is_some_and(|entry| elsewhere.iter().all(|name| entry.done_by.contains(*name)))
}

/// Calls a handler. A panic is a failure like any other: it is counted, the event is tried again
/// after a pause, and if it panics each time, the event goes to the dead letters.
async fn call(
    handler: &dyn EventHandler,
    incoming: &IncomingEvent<'_>,
) -> Result<(), HandlerError> {
    AssertUnwindSafe(handler.handle(incoming)).catch_unwind().await.unwrap_or_else(|_| {
        let failure = Failure::new(FailureClass::Permanent, "the handler panicked");
        Err(HandlerError::Failed(failure))
    })
}

fn not_rebuilt(error: &NotRebuilt, stored: StoredAggregate) -> NotEnded {
    NotEnded {
        is_newer: matches!(error, NotRebuilt::SchemaVersion(_)),
        error: HandlerError::Permanent(crate::outcome::chain(error)),
        handler: None,
        stored: Some(stored),
    }
}
