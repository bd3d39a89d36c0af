//! The table's ceiling: the three transactions of each event, the claim of the event that follows
//! and the mark on it, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use application::deadline::Deadline;
use application::event::{order_message, unpublished};
use application::lifetimes;
use application::outcome::{Settled, WriteTry};
use application::ports::{
    ClaimOutcome, Clock, IdentitySource, InboxRecord, Inventory, Notifications, Observations,
    OrderRepository, Outbox, Placement, RecordedEvent, StockDecision,
};
use contracts::event::SCHEMA_VERSION;
use domain::event::EventStamp;
use domain::identity::{ProductId, UserId};
use domain::money::Money;
use domain::order::{Notification, Order, OrderLine, OrderLines};
use dynamodb::config::{CatalogTable, EventsTable, OrdersTable, TableName};
use dynamodb::{
    DynamoInventory, DynamoNotifications, DynamoObservations, DynamoOrderRepository, DynamoOutbox,
};
use harness::provision::DEMO_USER_ID;
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use tokio::time::Instant;

use crate::load::{self, Call};
use crate::orders::PRODUCTS;
use crate::rig::{Rig, Site};
use crate::samples::Samples;

/// How many events are in work at once. More make the table no faster.
const AT_ONCE: usize = 16;

const TRY: Duration = Duration::from_secs(1);
const UNIT_PRICE: u64 = 1_250;

/// Stores `events` orders as create-order does, and then does to each what event-consumer does.
pub(super) async fn measure(rig: &Rig, events: u64) -> anyhow::Result<Samples> {
    let site = rig.site(1).await?;
    rig.progress().step(&format!("measuring the table's ceiling for {events} events"));
    let orders = (0..events).map(|number| TakenOrder::new(number % PRODUCTS + 1));
    let bare = Bare::new(&site, orders.collect::<anyhow::Result<_>>()?)?;
    load::run(&Turns::of(&bare, Step::Place), AT_ONCE, events).await?;
    let samples = load::run(&Turns::of(&bare, Step::Handle), AT_ONCE, events).await?;
    site.stop().await;
    Ok(samples)
}

/// An order with everything that is stored with it.
struct TakenOrder {
    order: Order,
    lines: OrderLines,
    event: RecordedEvent,
}

impl TakenOrder {
    fn new(product_id: u64) -> anyhow::Result<Self> {
        let product_id = ProductId::new(product_id)?;
        let lines = OrderLines::merge(&[OrderLine { product_id, quantity: 1 }])?;
        let now = SystemClock.now();
        let user_id = UserId::new(DEMO_USER_ID)?;
        let order_id = UuidIdentitySource.order_id();
        let price_of = |_| Money::from_minor(UNIT_PRICE);
        let (order, event) = Order::create(order_id, user_id, &lines, price_of, now, stamp())?;
        let event = RecordedEvent {
            message: order_message(&event)?,
            transaction_id: UuidIdentitySource.transaction_id(),
            unpublished: false,
            recorded_at: now,
            sweep_due: now.plus(lifetimes::SWEEP_AFTER),
        };
        Ok(Self { order, lines, event })
    }
}

/// The stamp of a new event.
fn stamp() -> EventStamp {
    EventStamp::untraced(UuidIdentitySource.event_id(), SCHEMA_VERSION)
}

/// The adapters, and the orders that are taken in turn.
#[derive(Clone)]
struct Bare {
    orders: DynamoOrderRepository,
    observations: DynamoObservations,
    inventory: DynamoInventory,
    notifications: DynamoNotifications,
    outbox: DynamoOutbox,
    taken: Arc<Vec<TakenOrder>>,
}

impl Bare {
    fn new(site: &Site, taken: Vec<TakenOrder>) -> anyhow::Result<Self> {
        let client = dynamodb::connect_to(&site.system.endpoints.table_url);
        let named = |logical_id| anyhow::Ok(TableName::parse(&site.table_name(logical_id)?)?);
        let orders = OrdersTable::named(named("OrdersTable")?);
        let events = EventsTable::named(named("EventsTable")?);
        let catalog = CatalogTable::named(named("CatalogTable")?);
        let (client, orders, events) = (|| client.clone(), || orders.clone(), || events.clone());
        Ok(Self {
            orders: DynamoOrderRepository::new(client(), orders(), events()),
            observations: DynamoObservations::new(client(), events()),
            inventory: DynamoInventory::new(client(), orders(), events(), catalog),
            notifications: DynamoNotifications::new(client(), orders(), events()),
            outbox: DynamoOutbox::new(client(), events()),
            taken: Arc::new(taken),
        })
    }

    async fn place(&self, taken: &TakenOrder) -> anyhow::Result<()> {
        let TakenOrder { order, event, .. } = taken;
        let placement = Placement { order, event, idempotency: None, now: SystemClock.now() };
        done(self.orders.place(&placement, Deadline::after(TRY)).await)
    }

    async fn handle(&self, taken: &TakenOrder) -> anyhow::Result<()> {
        let at = SystemClock.now();
        let inbox = |handler| InboxRecord {
            handler,
            event_id: taken.event.message.event_id,
            at,
            expires_at: at.plus(lifetimes::INBOX),
        };
        let within = || Deadline::after(TRY);
        let keep_until = at.plus(lifetimes::OBSERVED_EVENT);
        done(self.observations.observe(&inbox("observer"), keep_until, within()).await)?;

        let (order, confirmed) = taken.order.confirm(at, stamp())?;
        let event_id = confirmed.stamp.event_id;
        let transaction_id = UuidIdentitySource.transaction_id();
        let event = unpublished(transaction_id, &confirmed)?;
        let decision = StockDecision { order: &order, event: &event, reserve: Some(&taken.lines) };
        done(self.inventory.decide(&inbox("inventory"), &decision, within()).await)?;
        // What is done before and after the broker is given the event that follows.
        let until = at.plus(lifetimes::SWEEP_AFTER);
        let claimed = self.outbox.claim(event_id, event.sweep_due, until).await;
        anyhow::ensure!(matches!(claimed, ClaimOutcome::Won), "not claimed: {claimed:?}");
        let marked = self.outbox.mark_published(event_id, transaction_id).await;
        anyhow::ensure!(matches!(marked, Settled::Done), "an event was not marked: {marked:?}");

        let notification = Notification {
            event_type: taken.event.message.event_type.as_str().to_owned(),
            aggregate_version: 1,
            at,
        };
        let (user_id, order_id) = (order.user_id(), order.id());
        let inbox = inbox("notification");
        done(self.notifications.notify(&inbox, user_id, order_id, &notification, within()).await)
    }
}

fn done<R: std::fmt::Debug>(outcome: WriteTry<R>) -> anyhow::Result<()> {
    match outcome {
        WriteTry::Done => Ok(()),
        other => anyhow::bail!("a transaction was not stored: {other:?}"),
    }
}

/// A step that is done to one order after another.
struct Turns {
    bare: Bare,
    step: Step,
    next: AtomicUsize,
}

enum Step {
    Place,
    Handle,
}

impl Turns {
    fn of(bare: &Bare, step: Step) -> Arc<Self> {
        Arc::new(Self { bare: bare.clone(), step, next: AtomicUsize::new(0) })
    }
}

impl Call for Turns {
    async fn call(&self, _: usize) -> anyhow::Result<Duration> {
        let started = Instant::now();
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let taken = self.bare.taken.get(next).context("there are no more orders")?;
        match self.step {
            Step::Place => self.bare.place(taken).await?,
            Step::Handle => self.bare.handle(taken).await?,
        }
        Ok(started.elapsed())
    }
}
