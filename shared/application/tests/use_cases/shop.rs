//! Several products, several users, and random actions of all kinds, beside a model of the shop.
//!
//! The model knows how many units of each product were delivered to the shop. Everything else follows
//! from the orders: what is confirmed is reserved, what is cancelled or rejected is not, and what was
//! delivered is in stock or reserved. An account's open units are those of its confirmed orders of
//! this period.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use application::deadline::Deadline;
use application::event::event_type_of;
use application::orders::cancel::{CancelOrder, CancelOrderCommand, CancelOrderError};
use application::orders::create::CreateOrderCommand;
use application::ports::Clock;
use contracts::event::Event;
use domain::identity::{OrderId, UserId};
use domain::order::OrderStatus::{self, Cancelled, Confirmed, Created, Rejected};
use domain::order::{OpenCount, OpenPeriod};
use domain::product::Product;
use proptest::prelude::*;
use testkit::samples::{UNIT_PRICE, key, lines, product, product_id, user};
use testkit::world::World;

use crate::events::{SHORT, consume};
use crate::orders::create::create;

/// The products, by number, from 1.
const PRODUCTS: u64 = 4;

/// The users, by number, from 1.
const USERS: u64 = 3;

/// How many units of each product there are at first. The orders below ask for more.
const FIRST_STOCK: u32 = 6;

/// How many open units an account may hold. The orders below ask for more.
const OPEN_UNITS_MAX: u32 = 9;

/// What happens in the shop.
#[derive(Debug, Clone)]
enum Action {
    /// A user creates an order, perhaps with an idempotency key that is used again.
    Create { user: u64, lines: Vec<(u64, u64)>, key: Option<u8> },
    /// A user cancels one of the orders so far, perhaps another user's.
    Cancel { user: u64, order: prop::sample::Index, at_once: usize },
    /// Units of a product are delivered.
    AddStock { product: u64, units: u32 },
    /// A product's price changes, as by an import that keeps its stock.
    SetPrice { product: u64, price: u64 },
    /// A window of event-consumer, in which some of the orders so far are cancelled.
    Consume { cancelled: Vec<(u64, prop::sample::Index)> },
    /// A look of the sweep.
    Sweep,
    /// Everything is handled, and the period in which units are open ends.
    EndPeriod,
}

fn action() -> impl Strategy<Value = Action> {
    let (user, product) = (1..=USERS, 1..=PRODUCTS);
    let lines = prop::collection::btree_map(product.clone(), 1_u64..4, 1..4)
        .prop_map(|lines| lines.into_iter().collect());
    let cancelled = prop::collection::vec((user.clone(), any::<prop::sample::Index>()), 0..4);
    prop_oneof![
        6 => (user.clone(), lines, prop::option::of(0_u8..4))
            .prop_map(|(user, lines, key)| Action::Create { user, lines, key }),
        3 => (user, any::<prop::sample::Index>(), 1_usize..4)
            .prop_map(|(user, order, at_once)| Action::Cancel { user, order, at_once }),
        1 => (product.clone(), 1_u32..5)
            .prop_map(|(product, units)| Action::AddStock { product, units }),
        1 => (product, 1_u64..9_999)
            .prop_map(|(product, price)| Action::SetPrice { product, price }),
        3 => cancelled.prop_map(|cancelled| Action::Consume { cancelled }),
        1 => Just(Action::Sweep),
        1 => Just(Action::EndPeriod),
    ]
}

/// The shop beside what is known of it.
struct Shop {
    world: World,
    /// How many units of each product were delivered.
    delivered: BTreeMap<u64, u32>,
    /// What each product costs, in minor units.
    prices: BTreeMap<u64, u64>,
    /// The orders, with their users.
    orders: Vec<(UserId, OrderId)>,
    /// The lines of the order that was created under each key of each user.
    keys: BTreeMap<(u64, u8), Vec<(u64, u64)>>,
}

impl Shop {
    fn new() -> Self {
        let world = World { open_units_max: Some(OPEN_UNITS_MAX), ..World::default() };
        let (mut delivered, mut prices) = (BTreeMap::new(), BTreeMap::new());
        for number in 1..=PRODUCTS {
            world.tables.put_product(product(number, FIRST_STOCK));
            delivered.insert(number, FIRST_STOCK);
            prices.insert(number, UNIT_PRICE);
        }
        Self { world, delivered, prices, orders: Vec::new(), keys: BTreeMap::new() }
    }

    async fn act(&mut self, action: &Action) {
        match action {
            Action::Create { user: number, lines: wanted, key: reused } => {
                let command = CreateOrderCommand {
                    user_id: user(*number),
                    lines: lines(wanted),
                    key: reused.map(|reused| key(&format!("key-{reused}"))),
                    traceparent: None,
                };
                let created = create(&self.world, &command).await;
                let before = reused.and_then(|reused| self.keys.get(&(*number, reused)));
                if before.is_some_and(|lines| lines != wanted) {
                    assert!(created.is_err(), "a key of other lines was accepted");
                    return;
                }
                let reply = created.unwrap();
                assert_eq!(reply.replayed, before.is_some());
                if !reply.replayed {
                    let cost = |(product, quantity): &(u64, u64)| self.prices[product] * quantity;
                    assert_eq!(reply.order.total().minor(), wanted.iter().map(cost).sum::<u64>());
                    self.orders.push((command.user_id, reply.order.id()));
                    let key = reused.map(|reused| (*number, reused));
                    self.keys.extend(key.map(|key| (key, wanted.clone())));
                }
            }
            Action::Cancel { user, order, at_once } => {
                let cancels = (0..*at_once).map(|_| self.cancel(*user, order));
                futures::future::join_all(cancels).await;
            }
            Action::AddStock { product, units } => {
                let stored = self.product(*product);
                self.world.tables.put_product(Product { stock: stored.stock + units, ..stored });
                *self.delivered.entry(*product).or_default() += units;
            }
            Action::SetPrice { product, price } => {
                let unit_price = domain::money::Money::from_minor(*price).unwrap();
                let stored = self.product(*product);
                self.world.tables.put_product(Product { unit_price, ..stored });
                self.prices.insert(*product, *price);
            }
            Action::Consume { cancelled } => {
                let cancels = cancelled.iter().map(|(user, order)| self.cancel(*user, order));
                tokio::join!(consume(&self.world, SHORT), futures::future::join_all(cancels));
            }
            Action::Sweep => self.sweep().await,
            Action::EndPeriod => {
                self.sweep().await;
                consume(&self.world, SHORT).await;
                let stored = self.world.tables.stored_orders();
                if stored.iter().all(|stored| stored.pending.is_empty()) {
                    self.world.clock.advance(OpenPeriod::LENGTH);
                }
            }
        }
    }

    fn product(&self, number: u64) -> Product {
        self.world.tables.product(product_id(number)).unwrap()
    }

    async fn cancel(&self, as_user: u64, order: &prop::sample::Index) {
        if self.orders.is_empty() {
            return;
        }
        let (owner, order_id) = self.orders[order.index(self.orders.len())];
        let cancel_order = CancelOrder {
            orders: self.world.tables.clone(),
            returns: self.world.tables.clone(),
            clock: self.world.clock.clone(),
            identities: self.world.identities.clone(),
        };
        let user_id = user(as_user);
        let command = CancelOrderCommand { user_id, order_id, traceparent: None };
        match cancel_order.execute(&command, Deadline::after(Duration::from_secs(9))).await {
            Ok(Some(order)) => {
                assert_eq!(owner, user_id, "another user's order was cancelled");
                assert_eq!(order.status(), Cancelled);
            }
            Ok(None) => assert_ne!(owner, user_id, "the user's order was not found"),
            Err(CancelOrderError::Refused(_)) => assert_eq!(self.status(owner, order_id), Rejected),
            Err(error) => panic!("{error}"),
        }
    }

    fn status(&self, user_id: UserId, order_id: OrderId) -> OrderStatus {
        let stored = self.world.tables.stored_orders().into_iter();
        let mut of_id = stored
            .filter(|stored| (stored.order.user_id(), stored.order.id()) == (user_id, order_id));
        of_id.next().unwrap().order.status()
    }

    async fn sweep(&self) {
        self.world.sweep_pending().run(Deadline::after(Duration::from_secs(10))).await;
    }

    /// What was delivered is in stock or reserved by a confirmed order, and no history takes a step
    /// that does not exist.
    fn check_stock_and_histories(&self) {
        let mut reserved: BTreeMap<u64, u64> = BTreeMap::new();
        let stored = self.world.tables.stored_orders();
        assert_eq!(stored.len(), self.orders.len());
        for stored in &stored {
            let order = &stored.order;
            let statuses: Vec<_> = order.history().iter().map(|change| change.status).collect();
            let legal: [&[OrderStatus]; 5] = [
                &[Created],
                &[Created, Confirmed],
                &[Created, Rejected],
                &[Created, Cancelled],
                &[Created, Confirmed, Cancelled],
            ];
            assert!(legal.contains(&statuses.as_slice()), "{statuses:?}");
            if order.status() == Confirmed {
                for line in order.lines() {
                    *reserved.entry(line.product_id.get()).or_default() +=
                        u64::from(line.quantity.get());
                }
            }
        }
        for (number, delivered) in &self.delivered {
            let reserved = reserved.get(number).copied().unwrap_or_default();
            let in_stock = u64::from(self.product(*number).stock);
            assert_eq!(in_stock + reserved, u64::from(*delivered), "of product {number}");
        }
    }

    /// Each account's count of this period is what its confirmed orders of the period hold, and not
    /// more than it may be.
    fn check_open_units(&self) {
        let period = OpenPeriod::of(self.world.clock.now());
        let stored = self.world.tables.stored_orders();
        for number in 1..=USERS {
            let count = OpenCount { user_id: user(number), period };
            let confirmed = stored.iter().map(|stored| &stored.order).filter(|order| {
                let latest = order.history().latest();
                order.user_id() == count.user_id
                    && latest.status == Confirmed
                    && OpenPeriod::of(latest.at) == period
            });
            let held: u32 = confirmed.map(domain::order::Order::units).sum();
            assert_eq!(self.world.tables.open_units(count), held, "of user {number}");
            assert!(held <= OPEN_UNITS_MAX, "user {number} holds {held}");
        }
    }

    /// Handles everything, then checks that each change is on the topic, as one message of its type,
    /// and that nothing else is.
    async fn finish(&self) {
        for _ in 0..4 {
            self.world.clock.advance(Duration::from_secs(3_600));
            self.sweep().await;
            consume(&self.world, SHORT).await;
        }
        self.check_stock_and_histories();
        self.check_open_units();
        let mut changes = BTreeSet::new();
        for stored in self.world.tables.stored_orders() {
            assert!(stored.pending.is_empty(), "{:?}", stored.pending);
            assert_ne!(stored.order.status(), Created, "an order is not finished");
            for change in stored.order.history().iter() {
                let event_type = event_type_of(change.status);
                changes.insert((change.event.event_id.to_string(), event_type.as_str()));
            }
        }
        let visible = self.world.broker.visible();
        assert_eq!(visible.len(), changes.len(), "without faults there are no copies");
        let identity = |body: &String| {
            let event = Event::decode(body.as_bytes()).unwrap();
            (event.id.to_string(), event.data.event_type().as_str())
        };
        assert_eq!(visible.iter().map(identity).collect::<BTreeSet<_>>(), changes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_in_the_shop_its_books_are_right(
        actions in prop::collection::vec(action(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut shop = Shop::new();
            for action in &actions {
                shop.act(action).await;
                shop.check_stock_and_histories();
                shop.check_open_units();
            }
            shop.finish().await;
        });
    }
}
