//! The order: what a customer asked for, at which prices, and what became of it.
//!
//! ```text
//! CREATED ──► CONFIRMED ──► CANCELLED
//!    │  └──────────────────────▲
//!    └──────► REJECTED
//! ```

mod event;
mod lines;
mod record;

use crate::identity::{OrderId, ProductId, UserId};
use crate::instant::Instant;
use crate::money::{Currency, Money};

pub use event::{OrderEvent, OrderFact};
pub use lines::{InvalidLines, LINES_MAX, OrderLine, OrderLines, PricedLine, Quantity};
pub use record::{CorruptOrder, OrderRecord};

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderStatus {
    /// Taken; its stock is not reserved yet.
    Created,
    /// Its stock is reserved.
    Confirmed,
    /// There was not enough stock. Final.
    Rejected,
    /// Withdrawn by its customer. Final.
    Cancelled,
}

impl OrderStatus {
    /// The name under which the status is stored and told.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Confirmed => "CONFIRMED",
            Self::Rejected => "REJECTED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// The status of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Created, Self::Confirmed, Self::Rejected, Self::Cancelled]
            .into_iter()
            .find(|status| status.as_str() == name)
    }

    /// Whether an order may go from this status to `next`.
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Created, Self::Confirmed | Self::Rejected | Self::Cancelled)
                | (Self::Confirmed, Self::Cancelled)
        )
    }
}

/// A status and when the order reached it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusChange {
    /// What it became.
    pub status: OrderStatus,
    /// When the order reached it.
    pub at: Instant,
}

/// That the customer was told of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The event's type, such as `OrderCreated`.
    pub event_type: String,
    /// Which of the order's events it was: they come in any order, and are shown in this one.
    pub aggregate_version: u32,
    /// When the customer was told.
    pub at: Instant,
}

/// The order aggregate. Whatever holds one holds a valid one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    id: OrderId,
    user_id: UserId,
    currency: Currency,
    /// One line per product, sorted by product.
    lines: Vec<PricedLine>,
    total: Money,
    /// Every status it had, oldest first; never empty.
    history: Vec<StatusChange>,
    notifications: Vec<Notification>,
    /// How many events it has raised. A notification is none.
    version: u32,
}

/// An order could not be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceOrderError {
    /// Products are not in the catalog.
    #[error("unknown products")]
    UnknownProducts(Vec<ProductId>),
    /// The sum is more than an amount can hold.
    #[error("the total is more than {} minor units", Money::MAX.minor())]
    TotalTooLarge,
}

/// An order can't go where it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {} can't become {}", from.as_str(), to.as_str())]
pub struct TransitionRefused {
    /// Where it stands.
    pub from: OrderStatus,
    /// Where it was to go.
    pub to: OrderStatus,
}

impl Order {
    /// Takes an order at today's prices, which it keeps. `price_of` gives the price of a product,
    /// or `None` if the catalog doesn't hold it.
    ///
    /// # Errors
    ///
    /// [`PlaceOrderError`]: every unknown product at once, or a total out of range.
    pub fn place(
        id: OrderId,
        user_id: UserId,
        lines: &OrderLines,
        price_of: impl Fn(ProductId) -> Option<Money>,
        at: Instant,
    ) -> Result<(Self, OrderEvent), PlaceOrderError> {
        let (priced, unknown) = lines.priced(price_of);
        if !unknown.is_empty() {
            return Err(PlaceOrderError::UnknownProducts(unknown));
        }
        let total = total_of(&priced).ok_or(PlaceOrderError::TotalTooLarge)?;
        let order = Self {
            id,
            user_id,
            currency: Currency::Eur,
            lines: priced,
            total,
            history: vec![StatusChange { status: OrderStatus::Created, at }],
            notifications: Vec::new(),
            version: 1,
        };
        let fact = OrderFact::Created {
            lines: order.lines.clone(),
            currency: order.currency,
            total: order.total,
        };
        let event = order.event(fact, at);
        Ok((order, event))
    }

    /// Its stock is reserved.
    ///
    /// # Errors
    ///
    /// [`TransitionRefused`] unless it is CREATED.
    pub fn confirm(&self, at: Instant) -> Result<(Self, OrderEvent), TransitionRefused> {
        self.become_status(OrderStatus::Confirmed, OrderFact::Confirmed, at)
    }

    /// There is not enough stock for it.
    ///
    /// # Errors
    ///
    /// [`TransitionRefused`] unless it is CREATED.
    pub fn reject(&self, at: Instant) -> Result<(Self, OrderEvent), TransitionRefused> {
        self.become_status(OrderStatus::Rejected, OrderFact::Rejected, at)
    }

    /// Its customer withdraws it.
    ///
    /// # Errors
    ///
    /// [`TransitionRefused`] unless it is CREATED or CONFIRMED.
    pub fn cancel(&self, at: Instant) -> Result<(Self, OrderEvent), TransitionRefused> {
        self.become_status(OrderStatus::Cancelled, OrderFact::Cancelled, at)
    }

    fn become_status(
        &self,
        to: OrderStatus,
        fact: OrderFact,
        at: Instant,
    ) -> Result<(Self, OrderEvent), TransitionRefused> {
        let from = self.status();
        if !from.may_become(to) {
            return Err(TransitionRefused { from, to });
        }
        let mut next = self.clone();
        next.history.push(StatusChange { status: to, at });
        next.version = next.version.saturating_add(1);
        let event = next.event(fact, at);
        Ok((next, event))
    }

    fn event(&self, fact: OrderFact, at: Instant) -> OrderEvent {
        OrderEvent {
            order_id: self.id,
            user_id: self.user_id,
            aggregate_version: self.version,
            at,
            fact,
        }
    }

    /// Which order.
    pub const fn id(&self) -> OrderId {
        self.id
    }

    /// Whose.
    pub const fn user_id(&self) -> UserId {
        self.user_id
    }

    /// In which currency.
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// Its lines, one per product, sorted by product.
    pub fn lines(&self) -> &[PricedLine] {
        &self.lines
    }

    /// The sum of its lines.
    pub const fn total(&self) -> Money {
        self.total
    }

    /// Where it stands.
    pub fn status(&self) -> OrderStatus {
        self.history.last().map_or(OrderStatus::Created, |change| change.status)
    }

    /// When it was taken.
    pub fn created_at(&self) -> Instant {
        self.history.first().map_or(Instant::from_millis(0), |change| change.at)
    }

    /// Every status it had, oldest first.
    pub fn history(&self) -> &[StatusChange] {
        &self.history
    }

    /// What its customer was told, in the order of the events.
    pub fn notifications(&self) -> &[Notification] {
        &self.notifications
    }

    /// How many events it has raised.
    pub const fn version(&self) -> u32 {
        self.version
    }
}

/// The sum of the lines, or `None` if it is more than an amount can hold.
fn total_of(lines: &[PricedLine]) -> Option<Money> {
    lines.iter().try_fold(Money::ZERO, |sum, line| {
        sum.checked_add(line.unit_price.checked_times(line.quantity.get().into())?)
    })
}

#[cfg(test)]
mod tests;
