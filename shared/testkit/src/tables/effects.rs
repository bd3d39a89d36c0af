//! What handlers do: each effect together with its inbox record.

use application::deadline::Deadline;
use application::outcome::WriteTry;
use application::ports::{
    EffectCancelled, Inbox, InboxRecord, Inventory, Notifications, Observations, StockDecision,
};
use domain::identity::{OrderId, ProductId, UserId};
use domain::order::{Notification, Order, OrderRecord, OrderStatus, Quantity, StatusChange};
use domain::timestamp::Timestamp;

use super::MemoryTables;
use super::rows::Rows;
use crate::fault::Operation;

/// What a busy item makes of an effect.
const BUSY: EffectCancelled =
    EffectCancelled { handled: false, subject_refused: false, stock_short: false, busy: true };

/// Fails if anything stands against the effect.
fn unless_cancelled(cancelled: EffectCancelled) -> Result<(), EffectCancelled> {
    if cancelled == EffectCancelled::default() { Ok(()) } else { Err(cancelled) }
}

/// The parts of an order as it is stored.
fn parts(order: &Order) -> OrderRecord {
    OrderRecord {
        id: order.id(),
        user_id: order.user_id(),
        currency: order.currency(),
        lines: order.lines().to_vec(),
        total: order.total(),
        history: order.history().iter().cloned().collect(),
        notifications: order.notifications().to_vec(),
        version: order.version(),
    }
}

impl Inbox for MemoryTables {
    async fn record(&self, record: &InboxRecord, deadline: Deadline) -> WriteTry<EffectCancelled> {
        let record = *record;
        self.write(Operation::Record, deadline, BUSY, move |rows| {
            let handled = rows.is_handled(&record);
            unless_cancelled(EffectCancelled { handled, ..EffectCancelled::default() })?;
            rows.handle(record);
            Ok(())
        })
        .await
    }
}

impl Observations for MemoryTables {
    async fn observe(
        &self,
        inbox: &InboxRecord,
        keep_event_until: Timestamp,
        deadline: Deadline,
    ) -> WriteTry<EffectCancelled> {
        let inbox = *inbox;
        self.write(Operation::Observe, deadline, BUSY, move |rows| {
            unless_cancelled(EffectCancelled {
                handled: rows.is_handled(&inbox),
                subject_refused: !rows.events.contains_key(&inbox.event_id),
                ..EffectCancelled::default()
            })?;
            if let Some(stored) = rows.events.get_mut(&inbox.event_id) {
                stored.unobserved = false;
                stored.event.unpublished = false;
                stored.expires_at = Some(keep_event_until);
            }
            rows.handle(inbox);
            Ok(())
        })
        .await
    }
}

impl Notifications for MemoryTables {
    async fn notify(
        &self,
        inbox: &InboxRecord,
        user_id: UserId,
        order_id: OrderId,
        notification: &Notification,
        deadline: Deadline,
    ) -> WriteTry<EffectCancelled> {
        let (inbox, notification) = (*inbox, notification.clone());
        self.write(Operation::Notify, deadline, BUSY, move |rows| {
            let order = rows.orders.get(&(user_id, order_id));
            unless_cancelled(EffectCancelled {
                handled: rows.is_handled(&inbox),
                subject_refused: order.is_none(),
                ..EffectCancelled::default()
            })?;
            if let Some(order) = order {
                let mut record = parts(order);
                record.notifications.push(notification);
                store(rows, record);
            }
            rows.handle(inbox);
            Ok(())
        })
        .await
    }
}

fn store(rows: &mut Rows, record: OrderRecord) {
    let order = Order::rehydrate(record).unwrap();
    rows.orders.insert((order.user_id(), order.id()), order);
}

/// What a decision stores.
struct Decided {
    user_id: UserId,
    order_id: OrderId,
    reached: StatusChange,
    reserve: Vec<(ProductId, Quantity)>,
}

impl Decided {
    fn of(decision: &StockDecision<'_>) -> Self {
        Self {
            user_id: decision.order.user_id(),
            order_id: decision.order.id(),
            reached: decision.order.history().latest().clone(),
            reserve: decision.reserve.into_iter().flat_map(|lines| lines.iter()).collect(),
        }
    }

    fn is_short(&self, rows: &Rows) -> bool {
        self.reserve.iter().any(|(product, quantity)| {
            let stock = rows.products.get(product).map(|product| product.stock);
            stock.is_none_or(|stock| stock < u32::from(quantity.get()))
        })
    }

    /// Changes the order and the stock.
    fn store(self, rows: &mut Rows) {
        if let Some(order) = rows.orders.get(&(self.user_id, self.order_id)) {
            let mut record = parts(order);
            record.history.push(self.reached);
            record.version += 1;
            store(rows, record);
        }
        for (product, quantity) in self.reserve {
            if let Some(product) = rows.products.get_mut(&product) {
                product.stock -= u32::from(quantity.get());
            }
        }
    }
}

impl Inventory for MemoryTables {
    async fn decide(
        &self,
        inbox: &InboxRecord,
        decision: &StockDecision<'_>,
        deadline: Deadline,
    ) -> WriteTry<EffectCancelled> {
        let (inbox, event, decided) = (*inbox, decision.event.clone(), Decided::of(decision));
        self.write(Operation::Decide, deadline, BUSY, move |rows| {
            let order = rows.orders.get(&(decided.user_id, decided.order_id));
            unless_cancelled(EffectCancelled {
                handled: rows.is_handled(&inbox),
                subject_refused: order.is_none_or(|order| order.status() != OrderStatus::Created),
                stock_short: decided.is_short(rows),
                // An event or an attempt that is in the way is none of the above.
                busy: rows.events.contains_key(&event.message.event_id)
                    || rows.attempts.contains_key(&event.transaction_id),
            })?;
            decided.store(rows);
            rows.record(&event);
            rows.handle(inbox);
            Ok(())
        })
        .await
    }
}
