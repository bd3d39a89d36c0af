//! Handlers with an effect outside the aggregate, and how they affect other events.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use application::deadline::Deadline;
use application::events::StoredAggregate;
use application::events::consume::{
    EventHandler, HandlerError, IncomingEvent, Registry, Subscribed,
};
use application::outcome::{Failure, FailureClass, WriteTry};
use application::ports::pending::{
    AggregateChange, Found, IndexChange, OrderChange, PendingEventStore,
};
use application::ports::stock::{ReservationCancelled, Reservations, Taking};
use contracts::event::EventType;
use domain::aggregate::AggregateKey;
use domain::order::OrderStatus;
use futures::FutureExt;
use futures::future::BoxFuture;
use testkit::fault::{Fault, Operation};
use testkit::tables::MemoryTables;
use testkit::world::World;

use super::{LONG, SHORT, assert_confirmed_once, consume_with, created, stored};
use crate::orders::create::world;

/// Marks a handler as done with an event.
pub(super) async fn mark(
    tables: &MemoryTables,
    incoming: &IncomingEvent<'_>,
    handler: &str,
) -> Result<(), HandlerError> {
    let mut pending = incoming.stored.pending().clone();
    let mut entry = pending.remove(incoming.event_id).unwrap();
    entry.done_by.insert(handler.to_owned());
    pending.put(incoming.event_id, entry);
    let marked = incoming.stored.pending_change(pending, IndexChange::Keep);
    match tables.change(&marked, incoming.deadline).await {
        WriteTry::Done => Ok(()),
        // The event is delivered again, and its aggregate shows whether the mark is there.
        other => Err(Failure::new(FailureClass::Unavailable, format!("{other:?}")).into()),
    }
}

/// Counts orders outside the aggregate: its effect and its mark are one write.
struct Counter {
    tables: MemoryTables,
    calls: AtomicU32,
    counted: Arc<AtomicU32>,
    fails: u32,
}

impl Counter {
    async fn count(&self, incoming: &IncomingEvent<'_>) -> Result<(), HandlerError> {
        if self.calls.fetch_add(1, Ordering::SeqCst) < self.fails {
            return Err(Failure::new(FailureClass::Unavailable, "elsewhere is away").into());
        }
        mark(&self.tables, incoming, self.name()).await?;
        self.counted.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

impl EventHandler for Counter {
    fn name(&self) -> &'static str {
        "counter"
    }

    fn handle<'a>(
        &'a self,
        incoming: &'a IncomingEvent<'a>,
    ) -> BoxFuture<'a, Result<(), HandlerError>> {
        self.count(incoming).boxed()
    }
}

/// A registry with the counter. Its first `fails` calls fail.
pub(crate) fn counting(world: &World, counted: &Arc<AtomicU32>, fails: u32) -> Registry {
    let counter = Counter {
        tables: world.tables.clone(),
        calls: AtomicU32::new(0),
        counted: Arc::clone(counted),
        fails,
    };
    Registry::default().with(Subscribed::To(&[EventType::OrderCreated]), counter)
}

#[tokio::test(start_paused = true)]
async fn a_handler_with_an_effect_elsewhere_does_its_part_once() {
    let world = world();
    let id = created(&world, 2).await;
    let counted = Arc::new(AtomicU32::new(0));
    // The handler is done, and then the reservation fails a few times.
    let failing = Fault::Refused(FailureClass::Permanent);
    world.tables.script(Operation::Reserve, [failing, failing, failing]);
    let report =
        consume_with(&world, counting(&world, &counted, 2), Duration::from_secs(300)).await;
    assert_eq!(counted.load(Ordering::SeqCst), 1);
    assert_eq!(report.postponed, 5, "{report:?}");
    let stored = stored(&world, id);
    assert!(stored.pending.is_empty());
    assert_eq!(stored.order.status(), OrderStatus::Confirmed);
}

#[tokio::test(start_paused = true)]
async fn an_event_waits_for_every_handler() {
    let world = world();
    let id = created(&world, 2).await;
    let counted = Arc::new(AtomicU32::new(0));
    consume_with(&world, counting(&world, &counted, u32::MAX), Duration::from_secs(30)).await;
    let stored = stored(&world, id);
    assert_eq!(stored.order.status(), OrderStatus::Created);
    assert!(stored.pending.holds(stored.created_event()));
    assert_eq!(world.broker.unacknowledged(), 1);
}

struct Panicking;

impl EventHandler for Panicking {
    fn name(&self) -> &'static str {
        "panicking"
    }

    fn handle<'a>(
        &'a self,
        _incoming: &'a IncomingEvent<'a>,
    ) -> BoxFuture<'a, Result<(), HandlerError>> {
        async { panic!("it breaks each time") }.boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_each_time_ends_in_the_dead_letters() {
    let world = world();
    let id = created(&world, 2).await;
    let registry = || Registry::default().with(Subscribed::ToAll, Panicking);
    let report = consume_with(&world, registry(), LONG).await;
    assert_eq!(report.dead_lettered, 1);
    let letter = &world.tables.dead_letters()[0];
    assert_eq!((letter.handler.as_deref(), letter.attempts), (Some("panicking"), 16));
    assert_eq!(letter.event_id, Some(stored(&world, id).created_event()));
    assert_eq!(world.broker.unacknowledged(), 0);
}

/// Gives up at once.
pub(crate) struct Hopeless;

impl EventHandler for Hopeless {
    fn name(&self) -> &'static str {
        "hopeless"
    }

    fn handle<'a>(
        &'a self,
        _incoming: &'a IncomingEvent<'a>,
    ) -> BoxFuture<'a, Result<(), HandlerError>> {
        async { Err(HandlerError::Permanent("it can never be done".to_owned())) }.boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn what_will_never_be_handled_is_a_dead_letter_at_once() {
    let world = world();
    let id = created(&world, 2).await;
    let registry = Registry::default().with(Subscribed::ToAll, Hopeless);
    let report = consume_with(&world, registry, SHORT).await;
    assert_eq!((report.dead_lettered, report.postponed, report.unannounced), (1, 0, 0));
    let letters = world.tables.dead_letters();
    assert_eq!((letters[0].handler.as_deref(), letters[0].attempts), (Some("hopeless"), 1));
    assert_eq!(letters[0].reason, "it can never be done");
    assert_eq!(world.broker.announced(), letters);
    assert_eq!(world.broker.unacknowledged(), 0);
    let stored = stored(&world, id);
    assert_eq!(stored.order.status(), OrderStatus::Created, "no other handler acts on it");
    assert!(stored.pending.is_empty());
}

/// Aggregates one of which panics whenever it is read, outside all handlers.
struct PanicsOver(MemoryTables, AggregateKey);

impl PendingEventStore for PanicsOver {
    async fn find(&self, key: AggregateKey) -> Result<Option<StoredAggregate>, Failure> {
        assert_ne!(key, self.1, "on purpose");
        self.0.find(key).await
    }

    async fn change(&self, change: &AggregateChange<'_>, deadline: Deadline) -> WriteTry<Found> {
        self.0.change(change, deadline).await
    }
}

impl Reservations for PanicsOver {
    async fn reserve(
        &self,
        changes: &[OrderChange<'_>],
        take: &Taking,
        deadline: Deadline,
    ) -> WriteTry<ReservationCancelled> {
        self.0.reserve(changes, take, deadline).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_over_one_event_does_not_affect_others() {
    let world = world();
    let broken = created(&world, 1).await;
    let id = created(&world, 2).await;
    let aggregates = PanicsOver(world.tables.clone(), stored(&world, broken).key());
    let consume = world.consume_pending_of(aggregates, Registry::default());
    let report = consume.run(Deadline::after(SHORT)).await;
    assert_confirmed_once(&world, id);
    assert_eq!((report.handled, report.dead_lettered), (2, 0), "{report:?}");
    assert!(report.postponed > 1, "it is delivered again when it becomes visible: {report:?}");
    assert_eq!(world.broker.unacknowledged(), 1);
}
