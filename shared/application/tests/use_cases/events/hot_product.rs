//! One very popular product, on a table with AWS's latencies and conflicts, in simulated time.
//!
//! Two transactions on one item conflict. With one order per transaction, the time of a transaction
//! would limit a product to about 50 orders a second.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use application::deadline::Deadline;
use application::events::StoredAggregate;
use application::events::consume::Registry;
use application::orders::create::CreateOrderCommand;
use application::outcome::{Failure, FailureClass, ItemReason, WriteTry};
use application::ports::pending::{AggregateChange, Found, OrderChange, PendingEventStore};
use application::ports::stock::{ReservationCancelled, Reservations, Taking};
use domain::aggregate::AggregateKey;
use domain::identity::{OrderId, ProductId};
use domain::order::OpenCount;
use testkit::samples::{lines, product, product_id, user};
use testkit::tables::MemoryTables;
use testkit::world::World;
use tokio::time::{Instant, sleep, sleep_until};

use crate::orders::create::create;

const HOT: u64 = 1;
const OTHERS: u64 = 9;

/// From how many accounts the orders come, in turn.
const ACCOUNTS: u64 = 50;

/// The same where open units are counted. One account's orders conflict, and a product that
/// everybody buys is bought by many.
const COUNTED_ACCOUNTS: u64 = 5_000;
const STOCK: u32 = 1_000_000;

/// How many orders of the hot product are created a second.
const OFFERED: u64 = 1_200;

/// How many of them have to be CONFIRMED a second.
const CONFIRMED: u64 = 1_000;

/// How many are created and have to be CONFIRMED where open units are counted. An order then takes
/// two of the 100 items of a transaction, so half as many go into one.
const COUNTED_OFFERED: u64 = 1_000;
const COUNTED_CONFIRMED: u64 = 800;

/// How many orders of all others together are created a second.
const OTHERS_OFFERED: u64 = 100;

/// How long orders are created.
const TIME: Duration = Duration::from_secs(3);

/// In ms, the middles of the twenty equal parts of the distributions that
/// `tests/harness/src/weather/settings.rs` states with their sources.
const READ_MS: [u64; 20] = [3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 6, 7, 9];
const WRITE_MS: [u64; 20] = [4, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 7, 7, 7, 7, 8, 8, 9, 10, 13];
const TRANSACTION_MS: [u64; 20] =
    [15, 15, 16, 16, 17, 17, 18, 18, 19, 19, 19, 20, 20, 21, 21, 22, 22, 23, 25, 50];

/// What each item of a transaction beyond the first adds, in thousandths of a ms.
const ITEM_US: u64 = 270;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Item {
    Aggregate(AggregateKey),
    Product(ProductId),
    Open(OpenCount),
}

/// The tables in memory, with AWS's latencies. A write holds its items while it is under way, and
/// other writes of these items are refused.
#[derive(Clone)]
struct SlowTables {
    tables: MemoryTables,
    /// The step with which calls go through the distributions.
    stride: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    calls: usize,
    held: BTreeSet<Item>,
    /// The number of writes that take stock of the hot product.
    tries: u64,
    conflicts: u64,
    confirmed: BTreeMap<OrderId, Instant>,
}

impl SlowTables {
    fn new(tables: MemoryTables, stride: usize) -> Self {
        Self { tables, stride, state: Arc::default() }
    }

    fn state<Output>(&self, with: impl FnOnce(&mut State) -> Output) -> Output {
        with(&mut self.state.lock().unwrap())
    }

    async fn takes(&self, distribution: [u64; 20], items: u64) {
        let turn = self.state(|state| {
            state.calls += 1;
            state.calls
        });
        // Uses every value, and never two neighbouring values in a row.
        let milliseconds = distribution[turn * self.stride % 20];
        let further = Duration::from_micros(ITEM_US * items.saturating_sub(1));
        sleep(Duration::from_millis(milliseconds) + further).await;
    }

    /// Holds items, or returns those that are held already.
    fn hold(&self, items: &BTreeSet<Item>) -> Result<(), BTreeSet<Item>> {
        self.state(|state| {
            let held: BTreeSet<_> = state.held.intersection(items).copied().collect();
            if held.is_empty() {
                state.held.extend(items);
                return Ok(());
            }
            state.conflicts += 1;
            Err(held)
        })
    }

    fn release(&self, items: &BTreeSet<Item>) {
        self.state(|state| state.held.retain(|item| !items.contains(item)));
    }
}

impl PendingEventStore for SlowTables {
    async fn find(&self, key: AggregateKey) -> Result<Option<StoredAggregate>, Failure> {
        self.takes(READ_MS, 1).await;
        self.tables.find(key).await
    }

    async fn change(&self, change: &AggregateChange<'_>, deadline: Deadline) -> WriteTry<Found> {
        let items = BTreeSet::from([Item::Aggregate(change.key())]);
        if self.hold(&items).is_err() {
            self.takes(WRITE_MS, 1).await;
            return WriteTry::NotBegun(Failure::new(FailureClass::Conflict, "held"));
        }
        self.takes(WRITE_MS, 1).await;
        self.release(&items);
        self.tables.change(change, deadline).await
    }
}

impl Reservations for SlowTables {
    async fn reserve(
        &self,
        changes: &[OrderChange<'_>],
        take: &Taking,
        deadline: Deadline,
    ) -> WriteTry<ReservationCancelled> {
        let orders: Vec<_> =
            changes.iter().map(|change| Item::Aggregate(change.before.key())).collect();
        let products = take.stock.keys().copied().map(Item::Product);
        let counts = take.open.keys().copied().map(Item::Open);
        let items: BTreeSet<_> = orders.iter().copied().chain(products).chain(counts).collect();
        let is_hot = take.stock.contains_key(&product_id(HOT));
        self.state(|state| state.tries += u64::from(is_hot));
        let held = self.hold(&items);
        self.takes(TRANSACTION_MS, items.len() as u64).await;
        if let Err(held) = held {
            let (products, counts) = (take.stock.keys(), take.open.keys());
            return WriteTry::Cancelled(ReservationCancelled {
                orders: orders.iter().map(|order| reason(&held, order)).collect(),
                stock: products.map(|id| (*id, reason(&held, &Item::Product(*id)))).collect(),
                open: counts.map(|count| (*count, reason(&held, &Item::Open(*count)))).collect(),
            });
        }
        self.release(&items);
        let reserved = self.tables.reserve(changes, take, deadline).await;
        if matches!(reserved, WriteTry::Done) {
            let ids = changes.iter().map(|change| (change.before.order.id(), Instant::now()));
            self.state(|state| state.confirmed.extend(ids));
        }
        reserved
    }
}

fn reason<Found>(held: &BTreeSet<Item>, item: &Item) -> ItemReason<Found> {
    if held.contains(item) { ItemReason::Busy } else { ItemReason::None }
}

struct Run {
    world: World,
    tables: SlowTables,
    /// When each order of the hot product was created.
    hot: BTreeMap<OrderId, Instant>,
    others: BTreeMap<OrderId, Instant>,
}

impl Run {
    /// Creates orders of the other products, and `offered` a second of the hot product, for
    /// [`TIME`]; three windows consume them.
    async fn with(offered: u64, stride: usize, open_units_max: Option<u32>) -> Self {
        let world = World { open_units_max, ..World::default() };
        let accounts = if open_units_max.is_some() { COUNTED_ACCOUNTS } else { ACCOUNTS };
        (1..=HOT + OTHERS).for_each(|id| world.tables.put_product(product(id, STOCK)));
        let tables = SlowTables::new(world.tables.clone(), stride);
        let window = Deadline::after(TIME + Duration::from_secs(30));
        let consumers =
            [0; 3].map(|_| world.consume_pending_of(tables.clone(), Registry::default()));
        let consuming = futures::future::join_all(consumers.iter().map(|c| c.run(window)));
        let creating_hot = order_at_rate(&world, offered, accounts, |_| HOT);
        let creating_others =
            order_at_rate(&world, OTHERS_OFFERED, accounts, |turn| HOT + 1 + turn % OTHERS);
        let (_, hot, others) = tokio::join!(consuming, creating_hot, creating_others);
        Self { world, tables, hot, others }
    }

    /// The 99th percentile of the time from creation to CONFIRMED of the other products' orders.
    fn p99_of_others(&self) -> Duration {
        let mut took: Vec<_> =
            self.others.iter().map(|(id, created)| self.confirmed_at(*id) - *created).collect();
        took.sort_unstable();
        took[took.len() * 99 / 100]
    }

    fn confirmed_at(&self, id: OrderId) -> Instant {
        self.tables.state(|state| state.confirmed[&id])
    }

    /// Checks that every order has taken its one item of stock, once.
    fn check_stock(&self) {
        let gone = |id| u64::from(STOCK - self.world.tables.stock_of(product_id(id)).unwrap());
        assert_eq!(gone(HOT), self.hot.len() as u64);
        assert_eq!((HOT + 1..=HOT + OTHERS).map(gone).sum::<u64>(), self.others.len() as u64);
    }
}

/// Creates orders of one item each for [`TIME`]; `product_of` gives the product of each turn.
async fn order_at_rate(
    world: &World,
    a_second: u64,
    accounts: u64,
    product_of: impl Fn(u64) -> u64,
) -> BTreeMap<OrderId, Instant> {
    let started = Instant::now();
    let mut created = BTreeMap::new();
    for turn in 0..a_second * TIME.as_secs() {
        sleep_until(started + Duration::from_micros(turn * 1_000_000 / a_second)).await;
        let command = CreateOrderCommand {
            user_id: user(1 + turn % accounts),
            lines: lines(&[(product_of(turn), 1)]),
            key: None,
            traceparent: None,
        };
        let id = create(world, &command).await.unwrap().order.id();
        created.insert(id, Instant::now());
    }
    created
}

#[tokio::test(start_paused = true)]
async fn a_hot_product_sells_a_thousand_a_second_and_holds_up_no_other() {
    println!("{}", sell(OFFERED, None, CONFIRMED).await);
}

#[tokio::test(start_paused = true)]
async fn with_open_units_counted_a_hot_product_sells_eight_hundred_a_second() {
    println!("{}", sell(COUNTED_OFFERED, Some(1_000_000), COUNTED_CONFIRMED).await);
}

/// Checks what is sold, and returns the figures of each run.
async fn sell(offered: u64, open_units_max: Option<u32>, at_least: u64) -> String {
    let mut report = Vec::new();
    for stride in [3, 7, 9] {
        let alone = Run::with(0, stride, open_units_max).await;
        alone.check_stock();
        let beside = Run::with(offered, stride, open_units_max).await;
        beside.check_stock();
        let first = *beside.hot.values().min().unwrap();
        let last = beside.hot.keys().map(|id| beside.confirmed_at(*id)).max().unwrap();
        let took = (last - first).as_secs_f64();
        let confirmed = beside.hot.len() as f64 / took;
        let (tries, conflicts) = beside.tables.state(|state| (state.tries, state.conflicts));
        let (p99, p99_alone) = (beside.p99_of_others(), alone.p99_of_others());
        let figures = format!(
            "{confirmed:.0} a second by {tries} writes, {conflicts} of them conflicts; the others' \
             p99 {p99:?}, alone {p99_alone:?}"
        );
        assert!(confirmed >= at_least as f64, "{figures}");
        assert!(p99 <= p99_alone * 2, "{figures}");
        // Each try costs two write units of the product, and its partition allows 1,000 a second.
        assert!(2.0 * tries as f64 / took <= 1_000.0, "{figures}");
        report.push(figures);
    }
    report.join("\n")
}
