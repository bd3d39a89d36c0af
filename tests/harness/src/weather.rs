//! Weather: a proxy that makes an emulator's table behave like DynamoDB in an AWS region.
//!
//! - The latency of each call is drawn from a distribution with a tail ([`Latency`]). The table
//!   does the call at half of that time: one half is the way there, the other the way back, or, for
//!   a transaction, preparing and committing.
//! - A `TransactWriteItems` holds its items for that time. Another transaction on a held item, or
//!   on an item of a running single write, is cancelled with `TransactionConflict` for exactly
//!   those items. A single write on a held item fails with `TransactionConflictException`. A
//!   `TransactGetItems` on an item that is being written is cancelled; other reads pass. A
//!   transaction fails with `TransactionInProgressException` while another one with the same
//!   request token is running. (Amazon DynamoDB Developer Guide, "Amazon DynamoDB Transactions: How
//!   it works", "Transaction conflict handling in DynamoDB",
//!   <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html>; that
//!   "an ongoing operation is in the process of updating the same item" rejects a transaction is in
//!   the API Reference,
//!   <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>.)
//! - Each value of a partition key has a limited number of units a second ([`PartitionLimits`]), in
//!   tables and, for writes, in global secondary indexes.
//! - All units are counted ([`Weather::consumption`]) as the table itself reports them. No table
//!   reports the units of a failed condition: it costs a unit for each KB of the stored item and at
//!   least one (Developer Guide, "Capacity units consumed by conditional writes",
//!   <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithItems.html#WorkingWithItems.ConditionalWrites.ReturnConsumedCapacity>).
//!
//! # What this does not show
//! - An item is held during its whole call; on AWS the way to and from the table is not part of
//!   that time. So conflicts are somewhat more frequent here.
//! - A transaction that is cancelled by a condition counts one write for each item, for its
//!   preparation; a transaction that is refused for a conflict or a throttle counts nothing. AWS
//!   documents neither.
//! - A batch is done as a whole, or throttled if none of its items can be done: it never returns
//!   unprocessed items, and is not refused because of a running transaction, although a transaction
//!   conflicts with the batch's writes.
//! - A scan is not limited by any partition, and `ExecuteStatement` and similar operations pass
//!   unchanged.
//! - The limits of a whole table or account, its warm throughput and splits of partitions.
//! - Reads are as consistent as the emulator's.
//! - A latency is up to 1 ms longer than drawn, because timers count whole milliseconds.
//! - Before a write to a table with global indexes, and after a failed condition, the weather reads
//!   the items, which is more work for the emulator. It happens within the call's latency.

mod call;
mod consumed;
mod consumption;
mod entries;
mod expression;
mod holds;
mod latency;
mod partitions;
mod passage;
mod refusal;
mod schema;
mod settings;
#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::HeaderMap;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

pub use consumption::{Consumer, Consumption, Units};
pub use settings::{Latency, PartitionLimits, Spread, WeatherSettings};

use crate::table_proxy::{Cut, TableAnswer, TableEndpoint, TableProxy, Upstream};
use call::{Item, Operation};
use holds::{Hold, Holds};
use latency::Latencies;
use partitions::Partitions;
use refusal::Reason;
use schema::{ItemKey, Schemas};

/// Shared by all proxies before one table server.
pub struct Weather {
    table: Arc<dyn Upstream>,
    latencies: Latencies,
    holds: Holds,
    partitions: Partitions,
    schemas: Schemas,
    counts: Mutex<Consumption>,
}

impl Weather {
    /// Makes weather before the table at `table_url`, such as `http://127.0.0.1:8001`.
    #[must_use]
    pub fn new(table_url: &str, settings: WeatherSettings) -> Arc<Self> {
        Self::before(Arc::new(TableEndpoint::new(table_url)), settings)
    }

    fn before(table: Arc<dyn Upstream>, settings: WeatherSettings) -> Arc<Self> {
        Arc::new(Self {
            table,
            latencies: Latencies::new(settings),
            holds: Holds::default(),
            partitions: Partitions::new(settings.partition),
            schemas: Schemas::default(),
            counts: Mutex::default(),
        })
    }

    /// Starts a proxy that leads through this weather, on a free port of the loopback interface.
    /// Its rules strike before and after the weather.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn proxy(self: &Arc<Self>) -> anyhow::Result<TableProxy> {
        let weather: Arc<dyn Upstream> = Arc::<Self>::clone(self);
        TableProxy::start_before(Ipv4Addr::LOCALHOST, weather).await
    }

    /// Since the start or the last reset.
    #[must_use]
    pub fn consumption(&self) -> Consumption {
        self.counts().clone()
    }

    /// Returns the previous counts. Running calls are counted afterwards.
    pub fn reset_consumption(&self) -> Consumption {
        std::mem::take(&mut *self.counts())
    }

    #[must_use]
    pub fn items_under_way(&self) -> usize {
        self.holds.len()
    }

    fn counts(&self) -> MutexGuard<'_, Consumption> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pass(&self, headers: &HeaderMap, body: Bytes) -> Result<TableAnswer, Cut> {
        let Ok(request) = serde_json::from_slice::<Value>(&body) else {
            return self.table.send(headers, body).await;
        };
        let Some(operation) = Operation::of(headers) else {
            if let Some(table) = call::table_of(&request)
                && matches!(call::operation_name(headers), Some("UpdateTable" | "DeleteTable"))
            {
                self.schemas.forget(table);
            }
            return self.table.send(headers, body).await;
        };
        self.weather(operation, headers, &request).await
    }

    async fn weather(
        &self,
        operation: Operation,
        headers: &HeaderMap,
        request: &Value,
    ) -> Result<TableAnswer, Cut> {
        let arrived = Instant::now();
        self.counts().arrive(operation.name());
        let items = self.items(operation, headers, request).await;
        let latency = self.latencies.draw(operation, items.len());
        let keys: Vec<_> = items.iter().filter_map(|item| item.key.clone()).collect();
        // Until the answer is on its way back.
        let (_held, refusal) = self.enter(operation, request, &keys);
        if let Some(refusal) = refusal {
            sleep_until(arrived + latency).await;
            return Ok(refusal);
        }
        sleep_until(arrived + latency / 2).await;
        let answer = self.perform(operation, headers, request, &items).await?;
        sleep_until(arrived + latency).await;
        if operation == Operation::TransactGetItems
            && let Some(refusal) = self.conflicts(&self.holds.written(&keys))
        {
            return Ok(refusal);
        }
        Ok(answer)
    }

    /// Empty if a table is unknown or a key incomplete: the table refuses such a call.
    async fn items<'call>(
        &self,
        operation: Operation,
        headers: &HeaderMap,
        request: &'call Value,
    ) -> Vec<Item<'call>> {
        let mut items = Vec::new();
        for target in operation.targets(request) {
            let schema = self.schemas.of(&*self.table, headers, target.table).await;
            let Some(item) = schema.and_then(|schema| Item::new(target, schema)) else {
                return Vec::new();
            };
            items.push(item);
        }
        items
    }

    /// Holds the items of a write. Returns a refusal as well if the call conflicts with a running
    /// one.
    fn enter(
        &self,
        operation: Operation,
        request: &Value,
        keys: &[ItemKey],
    ) -> (Vec<Hold>, Option<TableAnswer>) {
        match operation {
            Operation::TransactWriteItems => {
                let token = request.get("ClientRequestToken").and_then(Value::as_str);
                match self.holds.transaction(keys, token) {
                    Err(holds::InProgress) => (Vec::new(), Some(refusal::in_progress())),
                    Ok((held, conflicts)) => (vec![held], self.conflicts(&conflicts)),
                }
            }
            Operation::TransactGetItems => (Vec::new(), self.conflicts(&self.holds.written(keys))),
            Operation::BatchWriteItem => {
                (keys.iter().filter_map(|key| self.holds.write(key)).collect(), None)
            }
            Operation::PutItem | Operation::UpdateItem | Operation::DeleteItem => {
                let held: Vec<_> = keys.iter().filter_map(|key| self.holds.write(key)).collect();
                let refused = held.len() < keys.len();
                if refused {
                    self.counts().conflicts += 1;
                }
                (held, refused.then(refusal::conflict))
            }
            _ => (Vec::new(), None),
        }
    }

    fn conflicts(&self, conflicts: &[bool]) -> Option<TableAnswer> {
        let reasons: Vec<_> =
            conflicts.iter().map(|conflict| conflict.then_some(Reason::Conflict)).collect();
        let count = reasons.iter().flatten().count();
        self.counts().conflicts += count as u64;
        (count > 0).then(|| refusal::cancelled(&reasons))
    }
}

impl Upstream for Weather {
    fn send<'call>(
        &'call self,
        headers: &'call HeaderMap,
        body: Bytes,
    ) -> BoxFuture<'call, Result<TableAnswer, Cut>> {
        self.pass(headers, body).boxed()
    }
}
