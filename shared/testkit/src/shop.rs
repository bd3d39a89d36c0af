//! Several products, several users, and random actions of all kinds, beside the books of the shop.
//!
//! The books hold how many units of each product were delivered to the shop. Everything else follows
//! from the orders: what is confirmed is reserved, what is cancelled or rejected is not, and what was
//! delivered is in stock or reserved. An account's open units are those of its confirmed orders of
//! this period. Each change of an order is on the topic under one event id.
//!
//! One plan can be played in every kind of shop: [`PartsShop`] has the use cases on any tables with
//! a broker in memory, and the tests of the API have one with every process real.

mod action;
mod books;
mod parts;

use domain::identity::{OrderId, ProductId, UserId};
use domain::order::{OpenCount, StoredOrder};
use domain::timestamp::Timestamp;

pub use action::{Action, PRODUCTS, USERS, actions, plans, try_plans};
pub use books::play;
pub use parts::{OPEN_UNITS_MAX, PartsShop, Windows};

/// The lines of an order: products and quantities.
pub type Lines = [(ProductId, u64)];

/// How many units of each product there are at first. The orders of a plan ask for more.
pub const FIRST_STOCK: u32 = 6;

/// What became of a request to create an order.
#[derive(Debug)]
pub enum Creation {
    /// The order was created, now or by an earlier request with the same key.
    Created {
        /// The order.
        order_id: OrderId,
        /// Products, quantities and the price of one unit in minor units.
        lines: Vec<(ProductId, u64, u64)>,
        /// The sum of the lines in minor units.
        total: u64,
    },
    /// The key belongs to a request for other lines.
    KeyReused,
}

/// What became of a request to cancel an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancellation {
    /// The order is cancelled.
    Cancelled,
    /// The user has no such order.
    NotFound,
    /// The order was rejected.
    Refused,
}

/// A shop as its users and its operator see it. Requests whose outcome is unknown are repeated here.
pub trait Shop {
    /// Whether its functions work in the background. Then its books are checked only once it has
    /// settled, and it may remember an earlier price.
    const IS_RUNNING: bool;

    /// Its products, as many as [`PRODUCTS`], each with [`FIRST_STOCK`] units.
    fn products(&self) -> &[ProductId];

    /// What each product costs at first, in minor units.
    fn first_price(&self) -> u64;

    /// Its users, as many as [`USERS`].
    fn users(&self) -> &[UserId];

    /// Creates an order, perhaps under an idempotency key.
    fn create(
        &self,
        user_id: UserId,
        lines: &Lines,
        key: Option<u8>,
    ) -> impl Future<Output = Creation>;

    /// Cancels an order.
    fn cancel(&self, user_id: UserId, order_id: OrderId) -> impl Future<Output = Cancellation>;

    /// Adds units to a product's stock.
    fn add_stock(&self, product: ProductId, units: u32) -> impl Future<Output = ()>;

    /// Changes a product's price and keeps its stock, as an import does.
    fn set_price(&self, product: ProductId, price: u64) -> impl Future<Output = ()>;

    /// Consumes events for a while.
    fn consume(&self) -> impl Future<Output = ()>;

    /// Looks once for events that are due.
    fn sweep(&self) -> impl Future<Output = ()>;

    /// Handles everything, and ends the period in which units are open if nothing is pending.
    fn end_period(&self) -> impl Future<Output = ()>;

    /// Returns once every event of these orders is handled, or panics when that takes too long.
    fn settle(&self, orders: &[(UserId, OrderId)]) -> impl Future<Output = ()>;

    /// All orders of a user, read by short pages, the newest first.
    fn orders_of(&self, user_id: UserId) -> impl Future<Output = Vec<StoredOrder>>;

    /// How many units of a product are in stock.
    fn stock_of(&self, product: ProductId) -> impl Future<Output = u32>;

    /// How many units are counted as open.
    fn open_units(&self, count: OpenCount) -> impl Future<Output = u32>;

    /// How many open units an account may hold.
    fn open_units_max(&self) -> u32;

    /// Whether its books are checked after each action, and not only once events were consumed: what
    /// is read is in memory.
    fn is_cheap_to_read(&self) -> bool;

    /// Whether an event may be published twice without a fault, because a call took too long.
    fn makes_copies(&self) -> bool;

    /// The time by the shop's clock.
    fn now(&self) -> Timestamp;

    /// The bodies on the topic of orders, each copy on its own, perhaps with those of other shops.
    fn published(&self) -> impl Future<Output = Vec<Vec<u8>>>;
}
