//! transaction-check fences in its memory alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use application::outcome::{Failure, WriteTry};
use application::ports::{Fences, OrderKeys};
use domain::identity::{OrderId, TransactionId, UserId};
use domain::order::{AtKey, Tombstone};
use domain::timestamp::Timestamp;
use dynamodb::DynamoOrders;

/// Keeps the attempts that it has fenced in memory, and writes no tombstone.
#[derive(Clone)]
struct WithoutFence {
    orders: DynamoOrders,
    remembered: Arc<Mutex<BTreeMap<OrderId, Tombstone>>>,
}

impl WithoutFence {
    fn remembered(&self) -> MutexGuard<'_, BTreeMap<OrderId, Tombstone>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OrderKeys for WithoutFence {
    async fn at_key(&self, user_id: UserId, order_id: OrderId) -> Result<AtKey, Failure> {
        match self.orders.at_key(user_id, order_id).await? {
            AtKey::Absent => {
                let remembered = self.remembered().get(&order_id).cloned();
                Ok(remembered.map_or(AtKey::Absent, AtKey::Tombstone))
            }
            found => Ok(found),
        }
    }
}

impl Fences for WithoutFence {
    async fn fence(
        &self,
        _user_id: UserId,
        order_id: OrderId,
        attempt: TransactionId,
        _tombstone_until: Timestamp,
    ) -> WriteTry<()> {
        self.remembered().entry(order_id).or_default().fence(attempt);
        WriteTry::Done
    }
}

pub(super) async fn run() -> anyhow::Result<()> {
    let orders = |orders| WithoutFence { orders, remembered: Arc::default() };
    super::check(orders, |aggregates| aggregates).await
}
