//! Several products, several users, and random actions of all kinds, with the books of the shop.
//!
//! The books record how many units of each product were delivered to the shop. The rest follows
//! from the orders: the units of confirmed orders are reserved, those of cancelled or rejected
//! orders are not, and all delivered units are in stock or reserved. An account's open units are
//! those of its confirmed orders of this period. Each change of an order is on the topic under one
//! `event_id`.
//!
//! One plan can be played in every kind of shop: [`PartsShop`] has the use cases on any tables with
//! a broker in memory, and the tests of the API have a shop in which every process is real.

mod action;
mod books;
mod parts;

use domain::identity::{OrderId, ProductId, UserId};
use domain::order::{OpenCount, StoredOrder};
use domain::timestamp::Timestamp;

pub use action::{Action, PRODUCTS, USERS, actions, plans, random_seed, try_plans};
pub use books::play;
pub use parts::{OPEN_UNITS_MAX, PartsShop, Windows};

/// The lines of an order: products and quantities.
pub type Lines = [(ProductId, u64)];

/// The first stock of each product. The orders of a plan ask for more.
pub const FIRST_STOCK: u32 = 6;

#[derive(Debug)]
pub enum Creation {
    /// The order was created now, or by an earlier request with the same key.
    Created {
        order_id: OrderId,
        /// Products, quantities and unit prices in minor units.
        lines: Vec<(ProductId, u64, u64)>,
        /// The sum of the lines, in minor units.
        total: u64,
    },
    /// The key belongs to a request for other lines.
    KeyReused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancellation {
    Cancelled,
    NotFound,
    Refused,
}

/// A shop as its users and its operator see it. A method repeats requests whose outcome is unknown.
pub trait Shop {
    /// Whether the shop's functions work in the background. Such a shop's books are checked only
    /// once it has settled, and it may still use an earlier price.
    const IS_RUNNING: bool;

    /// [`PRODUCTS`] products, each with [`FIRST_STOCK`] units.
    fn products(&self) -> &[ProductId];

    /// The first price of each product, in minor units.
    fn first_price(&self) -> u64;

    /// [`USERS`] users.
    fn users(&self) -> &[UserId];

    /// Creates an order. `key` is an idempotency key.
    fn create(
        &self,
        user_id: UserId,
        lines: &Lines,
        key: Option<u8>,
    ) -> impl Future<Output = Creation>;

    fn cancel(&self, user_id: UserId, order_id: OrderId) -> impl Future<Output = Cancellation>;

    fn add_stock(&self, product: ProductId, units: u32) -> impl Future<Output = ()>;

    /// Sets a product's price and keeps its stock, as an import does.
    fn set_price(&self, product: ProductId, price: u64) -> impl Future<Output = ()>;

    /// Consumes events for a while.
    fn consume(&self) -> impl Future<Output = ()>;

    /// One look of the sweep.
    fn sweep(&self) -> impl Future<Output = ()>;

    /// Handles everything, and ends the period in which units are open if nothing is pending.
    fn end_period(&self) -> impl Future<Output = ()>;

    /// Returns once every event of these orders is handled, or panics when that takes too long.
    fn settle(&self, orders: &[(UserId, OrderId)]) -> impl Future<Output = ()>;

    /// All orders of a user, read by short pages, the newest first.
    fn orders_of(&self, user_id: UserId) -> impl Future<Output = Vec<StoredOrder>>;

    fn stock_of(&self, product: ProductId) -> impl Future<Output = u32>;

    fn open_units(&self, count: OpenCount) -> impl Future<Output = u32>;

    fn open_units_max(&self) -> u32;

    /// Whether the shop's books are checked after each action, because the shop is in memory, and
    /// not only once events were consumed.
    fn is_cheap_to_read(&self) -> bool;

    /// Whether a slow call may publish an event twice without a fault.
    fn makes_copies(&self) -> bool;

    /// The time by the shop's clock.
    fn now(&self) -> Timestamp;

    /// The bodies on the topic of orders, with all copies, and possibly those of other shops.
    fn published(&self) -> impl Future<Output = Vec<Vec<u8>>>;
}
