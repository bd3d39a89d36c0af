//! The order: its lines, the prices at which it was created, and the history of its status.
//!
//! ```text
//! CREATED ──► CONFIRMED ──► CANCELLED
//!    │  └──────────────────────▲
//!    └──────► REJECTED
//! ```

mod creation;
mod event;
mod history;
mod lines;
mod open_units;
mod record;
mod undecided;

use crate::aggregate::AggregateKey;
use crate::event::EventStamp;
use crate::identity::{EventId, OrderId, ProductId, UserId};
use crate::money::{Currency, Money};
use crate::timestamp::Timestamp;

pub use creation::{AtKey, FENCED_MAX, NewOrder, StoredOrder, Tombstone};
pub use event::{OrderEvent, OrderFact};
pub use history::{History, StatusChange};
pub use lines::{InvalidLines, LINES_MAX, OrderLine, OrderLines, PricedLine, Quantity};
pub use open_units::{OpenCount, OpenPeriod};
pub use record::{CorruptOrder, OrderRecord};
pub use undecided::UndecidedOrder;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderStatus {
    /// The order's stock is not reserved yet.
    Created,
    /// The order's stock is reserved.
    Confirmed,
    /// There was not enough stock, or its account would have held too many open units. Final.
    Rejected,
    /// The order's account cancelled it. Final.
    Cancelled,
}

impl OrderStatus {
    pub const ALL: [Self; 4] = [Self::Created, Self::Confirmed, Self::Rejected, Self::Cancelled];

    /// The name under which the status is stored and published.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Confirmed => "CONFIRMED",
            Self::Rejected => "REJECTED",
            Self::Cancelled => "CANCELLED",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Created, Self::Confirmed | Self::Rejected | Self::Cancelled)
                | (Self::Confirmed, Self::Cancelled)
        )
    }
}

/// A record that the user was notified of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The event's type, such as `OrderCreated`.
    pub event_type: String,
    /// The order's version with the event. Events arrive in any order, and are shown in this one.
    pub aggregate_version: u32,
    pub at: Timestamp,
}

/// The order aggregate. Every value of this type is a valid order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    id: OrderId,
    user_id: UserId,
    currency: Currency,
    /// One line per product, sorted by product.
    lines: Vec<PricedLine>,
    total: Money,
    /// Every status so far. Each change raises one event; a notification raises no event.
    history: History,
    notifications: Vec<Notification>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderNotCreated {
    #[error("unknown products")]
    UnknownProducts(Vec<ProductId>),
    /// The sum is more than an amount can hold.
    #[error("the total is more than {} minor units", Money::MAX.minor())]
    TotalTooLarge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {} can't become {}", from.as_str(), to.as_str())]
pub struct TransitionRefused {
    pub from: OrderStatus,
    pub to: OrderStatus,
}

impl Order {
    /// Creates an order at today's prices, which it keeps. `price_of` returns the price of a
    /// product, or `None` if the product is not in the catalog.
    ///
    /// # Errors
    ///
    /// [`OrderNotCreated`]: every unknown product at once, or a total out of range.
    pub fn create(
        id: OrderId,
        user_id: UserId,
        lines: &OrderLines,
        price_of: impl Fn(ProductId) -> Option<Money>,
        at: Timestamp,
        event: EventStamp,
    ) -> Result<(Self, OrderEvent), OrderNotCreated> {
        let (priced, unknown) = lines.priced(price_of);
        if !unknown.is_empty() {
            return Err(OrderNotCreated::UnknownProducts(unknown));
        }
        let total = total_of(&priced).ok_or(OrderNotCreated::TotalTooLarge)?;
        let order = Self {
            id,
            user_id,
            currency: Currency::Eur,
            lines: priced,
            total,
            history: History::begin(at, event),
            notifications: Vec::new(),
        };
        let event = order.latest_event();
        Ok((order, event))
    }

    /// Cancels the order for its account.
    ///
    /// # Errors
    ///
    /// [`TransitionRefused`] unless it is CREATED or CONFIRMED.
    pub fn cancel(
        &self,
        at: Timestamp,
        event: EventStamp,
    ) -> Result<(Self, OrderEvent), TransitionRefused> {
        let (from, to) = (self.status(), OrderStatus::Cancelled);
        if !from.may_become(to) {
            return Err(TransitionRefused { from, to });
        }
        Ok(self.with_status(to, at, event, None))
    }

    /// The order with a further status, which its present one must allow, and the event of this
    /// change.
    fn with_status(
        &self,
        status: OrderStatus,
        at: Timestamp,
        event: EventStamp,
        open_period: Option<OpenPeriod>,
    ) -> (Self, OrderEvent) {
        let mut next = self.clone();
        next.history.push(StatusChange { status, at, event, open_period });
        let event = next.latest_event();
        (next, event)
    }

    /// An event that the order raised, rebuilt from its history. `None` if it raised no such event.
    pub fn event(&self, event_id: EventId) -> Option<OrderEvent> {
        let (version, change) = self.history.change_of(event_id)?;
        Some(self.event_of(version, change))
    }

    pub fn latest_event(&self) -> OrderEvent {
        self.event_of(self.version(), self.history.latest())
    }

    fn event_of(&self, aggregate_version: u32, change: &StatusChange) -> OrderEvent {
        let fact = match change.status {
            OrderStatus::Created => OrderFact::Created {
                lines: self.lines.clone(),
                currency: self.currency,
                total: self.total,
            },
            OrderStatus::Confirmed => OrderFact::Confirmed,
            OrderStatus::Rejected => OrderFact::Rejected,
            OrderStatus::Cancelled => OrderFact::Cancelled,
        };
        OrderEvent {
            order_id: self.id,
            user_id: self.user_id,
            aggregate_version,
            at: change.at,
            stamp: change.event.clone(),
            fact,
        }
    }

    /// The order as it was when it was created, without later changes and notifications.
    #[must_use]
    pub fn as_created(&self) -> Self {
        let notifications = Vec::new();
        Self { history: self.history.beginning(), notifications, ..self.clone() }
    }

    /// Whether the order has the products and quantities of `lines`.
    pub fn has_lines(&self, lines: &OrderLines) -> bool {
        let ordered = self.lines.iter().map(|line| (line.product_id, line.quantity));
        ordered.eq(lines.iter())
    }

    pub const fn key(&self) -> AggregateKey {
        AggregateKey::Order { user_id: self.user_id, order_id: self.id }
    }

    pub const fn id(&self) -> OrderId {
        self.id
    }

    pub const fn user_id(&self) -> UserId {
        self.user_id
    }

    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// Its lines, one per product, sorted by product.
    pub fn lines(&self) -> &[PricedLine] {
        &self.lines
    }

    /// How many units the order asks for, of all products together.
    pub fn units(&self) -> u32 {
        self.lines.iter().map(|line| u32::from(line.quantity.get())).sum()
    }

    /// Where the order's units count as open, while it is CONFIRMED. `None` if they were not
    /// counted.
    pub fn open_count(&self) -> Option<OpenCount> {
        let confirmed = self.history.latest();
        let period = confirmed.open_period?;
        Some(OpenCount { user_id: self.user_id, period })
    }

    pub const fn total(&self) -> Money {
        self.total
    }

    pub fn status(&self) -> OrderStatus {
        self.history.latest().status
    }

    pub const fn created_at(&self) -> Timestamp {
        self.history.first().at
    }

    pub const fn history(&self) -> &History {
        &self.history
    }

    /// The notifications of its user, in the order of the events.
    pub fn notifications(&self) -> &[Notification] {
        &self.notifications
    }

    /// How many events the order has raised.
    pub fn version(&self) -> u32 {
        self.history.version()
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
