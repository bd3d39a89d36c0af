//! Aggregates, each in one item with everything that must be true together.

#![allow(clippy::result_large_err, reason = "a test can afford large errors")]

use std::collections::{BTreeMap, BTreeSet};

use application::deadline::Deadline;
use application::event::event_type_of;
use application::events::StoredAggregate;
use application::outcome::{Failure, FailureClass, ItemReason, WriteTry};
use application::ports::pending::{
    AggregateChange, DueAggregate, DueAggregates, Found, IndexChange, OrderChange,
    PendingEventIndex, PendingEventStore,
};
use application::ports::stock::{
    RESERVATION_ITEMS_MAX, ReservationCancelled, Reservations, Returning, StockReturns, Taking,
};
use application::ports::{
    DeadLetter, DeadLetterMoves, Fences, MoveCancelled, OrderCreation, OrderKeys, Topic,
};
use domain::aggregate::AggregateKey;
use domain::identity::{EventId, OrderId, TransactionId, UserId};
use domain::order::{
    AtKey, NewOrder, Notification, Order, OrderRecord, StatusChange, StoredOrder, Tombstone,
};
use domain::pending::{PendingEvents, Rank};
use domain::timestamp::Timestamp;

use super::MemoryTables;
use super::rows::Rows;
use crate::fault::Operation;

/// An order's entry in the sweep's index; `None` if the order is not there.
pub type IndexEntry = Option<(Rank, Timestamp)>;

/// The item at an order's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Tombstone { fenced: Tombstone, until: Timestamp },
    Order { stored: Box<StoredOrder>, index: IndexEntry },
}

/// A change on its way to the table.
#[derive(Debug, Clone)]
pub(super) struct Written {
    key: AggregateKey,
    /// The attempt in the condition of an order's change.
    attempt: Option<TransactionId>,
    revision: u64,
    reached: Option<StatusChange>,
    notified: Option<(EventId, Timestamp)>,
    pending: PendingEvents,
    index: IndexChange,
    /// Whether the event becomes a dead letter.
    is_given_up: bool,
}

impl Written {
    pub(super) fn of(change: &AggregateChange<'_>) -> Self {
        match change {
            AggregateChange::Order(change) => Self::of_order(change),
            AggregateChange::User(change) => Self {
                key: change.before.key,
                attempt: None,
                revision: change.before.revision,
                reached: None,
                notified: None,
                pending: change.pending.clone(),
                index: change.index,
                is_given_up: false,
            },
        }
    }

    fn of_given_up(change: &AggregateChange<'_>) -> Self {
        Self { is_given_up: true, ..Self::of(change) }
    }

    fn of_order(change: &OrderChange<'_>) -> Self {
        Self {
            key: change.before.key(),
            attempt: Some(change.before.attempt),
            revision: change.before.revision,
            reached: change.reached.clone(),
            notified: change.notified,
            pending: change.pending.clone(),
            index: change.index,
            is_given_up: false,
        }
    }

    /// The aggregate that fails the change's condition, if one does.
    pub(super) fn refused_by(&self, rows: &Rows) -> ItemReason<StoredAggregate> {
        let found = find(rows, self.key);
        let is_unclaimed = match self.index {
            IndexChange::Claim { expected, .. } => {
                index_entry(rows, self.key).is_some_and(|(_, at)| at == expected)
            }
            IndexChange::Keep | IndexChange::Move { .. } | IndexChange::Leave => true,
        };
        let is_as_read = match &found {
            Some(StoredAggregate::Order(stored)) => {
                Some(stored.attempt) == self.attempt && stored.revision == self.revision
            }
            Some(StoredAggregate::User(events)) => events.revision == self.revision,
            None => false,
        };
        if is_as_read && is_unclaimed {
            ItemReason::None
        } else {
            ItemReason::ConditionFailed(found)
        }
    }

    pub(super) fn store(self, rows: &mut Rows) {
        let index = match self.key {
            AggregateKey::Order { user_id, order_id } => {
                let item = rows.items.get_mut(&(user_id, order_id));
                let Some(Item::Order { stored, index }) = item else { return };
                stored.order = changed(&stored.order, self.reached, self.notified);
                stored.pending = self.pending;
                stored.revision += 1;
                index
            }
            AggregateKey::Account { .. }
            | AggregateKey::Session { .. }
            | AggregateKey::Mail { .. } => {
                let Some(row) = rows.events_of_mut(self.key) else { return };
                let may_expire = self.pending.is_empty() && !self.is_given_up;
                row.expires_at = row.stored.expires_at.filter(|_| may_expire);
                row.stored.pending = self.pending;
                row.stored.revision += 1;
                &mut row.index
            }
        };
        match self.index {
            IndexChange::Keep => {}
            IndexChange::Move { due, rank } | IndexChange::Claim { due, rank, .. } => {
                *index = Some((rank, due));
            }
            IndexChange::Leave => *index = None,
        }
    }
}

fn changed(
    order: &Order,
    reached: Option<StatusChange>,
    notified: Option<(EventId, Timestamp)>,
) -> Order {
    let history: Vec<_> = order.history().iter().cloned().chain(reached).collect();
    let mut notifications = order.notifications().to_vec();
    if let Some((event_id, at)) = notified {
        let event = order.event(event_id).unwrap();
        notifications.push(Notification {
            event_type: event_type_of(event.fact.status()).as_str().to_owned(),
            aggregate_version: event.aggregate_version,
            at,
        });
    }
    Order::rehydrate(OrderRecord {
        id: order.id(),
        user_id: order.user_id(),
        currency: order.currency(),
        lines: order.lines().to_vec(),
        total: order.total(),
        version: u32::try_from(history.len()).unwrap(),
        history,
        notifications,
    })
    .unwrap()
}

impl Rows {
    fn at_key(&self, key: (UserId, OrderId)) -> AtKey {
        match self.items.get(&key) {
            None => AtKey::Absent,
            Some(Item::Tombstone { fenced, .. }) => AtKey::Tombstone(fenced.clone()),
            Some(Item::Order { stored, .. }) => AtKey::from(stored.as_ref().clone()),
        }
    }
}

impl MemoryTables {
    pub fn stored_order(&self, id: OrderId) -> Option<StoredOrder> {
        self.stored_orders().into_iter().find(|stored| stored.order.id() == id)
    }

    pub fn stored_orders(&self) -> Vec<StoredOrder> {
        let state = self.state();
        let orders = state.rows.items.values().filter_map(|item| match item {
            Item::Order { stored, .. } => Some(stored.as_ref().clone()),
            Item::Tombstone { .. } => None,
        });
        orders.collect()
    }

    pub fn index_entry(&self, id: OrderId) -> IndexEntry {
        let state = self.state();
        state.rows.items.iter().find_map(|((_, order_id), item)| match item {
            Item::Order { index, .. } if *order_id == id => *index,
            Item::Order { .. } | Item::Tombstone { .. } => None,
        })
    }

    /// The tombstone at an order's key, and its expiry.
    pub fn tombstone(&self, user_id: UserId, id: OrderId) -> Option<(Tombstone, Timestamp)> {
        match self.state().rows.items.get(&(user_id, id)) {
            Some(Item::Tombstone { fenced, until }) => Some((fenced.clone(), *until)),
            Some(Item::Order { .. }) | None => None,
        }
    }

    /// How many attempts were fenced, including those whose tombstone an order has replaced.
    pub fn fences(&self) -> u64 {
        self.state().rows.fences
    }

    /// Removes an order from the sweep's index, even if events of the order are pending.
    pub(crate) fn leave_index(&self, id: OrderId) {
        for ((_, order_id), item) in &mut self.state().rows.items {
            if let Item::Order { index, .. } = item
                && *order_id == id
            {
                *index = None;
            }
        }
    }

    pub fn pending_events(&self) -> usize {
        self.stored_orders().iter().map(|stored| stored.pending.len()).sum()
    }

    /// Replaces the item at the order's key.
    pub fn put_stored_order(&self, stored: StoredOrder) {
        let index = stored.pending.due().map(|due| (stored.pending.rank(), due));
        let key = (stored.order.user_id(), stored.order.id());
        self.state().rows.items.insert(key, Item::Order { stored: Box::new(stored), index });
    }
}

impl OrderCreation for MemoryTables {
    async fn create(&self, new: &NewOrder, deadline: Deadline) -> WriteTry<AtKey> {
        let new = new.clone();
        self.write(Operation::CreateOrder, deadline, AtKey::Absent, move |rows| {
            let key = (new.order().user_id(), new.order().id());
            match rows.at_key(key) {
                AtKey::Absent => {}
                AtKey::Tombstone(fenced) if !fenced.holds(new.attempt()) => {}
                found => return Err(found),
            }
            let stored = new.into_stored();
            let index = stored.pending.due().map(|due| (stored.pending.rank(), due));
            rows.items.insert(key, Item::Order { stored: Box::new(stored), index });
            Ok(())
        })
        .await
    }
}

impl OrderKeys for MemoryTables {
    async fn at_key(&self, user_id: UserId, order_id: OrderId) -> Result<AtKey, Failure> {
        self.read(Operation::AtKey, |rows| rows.at_key((user_id, order_id))).await
    }
}

impl Fences for MemoryTables {
    async fn fence(
        &self,
        user_id: UserId,
        order_id: OrderId,
        attempt: TransactionId,
        tombstone_until: Timestamp,
    ) -> WriteTry<()> {
        let fenced = self
            .change_if(Operation::FenceAttempt, move |rows| {
                let absent =
                    Item::Tombstone { fenced: Tombstone::default(), until: tombstone_until };
                let item = rows.items.entry((user_id, order_id)).or_insert(absent);
                let Item::Tombstone { fenced, until } = item else { return false };
                if fenced.is_full() && !fenced.holds(attempt) {
                    return false;
                }
                rows.fences += u64::from(!fenced.holds(attempt));
                fenced.fence(attempt);
                *until = tombstone_until.max(*until);
                true
            })
            .await;
        match fenced {
            Ok(true) => WriteTry::Done,
            Ok(false) => WriteTry::Cancelled(()),
            Err(failure) => WriteTry::Unknown(failure),
        }
    }
}

impl PendingEventStore for MemoryTables {
    async fn find(&self, key: AggregateKey) -> Result<Option<StoredAggregate>, Failure> {
        self.read(Operation::FindAggregate, |rows| find(rows, key)).await
    }

    async fn change(&self, change: &AggregateChange<'_>, deadline: Deadline) -> WriteTry<Found> {
        let written = Written::of(change);
        self.write(Operation::ChangeAggregate, deadline, None, move |rows| {
            match written.refused_by(rows) {
                ItemReason::ConditionFailed(found) => Err(found),
                ItemReason::None | ItemReason::Busy => {
                    written.store(rows);
                    Ok(())
                }
            }
        })
        .await
    }
}

pub(super) fn find(rows: &Rows, key: AggregateKey) -> Option<StoredAggregate> {
    match key {
        AggregateKey::Order { user_id, order_id } => match rows.items.get(&(user_id, order_id)) {
            Some(Item::Order { stored, .. }) => {
                Some(StoredAggregate::Order(stored.as_ref().clone()))
            }
            Some(Item::Tombstone { .. }) | None => None,
        },
        AggregateKey::Account { .. } | AggregateKey::Session { .. } | AggregateKey::Mail { .. } => {
            Some(StoredAggregate::User(rows.events_of(key)?.stored.clone()))
        }
    }
}

fn order_of(reason: ItemReason<StoredAggregate>) -> ItemReason<StoredOrder> {
    match reason {
        ItemReason::ConditionFailed(Some(StoredAggregate::Order(found))) => {
            ItemReason::ConditionFailed(Some(found))
        }
        ItemReason::ConditionFailed(_) => ItemReason::ConditionFailed(None),
        ItemReason::None => ItemReason::None,
        ItemReason::Busy => ItemReason::Busy,
    }
}

impl Reservations for MemoryTables {
    async fn reserve(
        &self,
        changes: &[OrderChange<'_>],
        take: &Taking,
        deadline: Deadline,
    ) -> WriteTry<ReservationCancelled> {
        let written: Vec<_> = changes.iter().map(Written::of_order).collect();
        let take = take.clone();
        let orders: BTreeSet<_> = written.iter().map(|change| change.key).collect();
        let items = written.len() + take.stock.len() + take.open.len();
        if items > RESERVATION_ITEMS_MAX || orders.len() < written.len() {
            let invalid = "more items than a transaction holds, or one of them twice";
            return WriteTry::NotBegun(Failure::new(FailureClass::Permanent, invalid));
        }
        let busy = ReservationCancelled {
            orders: vec![ItemReason::Busy; written.len()],
            stock: BTreeMap::new(),
            open: BTreeMap::new(),
        };
        self.write(Operation::Reserve, deadline, busy, move |rows| {
            let orders: Vec<_> =
                written.iter().map(|change| order_of(change.refused_by(rows))).collect();
            let stock: BTreeMap<_, _> = take
                .stock
                .iter()
                .map(|(product, quantity)| {
                    let stock = rows.products.get(product).map(|product| product.stock);
                    let is_enough = stock.is_some_and(|stock| stock >= *quantity);
                    let reason = if is_enough {
                        ItemReason::None
                    } else {
                        ItemReason::ConditionFailed(stock)
                    };
                    (*product, reason)
                })
                .collect();
            let open: BTreeMap<_, _> = take
                .open
                .iter()
                .map(|(count, units)| {
                    let found = rows.open_units.get(count).copied();
                    let fits = found.unwrap_or_default() + units <= take.open_max;
                    let too_many = ItemReason::ConditionFailed(found);
                    (*count, if fits { ItemReason::None } else { too_many })
                })
                .collect();
            if orders.iter().any(ItemReason::condition_failed)
                || stock.values().chain(open.values()).any(ItemReason::condition_failed)
            {
                return Err(ReservationCancelled { orders, stock, open });
            }
            written.into_iter().for_each(|change| change.store(rows));
            for (product, quantity) in take.stock {
                if let Some(product) = rows.products.get_mut(&product) {
                    product.stock -= quantity;
                }
            }
            for (count, units) in take.open {
                *rows.open_units.entry(count).or_default() += units;
            }
            Ok(())
        })
        .await
    }
}

impl StockReturns for MemoryTables {
    async fn give_back(
        &self,
        change: &OrderChange<'_>,
        give: &Returning,
        deadline: Deadline,
    ) -> WriteTry<ReservationCancelled> {
        let written = Written::of_order(change);
        let give = give.clone();
        if give.stock.len() + 2 > RESERVATION_ITEMS_MAX {
            let invalid = "more items than a transaction holds";
            return WriteTry::NotBegun(Failure::new(FailureClass::Permanent, invalid));
        }
        let busy = ReservationCancelled {
            orders: vec![ItemReason::Busy],
            stock: BTreeMap::new(),
            open: BTreeMap::new(),
        };
        self.write(Operation::GiveBack, deadline, busy, move |rows| {
            let order = order_of(written.refused_by(rows));
            let stock: BTreeMap<_, _> = give
                .stock
                .keys()
                .map(|product| {
                    let is_there = rows.products.contains_key(product);
                    let missing = ItemReason::ConditionFailed(None);
                    (*product, if is_there { ItemReason::None } else { missing })
                })
                .collect();
            let open: BTreeMap<_, _> = give
                .open
                .iter()
                .map(|(count, units)| {
                    let found = rows.open_units.get(count).copied();
                    let is_enough = found.is_some_and(|found| found >= *units);
                    let too_few = ItemReason::ConditionFailed(found);
                    (*count, if is_enough { ItemReason::None } else { too_few })
                })
                .collect();
            let failed = stock.values().chain(open.values()).any(ItemReason::condition_failed);
            if order.condition_failed() || failed {
                return Err(ReservationCancelled { orders: vec![order], stock, open });
            }
            written.store(rows);
            for (product, quantity) in give.stock {
                if let Some(product) = rows.products.get_mut(&product) {
                    product.stock += quantity;
                }
            }
            if let Some((count, units)) = give.open
                && let Some(found) = rows.open_units.get_mut(&count)
            {
                *found -= units;
            }
            Ok(())
        })
        .await
    }
}

impl PendingEventIndex for MemoryTables {
    async fn due(
        &self,
        topic: Topic,
        now: Timestamp,
        limit: usize,
    ) -> Result<DueAggregates, Failure> {
        self.read(Operation::DueAggregates, |rows| {
            let entries = index_entries(rows).filter_map(|(key, entry)| {
                let (rank, due) = entry.filter(|(_, due)| *due <= now)?;
                (Topic::of_aggregate(key) == topic).then_some((rank, due, key))
            });
            let mut due: Vec<_> = entries.collect();
            due.sort_unstable();
            let more = due.len() > limit;
            due.truncate(limit);
            let aggregates =
                due.into_iter().map(|(_, due, key)| DueAggregate { key, due }).collect();
            DueAggregates { aggregates, more, unreadable: 0 }
        })
        .await
    }

    async fn postpone(&self, due: &DueAggregate, until: Timestamp) -> Result<(), Failure> {
        let due = *due;
        let postponed = self.change_if(Operation::Postpone, move |rows| {
            if let Some(Some((_, at))) = index_entry_mut(rows, due.key)
                && *at == due.due
            {
                *at = until;
            }
            true
        });
        postponed.await.map(drop)
    }
}

/// All aggregates with their entries in the sweep's index.
pub(super) fn index_entries(rows: &Rows) -> impl Iterator<Item = (AggregateKey, IndexEntry)> {
    let orders = rows.items.iter().filter_map(|((user_id, order_id), item)| match item {
        Item::Order { index, .. } => {
            Some((AggregateKey::Order { user_id: *user_id, order_id: *order_id }, *index))
        }
        Item::Tombstone { .. } => None,
    });
    let accounts = rows.accounts.values().map(|row| &row.events);
    let users = accounts.chain(rows.sessions.values().map(|row| &row.events));
    let users = users.chain(rows.mails.values().map(|row| &row.events));
    orders.chain(users.map(|row| (row.stored.key, row.index)))
}

fn index_entry(rows: &Rows, key: AggregateKey) -> IndexEntry {
    match key {
        AggregateKey::Order { user_id, order_id } => match rows.items.get(&(user_id, order_id)) {
            Some(Item::Order { index, .. }) => *index,
            Some(Item::Tombstone { .. }) | None => None,
        },
        AggregateKey::Account { .. } | AggregateKey::Session { .. } | AggregateKey::Mail { .. } => {
            rows.events_of(key)?.index
        }
    }
}

fn index_entry_mut(rows: &mut Rows, key: AggregateKey) -> Option<&mut IndexEntry> {
    match key {
        AggregateKey::Order { user_id, order_id } => {
            match rows.items.get_mut(&(user_id, order_id))? {
                Item::Order { index, .. } => Some(index),
                Item::Tombstone { .. } => None,
            }
        }
        AggregateKey::Account { .. } | AggregateKey::Session { .. } | AggregateKey::Mail { .. } => {
            Some(&mut rows.events_of_mut(key)?.index)
        }
    }
}

impl DeadLetterMoves for MemoryTables {
    async fn record(
        &self,
        letter: &DeadLetter,
        ends: Option<&AggregateChange<'_>>,
        deadline: Deadline,
    ) -> WriteTry<MoveCancelled> {
        let (letter, ends) = (letter.clone(), ends.map(Written::of_given_up));
        self.write(Operation::RecordLetter, deadline, busy(), move |rows| {
            store_if_unchanged(rows, ends, ItemReason::None)?;
            rows.dead_letters.insert(letter.id(), letter);
            Ok(())
        })
        .await
    }

    async fn remove(
        &self,
        letter: &DeadLetter,
        change: &AggregateChange<'_>,
        deadline: Deadline,
    ) -> WriteTry<MoveCancelled> {
        let (letter, change) = (letter.clone(), Written::of(change));
        self.write(Operation::RemoveLetter, deadline, busy(), move |rows| {
            let found = rows.dead_letters.get(&letter.id());
            let is_there = found.is_some_and(|found| found.message_id == letter.message_id);
            let gone = if is_there { ItemReason::None } else { ItemReason::ConditionFailed(None) };
            store_if_unchanged(rows, Some(change), gone)?;
            rows.dead_letters.remove(&letter.id());
            Ok(())
        })
        .await
    }
}

fn busy() -> MoveCancelled {
    MoveCancelled { letter: ItemReason::Busy, aggregate: ItemReason::Busy }
}

/// Stores a change together with a letter's move, if the conditions of both hold.
fn store_if_unchanged(
    rows: &mut Rows,
    change: Option<Written>,
    letter: ItemReason<()>,
) -> Result<(), MoveCancelled> {
    let aggregate = match change.as_ref().map(|change| change.refused_by(rows)) {
        Some(refused @ ItemReason::ConditionFailed(_)) => refused,
        Some(ItemReason::None | ItemReason::Busy) | None => ItemReason::None,
    };
    if letter.condition_failed() || aggregate.condition_failed() {
        return Err(MoveCancelled { letter, aggregate });
    }
    if let Some(change) = change {
        change.store(rows);
    }
    Ok(())
}
