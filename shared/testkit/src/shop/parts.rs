//! A shop of the use cases, on any tables.

use std::time::Duration;

use application::deadline::Deadline;
use application::events::consume::{
    ConsumeEvents, GiveUpEvents, HandleEvents, Registry, ReservationGroups,
};
use application::events::publish::PublishStored;
use application::events::sweep::Sweep;
use application::events::{consume, sweep};
use application::orders::cancel::{CancelOrder, CancelOrderCommand, CancelOrderError};
use application::orders::create::{
    Budgets, CircuitBreaker, CreateOrder, CreateOrderCommand, CreateOrderError, WithoutBroker,
};
use application::ports::{Clock, OrderListing, PageLimit};
use domain::identity::{OrderId, ProductId, UserId};
use domain::money::Money;
use domain::order::{OpenCount, OpenPeriod, OrderLine, OrderLines, StoredOrder};
use domain::product::Product;
use domain::timestamp::Timestamp;

use super::{Cancellation, Creation, FIRST_STOCK, Lines, PRODUCTS, Shop, USERS};
use crate::broker::MemoryBroker;
use crate::clock::ManualClock;
use crate::contract::{TableFixture, open_units};
use crate::identities::SequentialIdentities;
use crate::samples::{UNIT_PRICE, key, product, product_id, user};

/// How many open units an account may hold. The orders of a plan ask for more.
pub const OPEN_UNITS_MAX: u32 = 9;

/// How many orders a page has: fewer than a user creates.
const PAGE: u8 = 2;

/// The part of Lambda's 10 s that a function uses for its request.
const REQUEST: Duration = Duration::from_secs(9);

/// At most this many rounds of sweep and consumption until nothing is pending.
const ROUNDS_MAX: u32 = 14;

/// [`Windows::REAL`] becomes no longer than this.
const WINDOW_MAX: Duration = Duration::from_secs(8);

/// The times for which events are consumed, and for which the sweep looks. What has begun by then
/// is finished.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    consume: Duration,
    sweep: Duration,
    /// Whether calls take time, so that a call may be too late.
    are_real: bool,
}

impl Windows {
    /// Windows for a runtime whose clock is paused: calls take no time.
    pub const PAUSED: Self =
        Self { consume: Duration::from_secs(54), sweep: Duration::from_secs(5), are_real: false };

    /// Windows for tables that need real time. They become longer while events stay pending because
    /// the machine is slow.
    pub const REAL: Self = Self {
        consume: Duration::from_millis(400),
        sweep: Duration::from_millis(400),
        are_real: true,
    };

    fn longer(self) -> Self {
        if !self.are_real {
            return self;
        }
        let longer = |window: Duration| (window * 2).min(WINDOW_MAX);
        Self { consume: longer(self.consume), sweep: longer(self.sweep), ..self }
    }
}

/// The use cases on tables, with a broker and a wall clock in memory.
#[derive(Debug)]
pub struct PartsShop<Tables> {
    tables: Tables,
    broker: MemoryBroker,
    clock: ManualClock,
    identities: SequentialIdentities,
    windows: Windows,
    products: Vec<ProductId>,
    users: Vec<UserId>,
}

impl<Tables: TableFixture> PartsShop<Tables> {
    /// Opens a shop on these tables, which must be empty.
    pub async fn open(tables: Tables, windows: Windows) -> Self {
        let (clock, broker) = (ManualClock::default(), MemoryBroker::default());
        broker.set_clock(&clock);
        let numbers = 1..=PRODUCTS as u64;
        let products: Vec<_> = numbers.clone().map(|number| product(number, FIRST_STOCK)).collect();
        tables.put_products(&products).await;
        Self {
            tables,
            broker,
            clock,
            identities: SequentialIdentities::default(),
            windows,
            products: numbers.map(product_id).collect(),
            users: (1..=USERS as u64).map(user).collect(),
        }
    }

    fn publication(&self) -> PublishStored<MemoryBroker, ManualClock> {
        PublishStored { publisher: self.broker.clone(), clock: self.clock.clone() }
    }

    async fn consume_for(&self, window: Duration) {
        let pace = consume::Pace::default();
        let deadline = Deadline::after(window + pace.event + Duration::from_secs(1));
        let consume = ConsumeEvents {
            subscription: self.broker.clone(),
            handling: HandleEvents {
                aggregates: self.tables.aggregates(),
                publication: self.publication(),
                identities: self.identities.clone(),
                registry: Registry::default(),
                groups: ReservationGroups::limited(Some(OPEN_UNITS_MAX)),
            },
            giving_up: GiveUpEvents {
                letters: self.tables.letter_moves(),
                announcements: self.broker.clone(),
            },
            pace,
        };
        let report = consume.run(deadline).await;
        assert_eq!((report.foreign, report.dead_lettered), (0, 0), "{report:?}");
    }

    async fn sweep_for(&self, window: Duration) {
        let pace = sweep::Pace::default();
        let deadline = Deadline::after(window + pace.event);
        let sweep = Sweep {
            index: self.tables.aggregates(),
            aggregates: self.tables.aggregates(),
            topics: self.broker.clone(),
            publication: self.publication(),
            identities: self.identities.clone(),
            pace,
        };
        sweep.run(deadline).await;
    }

    async fn is_settled(&self) -> bool {
        for user_id in &self.users {
            let stored = self.orders_of(*user_id).await;
            if stored.iter().any(|stored| !stored.pending.is_empty()) {
                return false;
            }
        }
        true
    }
}

impl<Tables: TableFixture> Shop for PartsShop<Tables> {
    const IS_RUNNING: bool = false;

    fn products(&self) -> &[ProductId] {
        &self.products
    }

    fn first_price(&self) -> u64 {
        UNIT_PRICE
    }

    fn users(&self) -> &[UserId] {
        &self.users
    }

    async fn create(&self, user_id: UserId, lines: &Lines, reused: Option<u8>) -> Creation {
        let wanted: Vec<_> = lines
            .iter()
            .map(|(product_id, quantity)| OrderLine {
                product_id: *product_id,
                quantity: *quantity,
            })
            .collect();
        let command = CreateOrderCommand {
            user_id,
            lines: OrderLines::merge(&wanted).unwrap(),
            key: reused.map(|reused| key(&format!("key-{reused}"))),
            traceparent: None,
        };
        let create = CreateOrder {
            orders: self.tables.order_keys(),
            catalog: self.tables.catalog(),
            publisher: self.broker.clone(),
            clock: self.clock.clone(),
            identities: self.identities.clone(),
            budgets: Budgets::default(),
            without_broker: WithoutBroker::Accept(CircuitBreaker::default()),
        };
        let order = match create.execute(&command, Deadline::after(REQUEST)).await {
            Ok(reply) => reply.order,
            Err(CreateOrderError::KeyReused) => return Creation::KeyReused,
            Err(error) => panic!("{error}"),
        };
        let lines = order.lines().iter();
        Creation::Created {
            order_id: order.id(),
            total: order.total().minor(),
            lines: lines
                .map(|line| (line.product_id, line.quantity.get().into(), line.unit_price.minor()))
                .collect(),
        }
    }

    async fn cancel(&self, user_id: UserId, order_id: OrderId) -> Cancellation {
        let cancel = CancelOrder {
            orders: self.tables.order_keys(),
            returns: self.tables.stock_returns(),
            clock: self.clock.clone(),
            identities: self.identities.clone(),
        };
        let command = CancelOrderCommand { user_id, order_id, traceparent: None };
        match cancel.execute(&command, Deadline::after(REQUEST)).await {
            Ok(Some(_)) => Cancellation::Cancelled,
            Ok(None) => Cancellation::NotFound,
            Err(CancelOrderError::Refused(_)) => Cancellation::Refused,
            Err(error) => panic!("{error}"),
        }
    }

    async fn add_stock(&self, product: ProductId, units: u32) {
        self.tables.add_stock(product, units).await;
    }

    async fn set_price(&self, id: ProductId, price: u64) {
        let unit_price = Money::from_minor(price).unwrap();
        let imported = Product { unit_price, ..product(id.get(), 0) };
        self.tables.put_product_keeping_stock(&imported).await;
    }

    async fn consume(&self) {
        self.consume_for(self.windows.consume).await;
    }

    async fn sweep(&self) {
        self.sweep_for(self.windows.sweep).await;
    }

    async fn end_period(&self) {
        self.sweep().await;
        self.consume().await;
        if self.is_settled().await {
            self.clock.advance(OpenPeriod::LENGTH);
        }
    }

    async fn settle(&self, _orders: &[(UserId, OrderId)]) {
        let mut windows = self.windows;
        for _ in 0..ROUNDS_MAX {
            // An hour later everything is due.
            self.clock.advance(Duration::from_secs(3_600));
            self.sweep_for(windows.sweep).await;
            self.consume_for(windows.consume).await;
            if self.is_settled().await {
                return;
            }
            windows = windows.longer();
        }
        panic!("events are pending after {ROUNDS_MAX} rounds");
    }

    async fn orders_of(&self, user_id: UserId) -> Vec<StoredOrder> {
        let (mut orders, mut after) = (Vec::new(), None);
        loop {
            let limit = PageLimit::new(PAGE).unwrap();
            let page = self.tables.order_listing().page(user_id, after, limit).await.unwrap();
            assert_eq!(page.unreadable, 0);
            orders.extend(page.items);
            after = page.next;
            if after.is_none() {
                return orders;
            }
        }
    }

    async fn stock_of(&self, product: ProductId) -> u32 {
        self.tables.stock_of(product).await.unwrap()
    }

    async fn open_units(&self, count: OpenCount) -> u32 {
        open_units(&self.tables, count).await.unwrap_or_default()
    }

    fn open_units_max(&self) -> u32 {
        OPEN_UNITS_MAX
    }

    fn is_cheap_to_read(&self) -> bool {
        !self.windows.are_real
    }

    fn makes_copies(&self) -> bool {
        self.windows.are_real
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn published(&self) -> Vec<Vec<u8>> {
        self.broker.visible().into_iter().map(String::into_bytes).collect()
    }
}
