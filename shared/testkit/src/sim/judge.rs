//! The invariants, of what is stored, published, done and told when nothing is under way any more.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use application::lifetimes;
use application::ports::Resolution;
use contracts::event::{Event, EventType};
use domain::identity::TransactionId;
use domain::order::{Order, OrderStatus};

use super::{Backlog, Intent, STOCK, Simulation, Told};
use crate::samples::product_id;

/// What was tried, told and seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Things that clients wanted.
    pub intents: u64,
    /// Those that clients were told of as done.
    pub acknowledged: u64,
    /// Those that clients were told of as impossible.
    pub refused: u64,
    /// Those of which clients know nothing in the end.
    pub unknown: u64,
    /// Orders that are stored.
    pub orders: u64,
    /// Copies of events on the topic beyond the first of each.
    pub duplicates: u64,
    /// Attempts that a check-back fenced.
    pub fenced: u64,
    /// Half messages that the broker gave up.
    pub discarded: u64,
    /// How long it took after the storm until nothing was under way.
    pub recovery: Duration,
}

impl Figures {
    pub(super) fn of(simulation: &Simulation, intents: &[Intent], recovery: Duration) -> Self {
        let count = |told: fn(&Told) -> bool| {
            u64::try_from(intents.iter().filter(|intent| told(&intent.told)).count()).unwrap()
        };
        let visible = Published::of(simulation);
        let copies: usize = visible.0.values().map(|(_, copies)| copies - 1).sum();
        let halves = simulation.world.broker.halves();
        Self {
            intents: u64::try_from(intents.len()).unwrap(),
            acknowledged: count(|told| matches!(told, Told::Acknowledged(_))),
            refused: count(|told| matches!(told, Told::Refused)),
            unknown: count(|told| matches!(told, Told::Unknown | Told::Unavailable)),
            orders: u64::try_from(orders_of(simulation).len()).unwrap(),
            duplicates: u64::try_from(copies).unwrap(),
            fenced: simulation.world.tables.fences(),
            discarded: u64::try_from(halves.iter().filter(|half| half.discarded).count()).unwrap(),
            recovery,
        }
    }

    /// Both runs' figures together; of the recoveries the longest.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            intents: self.intents + other.intents,
            acknowledged: self.acknowledged + other.acknowledged,
            refused: self.refused + other.refused,
            unknown: self.unknown + other.unknown,
            orders: self.orders + other.orders,
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
    /// An event is on the topic, and what it tells is not so.
    Phantom(String),
    /// An order is stored, and its event is on no topic.
    Lost(String),
    /// An effect happened twice, or not at all.
    Effect(String),
    /// A client was told what is not so.
    Told(String),
    /// A transaction was ended in two ways, or against its record.
    Ended(String),
    /// Something is still under way after all the time that it may take.
    Backlog(Backlog),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phantom(what) => write!(f, "phantom: {what}"),
            Self::Lost(what) => write!(f, "lost: {what}"),
            Self::Effect(what) => write!(f, "effect: {what}"),
            Self::Told(what) => write!(f, "client truth: {what}"),
            Self::Ended(what) => write!(f, "ends: {what}"),
            Self::Backlog(backlog) => write!(f, "still under way: {backlog:?}"),
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
    violations.extend(intents.iter().filter_map(|intent| truth(intent, &orders)));
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
        let Some(told) = event.data.order() else { return false };
        orders.iter().find(|order| *order.id().as_uuid() == told.order_id).is_some_and(|order| {
            order.history().iter().any(|change| change.status.as_str() == told.status)
        })
    };
    let events = published.0.values().filter(|(event, _)| !reached(event));
    events
        .map(|(event, _)| {
            Violation::Phantom(format!("{} {}", event.data.event_type().as_str(), event.id))
        })
        .collect()
}

/// All orders that are stored.
fn orders_of(simulation: &Simulation) -> Vec<Order> {
    let stored = simulation.world.tables.stored_orders().into_iter();
    stored.map(|stored| stored.order).collect()
}

/// An order is in the sweep's index as long as one of its events is pending, and due no later.
fn index(simulation: &Simulation) -> Vec<Violation> {
    let tables = &simulation.world.tables;
    let wrong = tables.stored_orders().into_iter().filter(|stored| {
        match (tables.index_entry(stored.order.id()), stored.pending.due()) {
            (None, None) => false,
            // A claim moves the entry on for as long as it lasts.
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

/// An order is decided once, and the customer told once of each of its two events.
fn effects(order: &Order) -> Vec<Violation> {
    let statuses: Vec<_> = order.history().iter().map(|change| change.status).collect();
    let decided = matches!(
        statuses[..],
        [OrderStatus::Created, OrderStatus::Confirmed | OrderStatus::Rejected]
    );
    let mut told: Vec<_> =
        order.notifications().iter().map(|told| told.event_type.as_str()).collect();
    told.sort_unstable();
    let decision = match order.status() {
        OrderStatus::Rejected => EventType::OrderRejected,
        _ => EventType::OrderConfirmed,
    };
    let mut expected = [EventType::OrderCreated.as_str(), decision.as_str()];
    expected.sort_unstable();
    let mut violations = Vec::new();
    if !decided {
        violations.push(Violation::Effect(format!("order {} went {statuses:?}", order.id())));
    }
    if told != expected {
        violations.push(Violation::Effect(format!("customer of {} told {told:?}", order.id())));
    }
    violations
}

/// What was taken out of stock is what confirmed orders ask for, to the piece.
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

/// What a client was told is so.
fn truth(intent: &Intent, orders: &[Order]) -> Option<Violation> {
    let own: Vec<_> = orders.iter().filter(|order| order.user_id() == intent.user_id).collect();
    let so = match intent.told {
        Told::Acknowledged(id) => own.len() == 1 && own[0].id() == id,
        Told::Refused => own.is_empty(),
        // Without a key there was one request, and it was told that nothing is stored.
        Told::Unavailable if intent.key.is_none() => own.is_empty(),
        Told::Unavailable | Told::Unknown => own.len() <= 1,
    };
    let own: Vec<_> = own.iter().map(|order| order.id()).collect();
    (!so).then(|| Violation::Told(format!("{intent:?}, and there is {own:?}")))
}

/// A half message ends as its attempt did, and so never both ways: with a commit if an order names
/// the attempt, or if its event was stored before it.
fn ends(simulation: &Simulation) -> Vec<Violation> {
    let stored = simulation.world.tables.stored_orders().into_iter();
    let mut committed: BTreeSet<_> = stored.map(|stored| stored.attempt).collect();
    let mut ends: BTreeMap<TransactionId, Vec<_>> = BTreeMap::new();
    for half in simulation.world.broker.halves() {
        if half.is_recorded {
            committed.insert(half.transaction_id);
        }
        ends.entry(half.transaction_id).or_default().extend(half.ends);
    }
    let wrong = ends.into_iter().filter(|(id, ends)| {
        let is_committed = committed.contains(id);
        let right = if is_committed { Resolution::Commit } else { Resolution::Rollback };
        ends.iter().any(|end| *end != right)
    });
    wrong
        .map(|(id, ends)| {
            let is_committed = committed.contains(&id);
            Violation::Ended(format!("{id}: {ends:?}, committed: {is_committed}"))
        })
        .collect()
}
