//! The table's ceiling: only the transaction that reserves an order's stock and ends its
//! `OrderCreated`, and the update that ends its `OrderConfirmed`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use application::deadline::Deadline;
use application::lifetimes;
use application::outcome::WriteTry;
use application::ports::pending::{IndexChange, OrderChange, PendingEventStore};
use application::ports::stock::{Reservations, Taking};
use application::ports::{Clock, IdentitySource, OrderCreation};
use contracts::event::SCHEMA_VERSION;
use domain::event::EventStamp;
use domain::identity::{ProductId, UserId};
use domain::money::Money;
use domain::order::{NewOrder, Order, OrderLine, OrderLines, StoredOrder};
use domain::pending::{PendingEvent, PendingEvents};
use dynamodb::config::{CatalogTable, OrdersTable, TableName, UsersTable};
use dynamodb::{DynamoAggregates, DynamoOrders};
use harness::provision::DEMO_USER_ID;
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use tokio::time::Instant;

use crate::load::{self, Call};
use crate::orders::PRODUCTS;
use crate::rig::{Rig, Site};
use crate::samples::Samples;

/// Orders that are handled at once. More do not make the table faster.
const AT_ONCE: usize = 16;

const TRY: Duration = Duration::from_secs(1);
const UNIT_PRICE: u64 = 1_250;

/// Stores `orders` orders as create-order does, and then makes event-consumer's writes for each
/// one. event-consumer may confirm several orders of one product in one transaction; here each
/// order has its own.
pub(super) async fn measure(rig: &Rig, orders: u64) -> anyhow::Result<Samples> {
    let site = rig.site(1).await?;
    rig.progress().step(&format!("measuring the table's ceiling for {orders} orders"));
    let created = (0..orders).map(|number| new_order(number % PRODUCTS + 1));
    let bare = Bare::new(&site, created.collect::<anyhow::Result<_>>()?)?;
    load::run(&Turns::of(&bare, Step::Create), AT_ONCE, orders).await?;
    let samples = load::run(&Turns::of(&bare, Step::Handle), AT_ONCE, orders).await?;
    site.stop().await;
    Ok(samples)
}

fn new_order(product_id: u64) -> anyhow::Result<NewOrder> {
    let product_id = ProductId::new(product_id)?;
    let lines = OrderLines::merge(&[OrderLine { product_id, quantity: 1 }])?;
    let (now, attempt) = (SystemClock.now(), UuidIdentitySource.transaction_id());
    let user_id = UserId::new(DEMO_USER_ID)?;
    let order_id = UuidIdentitySource.order_id();
    let price_of = |_| Money::from_minor(UNIT_PRICE);
    let (order, _) = Order::create(order_id, user_id, &lines, price_of, now, stamp())?;
    let due = now.plus(lifetimes::SWEEP_AFTER);
    Ok(NewOrder::new(order, attempt, PendingEvent::sent(attempt, now, due)))
}

fn stamp() -> EventStamp {
    EventStamp::untraced(UuidIdentitySource.event_id(), SCHEMA_VERSION)
}

#[derive(Clone)]
struct Bare {
    keys: DynamoOrders,
    table: DynamoAggregates<CatalogTable>,
    orders: Arc<Vec<NewOrder>>,
}

impl Bare {
    fn new(site: &Site, orders: Vec<NewOrder>) -> anyhow::Result<Self> {
        let client = dynamodb::connect_to(&site.system.endpoints.table_url);
        let named = |logical_id| anyhow::Ok(TableName::parse(&site.table_name(logical_id)?)?);
        let table = OrdersTable::named(named("OrdersTable")?);
        let users = UsersTable::named(named("UsersTable")?);
        let keys = DynamoOrders::new(client.clone(), table.clone());
        let table = DynamoAggregates::new(client, table, users)
            .with_stock(CatalogTable::named(named("CatalogTable")?));
        Ok(Self { keys, table, orders: Arc::new(orders) })
    }

    async fn create(&self, new: &NewOrder) -> anyhow::Result<()> {
        done(self.keys.create(new, Deadline::after(TRY)).await)
    }

    async fn handle(&self, new: &NewOrder) -> anyhow::Result<()> {
        let created = new.clone().into_stored();
        let at = SystemClock.now();
        let undecided = created.order.undecided().context("a new order is decided already")?;
        let (order, confirmed) = undecided.confirm_counted(at, stamp());
        let publication = UuidIdentitySource.transaction_id();
        let due = at.plus(lifetimes::SWEEP_AFTER);
        let entry = PendingEvent::sent(publication, at, due);
        let pending = PendingEvents::one(confirmed.stamp.event_id, entry);
        let index = IndexChange::between(&created.pending, &pending);
        let confirmation = OrderChange {
            before: &created,
            reached: Some(order.history().latest().clone()),
            notified: Some((created.created_event(), at)),
            pending: pending.clone(),
            index,
        };
        let lines = created.order.lines().iter();
        let stock = lines.map(|line| (line.product_id, line.quantity.get().into())).collect();
        let open = order.open_count().map(|count| (count, order.units())).into_iter().collect();
        let take = Taking { stock, open, open_max: u32::MAX };
        done(self.table.reserve(&[confirmation], &take, Deadline::after(TRY)).await)?;

        let revision = created.revision + 1;
        let decided = StoredOrder { order, pending, revision, ..created };
        let end = OrderChange {
            before: &decided,
            reached: None,
            notified: Some((confirmed.stamp.event_id, at)),
            pending: PendingEvents::default(),
            index: IndexChange::Leave,
        };
        done(self.table.change(&end.into(), Deadline::after(TRY)).await)
    }
}

fn done<R: std::fmt::Debug>(outcome: WriteTry<R>) -> anyhow::Result<()> {
    match outcome {
        WriteTry::Done => Ok(()),
        other => anyhow::bail!("a write was not stored: {other:?}"),
    }
}

/// A step for one order after another.
struct Turns {
    bare: Bare,
    step: Step,
    next: AtomicUsize,
}

enum Step {
    Create,
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
        let order = self.bare.orders.get(next).context("all orders are used up")?;
        match self.step {
            Step::Create => self.bare.create(order).await?,
            Step::Handle => self.bare.handle(order).await?,
        }
        Ok(started.elapsed())
    }
}
