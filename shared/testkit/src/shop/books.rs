//! The books of a shop, and whether the shop agrees with them.

use std::collections::{BTreeMap, BTreeSet};

use application::event::event_type_of;
use contracts::event::Event;
use domain::identity::{OrderId, ProductId, UserId};
use domain::order::OrderStatus::{self, Cancelled, Confirmed, Created, Rejected};
use domain::order::{OpenCount, OpenPeriod, Order, StoredOrder};

use super::{Action, Cancellation, Creation, FIRST_STOCK, Shop};

/// Plays a plan in a shop, and panics if the shop disagrees with its books. Both are compared after
/// each action if that is cheap, otherwise whenever events were consumed.
pub async fn play(shop: &impl Shop, actions: &[Action]) {
    let mut books = Books::of(shop);
    for action in actions {
        books.act(action).await;
        let has_consumed = matches!(action, Action::Consume { .. } | Action::EndPeriod);
        if has_consumed && books.works_in_background() {
            shop.settle(&books.orders).await;
        }
        if has_consumed || shop.is_cheap_to_read() {
            books.check().await;
        }
    }
    shop.settle(&books.orders).await;
    let stored = books.check().await;
    books.check_events(&stored).await;
}

struct Books<'shop, Kind> {
    shop: &'shop Kind,
    /// How many units of each product were delivered.
    delivered: BTreeMap<ProductId, u64>,
    /// The prices of each product so far, in minor units; the last one is the current price.
    prices: BTreeMap<ProductId, Vec<u64>>,
    orders: Vec<(UserId, OrderId)>,
    /// The order that was created under each user's key, and its lines.
    keys: BTreeMap<(UserId, u8), (OrderId, Wanted)>,
}

/// Products and units of an order.
type Wanted = Vec<(ProductId, u64)>;

impl<'shop, Kind: Shop> Books<'shop, Kind> {
    fn of(shop: &'shop Kind) -> Self {
        let products = shop.products().iter().copied();
        Self {
            shop,
            delivered: products.clone().map(|id| (id, u64::from(FIRST_STOCK))).collect(),
            prices: products.map(|id| (id, vec![shop.first_price()])).collect(),
            orders: Vec::new(),
            keys: BTreeMap::new(),
        }
    }

    const fn works_in_background(&self) -> bool {
        Kind::IS_RUNNING
    }

    async fn act(&mut self, action: &Action) {
        let (products, users) = (self.shop.products(), self.shop.users());
        match action {
            Action::Create { user, lines, key } => {
                let lines: Vec<_> =
                    lines.iter().map(|(product, units)| (products[*product], *units)).collect();
                self.create(users[*user], &lines, *key).await;
            }
            Action::Cancel { user, order, at_once } => {
                let cancels = (0..*at_once).map(|_| self.cancel(users[*user], order));
                futures::future::join_all(cancels).await;
            }
            Action::AddStock { product, units } => {
                self.shop.add_stock(products[*product], *units).await;
                *self.delivered.entry(products[*product]).or_default() += u64::from(*units);
            }
            Action::SetPrice { product, price } => {
                self.shop.set_price(products[*product], *price).await;
                self.prices.entry(products[*product]).or_default().push(*price);
            }
            Action::Consume { cancelled } => {
                let cancels =
                    cancelled.iter().map(|(user, order)| self.cancel(users[*user], order));
                futures::join!(self.shop.consume(), futures::future::join_all(cancels));
            }
            Action::Sweep => self.shop.sweep().await,
            Action::EndPeriod => self.shop.end_period().await,
        }
    }

    async fn create(&mut self, user_id: UserId, wanted: &[(ProductId, u64)], key: Option<u8>) {
        let created = self.shop.create(user_id, wanted, key).await;
        let before = key.and_then(|key| self.keys.get(&(user_id, key)));
        let (order_id, lines, total) = match (created, before) {
            (Creation::KeyReused, Some((_, lines))) => {
                assert_ne!(lines, wanted, "a key of the same lines was refused");
                return;
            }
            (Creation::KeyReused, None) => panic!("a new key was refused"),
            (Creation::Created { order_id, .. }, Some((of_key, lines))) => {
                assert_eq!(lines, wanted, "a key of other lines was accepted");
                assert_eq!(order_id, *of_key, "a key has two orders");
                return;
            }
            (Creation::Created { order_id, lines, total }, None) => (order_id, lines, total),
        };
        let quantities: Vec<_> =
            lines.iter().map(|(product, units, _)| (*product, *units)).collect();
        assert_eq!(quantities, wanted);
        for (product, _, price) in &lines {
            let prices = &self.prices[product];
            let is_right = if Kind::IS_RUNNING {
                prices.contains(price)
            } else {
                prices.last() == Some(price)
            };
            assert!(is_right, "product {product} was sold for {price}, and costs {prices:?}");
        }
        assert_eq!(total, lines.iter().map(|(_, units, price)| units * price).sum::<u64>());
        assert!(!self.orders.contains(&(user_id, order_id)), "{order_id} was created twice");
        self.orders.push((user_id, order_id));
        if let Some(key) = key {
            self.keys.insert((user_id, key), (order_id, wanted.to_vec()));
        }
    }

    async fn cancel(&self, as_user: UserId, order: &proptest::sample::Index) {
        if self.orders.is_empty() {
            return;
        }
        let (owner, order_id) = *order.get(&self.orders);
        match self.shop.cancel(as_user, order_id).await {
            Cancellation::Cancelled => {
                assert_eq!(owner, as_user, "another user's order was cancelled");
                assert_eq!(self.status(owner, order_id).await, Cancelled);
            }
            Cancellation::NotFound => assert_ne!(owner, as_user, "the user's order was not found"),
            Cancellation::Refused => assert_eq!(self.status(owner, order_id).await, Rejected),
        }
    }

    async fn status(&self, user_id: UserId, order_id: OrderId) -> OrderStatus {
        let stored = self.shop.orders_of(user_id).await;
        stored.iter().find(|stored| stored.order.id() == order_id).unwrap().order.status()
    }

    async fn check(&self) -> Vec<StoredOrder> {
        let mut stored = Vec::new();
        for user_id in self.shop.users() {
            let of_user = self.shop.orders_of(*user_id).await;
            let dates: Vec<_> = of_user.iter().map(|stored| stored.order.created_at()).collect();
            assert!(dates.is_sorted_by(|newer, older| newer >= older), "{dates:?}");
            stored.extend(of_user);
        }
        let mut listed: Vec<_> =
            stored.iter().map(|stored| (stored.order.user_id(), stored.order.id())).collect();
        let mut expected = self.orders.clone();
        listed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(listed, expected, "each order is on the pages of its user, once");
        check_histories(&stored);
        self.check_stock(&stored).await;
        self.check_open_units(&stored).await;
        stored
    }

    /// All delivered units are in stock or reserved by a confirmed order.
    async fn check_stock(&self, stored: &[StoredOrder]) {
        let mut reserved: BTreeMap<ProductId, u64> = BTreeMap::new();
        for stored in stored.iter().filter(|stored| stored.order.status() == Confirmed) {
            for line in stored.order.lines() {
                *reserved.entry(line.product_id).or_default() += u64::from(line.quantity.get());
            }
        }
        for (product, delivered) in &self.delivered {
            let reserved = reserved.get(product).copied().unwrap_or_default();
            let in_stock = u64::from(self.shop.stock_of(*product).await);
            assert_eq!(in_stock + reserved, *delivered, "of product {product}");
        }
    }

    /// Each account's count of this period is the sum of its confirmed orders of the period, and
    /// within the limit.
    async fn check_open_units(&self, stored: &[StoredOrder]) {
        let period = OpenPeriod::of(self.shop.now());
        for user_id in self.shop.users() {
            let confirmed = stored.iter().map(|stored| &stored.order).filter(|order| {
                let latest = order.history().latest();
                order.user_id() == *user_id
                    && latest.status == Confirmed
                    && OpenPeriod::of(latest.at) == period
            });
            let held: u32 = confirmed.map(Order::units).sum();
            let count = OpenCount { user_id: *user_id, period };
            assert_eq!(self.shop.open_units(count).await, held, "of user {user_id}");
            assert!(held <= self.shop.open_units_max(), "user {user_id} holds {held}");
        }
    }

    /// For a shop that has settled: each change is on the topic, as an event of its type and its
    /// time under one id, and no other event of these orders is.
    async fn check_events(&self, stored: &[StoredOrder]) {
        let mut changes = BTreeSet::new();
        for stored in stored {
            assert!(stored.pending.is_empty(), "{:?}", stored.pending);
            assert_ne!(stored.order.status(), Created, "an order is not finished");
            for (version, change) in (1_u32..).zip(stored.order.history().iter()) {
                let event_type = event_type_of(change.status).as_str();
                let (order_id, at) = (stored.order.id().to_string(), change.at.as_millis());
                let event_id = change.event.event_id.to_string();
                changes.insert((event_id, order_id, version, event_type, at));
            }
        }
        let (mut published, mut copies) = (BTreeSet::new(), 0);
        for body in self.shop.published().await {
            // Other tests may put damaged messages on the topic.
            let Ok(event) = Event::decode(&body) else { continue };
            let data = event.data;
            let is_ours =
                |(_, order_id): &(UserId, OrderId)| order_id.to_string() == data.subject();
            if self.orders.iter().any(is_ours) {
                let (version, event_type) = (data.aggregate_version(), data.event_type().as_str());
                let (event_id, at) = (event.id.to_string(), event.time.as_millis());
                published.insert((event_id, data.subject(), version, event_type, at));
                copies += 1;
            }
        }
        assert_eq!(published, changes);
        assert!(self.shop.makes_copies() || copies == changes.len(), "{copies} copies");
    }
}

/// No history has an impossible step.
fn check_histories(stored: &[StoredOrder]) {
    let legal: [&[OrderStatus]; 5] = [
        &[Created],
        &[Created, Confirmed],
        &[Created, Rejected],
        &[Created, Cancelled],
        &[Created, Confirmed, Cancelled],
    ];
    for stored in stored {
        let statuses: Vec<_> = stored.order.history().iter().map(|change| change.status).collect();
        assert!(legal.contains(&statuses.as_slice()), "{statuses:?}");
    }
}
