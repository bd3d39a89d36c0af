//! The invariants, which compare stored orders, published events, effects and clients' answers once
//! all work is finished.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use application::event::event_type_of;
use application::lifetimes;
use application::ports::Resolution;
use contracts::event::Event;
use domain::order::{OpenCount, OpenPeriod, Order, OrderStatus};

use super::{Backlog, CancelReply, Cancellation, Intent, Reply, STOCK, Simulation};
use crate::samples::product_id;

/// Counts over a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Orders that clients wanted.
    pub intents: u64,
    /// Those that clients know as created.
    pub acknowledged: u64,
    /// Those that clients know as refused for good.
    pub refused: u64,
    /// Those whose outcome clients don't know in the end.
    pub unknown: u64,
    /// Orders that are stored.
    pub orders: u64,
    /// Those that are cancelled.
    pub cancelled: u64,
    /// Those that gave their stock back when they were cancelled.
    pub returned: u64,
    /// Copies of events on the topic, without the first copy of each event.
    pub duplicates: u64,
    /// Attempts that a check-back fenced.
    pub fenced: u64,
    /// Half messages that the broker discarded.
    pub discarded: u64,
    /// The time from the end of the storm until all work was finished.
    pub recovery: Duration,
}

impl Figures {
    pub(super) fn of(simulation: &Simulation, intents: &[Intent], recovery: Duration) -> Self {
        let count = |is_counted: fn(&Reply) -> bool| {
            u64::try_from(intents.iter().filter(|intent| is_counted(&intent.reply)).count())
                .unwrap()
        };
        let visible = Published::of(simulation);
        let copies: usize = visible.0.values().map(|(_, copies)| copies - 1).sum();
        let halves = simulation.world.broker.halves();
        let orders = orders_of(simulation);
        let was =
            |order: &Order, status| order.history().iter().any(|change| change.status == status);
        let cancelled: Vec<_> =
            orders.iter().filter(|order| was(order, OrderStatus::Cancelled)).collect();
        let returned = cancelled.iter().filter(|order| was(order, OrderStatus::Confirmed)).count();
        Self {
            intents: u64::try_from(intents.len()).unwrap(),
            acknowledged: count(|reply| matches!(reply, Reply::Acknowledged(_))),
            refused: count(|reply| matches!(reply, Reply::Refused)),
            unknown: count(|reply| matches!(reply, Reply::Unknown | Reply::Unavailable)),
            orders: u64::try_from(orders.len()).unwrap(),
            cancelled: u64::try_from(cancelled.len()).unwrap(),
            returned: u64::try_from(returned).unwrap(),
            duplicates: u64::try_from(copies).unwrap(),
            fenced: simulation.world.tables.fences(),
            discarded: u64::try_from(halves.iter().filter(|half| half.discarded).count()).unwrap(),
            recovery,
        }
    }

    /// The sum of both runs' counts, with the longer recovery.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            intents: self.intents + other.intents,
            acknowledged: self.acknowledged + other.acknowledged,
            refused: self.refused + other.refused,
            unknown: self.unknown + other.unknown,
            orders: self.orders + other.orders,
            cancelled: self.cancelled + other.cancelled,
            returned: self.returned + other.returned,
            duplicates: self.duplicates + other.duplicates,
            fenced: self.fenced + other.fenced,
            discarded: self.discarded + other.discarded,
            recovery: self.recovery.max(other.recovery),
        }
    }
}

/// An invariant that doesn't hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// An event is on the topic, but in no order's history.
    Phantom(String),
    /// An order has an event that is not on the topic, or its index entry is wrong.
    Lost(String),
    /// An effect happened twice or not at all, or an event was given up.
    Effect(String),
    /// A client's answer contradicts the stored orders, or an order was cancelled for nobody.
    Reply(String),
    /// A half message was ended against the outcome of its attempt.
    Ended(String),
    /// Some work is not finished when the time is over.
    Backlog(Backlog),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phantom(what) => write!(f, "phantom: {what}"),
            Self::Lost(what) => write!(f, "lost: {what}"),
            Self::Effect(what) => write!(f, "effect: {what}"),
            Self::Reply(what) => write!(f, "client truth: {what}"),
            Self::Ended(what) => write!(f, "ends: {what}"),
            Self::Backlog(backlog) => write!(f, "not finished: {backlog:?}"),
        }
    }
}

/// Each event on the topic with the number of its copies.
struct Published(BTreeMap<String, (Event, usize)>);

impl Published {
    fn of(simulation: &Simulation) -> Self {
        let mut published = BTreeMap::new();
        for body in simulation.world.broker.visible() {
            let event = Event::decode(body.as_bytes()).unwrap();
            published.entry(event.id.to_string()).or_insert((event, 0)).1 += 1;
        }
        Self(published)
    }
}

pub(super) fn judge(
    simulation: &Simulation,
    intents: &[Intent],
    quiet: Result<(), Backlog>,
) -> Vec<Violation> {
    let orders = orders_of(simulation);
    let published = Published::of(simulation);
    let mut violations = Vec::new();
    violations.extend(phantoms(&orders, &published));
    violations.extend(lost(&orders, &published));
    violations.extend(orders.iter().flat_map(effects));
    violations.extend(stock(simulation, &orders));
    violations.extend(open_units(simulation, &orders));
    violations.extend(intents.iter().filter_map(|intent| truth(intent, &orders)));
    violations.extend(intents.iter().filter_map(|intent| cancel_truth(intent, &orders)));
    violations.extend(ends(simulation));
    violations.extend(quiet.err().map(Violation::Backlog));
    violations.extend(index(simulation));
    for letter in simulation.world.tables.dead_letters() {
        violations.push(Violation::Effect(format!("given up: {}", letter.reason)));
    }
    violations
}

fn phantoms(orders: &[Order], published: &Published) -> Vec<Violation> {
    let reached = |event: &Event| {
        let Some(data) = event.data.order() else { return false };
        orders.iter().find(|order| *order.id().as_uuid() == data.order_id).is_some_and(|order| {
            order.history().iter().any(|change| {
                *change.event.event_id.as_uuid() == event.id
                    && change.status.as_str() == data.status
            })
        })
    };
    let events = published.0.values().filter(|(event, _)| !reached(event));
    events
        .map(|(event, _)| {
            Violation::Phantom(format!("{} {}", event.data.event_type().as_str(), event.id))
        })
        .collect()
}

fn orders_of(simulation: &Simulation) -> Vec<Order> {
    let stored = simulation.world.tables.stored_orders().into_iter();
    stored.map(|stored| stored.order).collect()
}

/// An order is in the sweep's index while one of its events is pending, and is due there no later.
fn index(simulation: &Simulation) -> Vec<Violation> {
    let tables = &simulation.world.tables;
    let wrong = tables.stored_orders().into_iter().filter(|stored| {
        match (tables.index_entry(stored.order.id()), stored.pending.due()) {
            (None, None) => false,
            // A claim moves the entry to a later time while it lasts.
            (Some((rank, at)), Some(due)) => {
                rank != stored.pending.rank() || at > due.plus(lifetimes::SWEEP_AFTER)
            }
            (Some(_), None) | (None, Some(_)) => true,
        }
    });
    wrong
        .map(|stored| Violation::Lost(format!("order {} and the index", stored.order.id())))
        .collect()
}

/// Every event that an order raised is on its topic.
fn lost(orders: &[Order], published: &Published) -> Vec<Violation> {
    let events = orders.iter().flat_map(|order| order.history().iter());
    let unpublished = events
        .map(|change| change.event.event_id)
        .filter(|event_id| !published.0.contains_key(&event_id.to_string()));
    unpublished.map(|event_id| Violation::Lost(event_id.to_string())).collect()
}

/// An order takes the steps that exist, until it is decided, and its user is notified once of each.
fn effects(order: &Order) -> Vec<Violation> {
    use OrderStatus::{Cancelled, Confirmed, Created, Rejected};
    let statuses: Vec<_> = order.history().iter().map(|change| change.status).collect();
    let is_legal = matches!(
        statuses[..],
        [Created, Confirmed | Rejected | Cancelled] | [Created, Confirmed, Cancelled]
    );
    let mut notified: Vec<_> =
        order.notifications().iter().map(|sent| sent.event_type.as_str()).collect();
    notified.sort_unstable();
    let mut expected: Vec<_> =
        statuses.iter().map(|status| event_type_of(*status).as_str()).collect();
    expected.sort_unstable();
    let mut violations = Vec::new();
    if !is_legal {
        violations.push(Violation::Effect(format!("order {} went {statuses:?}", order.id())));
    }
    if notified != expected {
        let id = order.id();
        violations.push(Violation::Effect(format!("notifications of order {id}: {notified:?}")));
    }
    violations
}

/// The stock is smaller by exactly what the confirmed orders ask for: what a cancelled one took is
/// back, once.
fn stock(simulation: &Simulation, orders: &[Order]) -> Vec<Violation> {
    let confirmed = orders.iter().filter(|order| order.status() == OrderStatus::Confirmed);
    let mut taken = BTreeMap::new();
    for line in confirmed.flat_map(|order| order.lines()) {
        *taken.entry(line.product_id).or_default() += u32::from(line.quantity.get());
    }
    let short = STOCK.into_iter().filter_map(|(id, stock)| {
        let left = simulation.world.tables.stock_of(product_id(id))?;
        let taken = taken.get(&product_id(id)).copied().unwrap_or(0);
        let wrong = left + taken != stock;
        wrong.then(|| Violation::Effect(format!("product {id}: {stock} - {taken} is not {left}")))
    });
    short.collect()
}

/// Each account's count of open units is what its confirmed order holds. An account has one order.
fn open_units(simulation: &Simulation, orders: &[Order]) -> Vec<Violation> {
    let wrong = orders.iter().filter_map(|order| {
        let user_id = order.user_id();
        let count = OpenCount { user_id, period: OpenPeriod::of(order.created_at()) };
        let counted = simulation.world.tables.open_units(count);
        let held = if order.status() == OrderStatus::Confirmed { order.units() } else { 0 };
        let wrong = format!("user {user_id} holds {held} units, and {counted} are counted");
        (counted != held).then_some(Violation::Effect(wrong))
    });
    wrong.collect()
}

/// A client's answer agrees with the stored orders.
fn truth(intent: &Intent, orders: &[Order]) -> Option<Violation> {
    let created: Vec<_> = orders.iter().filter(|order| order.user_id() == intent.user_id).collect();
    let is_true = match intent.reply {
        Reply::Acknowledged(id) => created.len() == 1 && created[0].id() == id,
        Reply::Refused => created.is_empty(),
        // Without a key there was one request, and its answer was that nothing is stored.
        Reply::Unavailable if intent.key.is_none() => created.is_empty(),
        Reply::Unavailable | Reply::Unknown => created.len() <= 1,
    };
    let created: Vec<_> = created.iter().map(|order| order.id()).collect();
    (!is_true).then(|| Violation::Reply(format!("{intent:?}, but these orders exist: {created:?}")))
}

/// The answers to a user who cancelled agree with the order, and no order is cancelled for nobody.
fn cancel_truth(intent: &Intent, orders: &[Order]) -> Option<Violation> {
    let stored = orders.iter().find(|order| order.user_id() == intent.user_id);
    let status = stored.map(Order::status);
    let is_true = |cancellation: &Cancellation| match cancellation.reply {
        CancelReply::Cancelled => status == Some(OrderStatus::Cancelled),
        CancelReply::Refused => status == Some(OrderStatus::Rejected),
        CancelReply::NotFound => !cancellation.was_acknowledged,
        CancelReply::Unknown => true,
        CancelReply::Contradicted => false,
    };
    let is_for_nobody = intent.cancellations.is_empty() && status == Some(OrderStatus::Cancelled);
    let is_wrong = is_for_nobody || !intent.cancellations.iter().all(is_true);
    is_wrong.then(|| Violation::Reply(format!("{intent:?}, and its order is {status:?}")))
}

/// A half message ends as its attempt did: with a commit if an order names the attempt, or if its
/// event was stored before it; otherwise with a rollback. One whose message is on the topic already
/// may be rolled back as well.
fn ends(simulation: &Simulation) -> Vec<Violation> {
    let stored = simulation.world.tables.stored_orders().into_iter();
    let committed: BTreeSet<_> = stored.map(|stored| stored.attempt).collect();
    let halves = simulation.world.broker.halves().into_iter();
    let wrong = halves.filter_map(|half| {
        let is_committed = half.is_recorded || committed.contains(&half.transaction_id);
        let is_wrong =
            if is_committed { half.is_withdrawn } else { half.ends.contains(&Resolution::Commit) };
        let (id, ends) = (half.transaction_id, half.ends);
        is_wrong.then(|| Violation::Ended(format!("{id}: {ends:?}, committed: {is_committed}")))
    });
    wrong.collect()
}
