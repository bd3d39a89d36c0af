//! Reads of many aggregates, for the health check and for operators.

use std::collections::BTreeMap;

use application::events::StoredAggregate;
use application::outcome::Failure;
use application::ports::aggregates::{Segment, StoredAggregates};
use application::ports::pending::{PendingAggregates, PendingEventAges};
use application::ports::{Page, Topic};
use domain::aggregate::AggregateKey;
use domain::timestamp::Timestamp;

use super::MemoryTables;
use super::aggregates::{find, index_entries};
use super::dead_letters::page_of;
use super::rows::Rows;
use crate::fault::Operation;

fn indexed(rows: &Rows) -> impl Iterator<Item = AggregateKey> {
    index_entries(rows).filter_map(|(key, entry)| entry.map(|_| key))
}

/// The index of the segment, of `parts`, that holds an aggregate.
fn segment_index(key: AggregateKey, parts: u16) -> u16 {
    let number = match key {
        AggregateKey::Order { order_id, .. } => order_id.as_uuid().as_u128(),
        AggregateKey::Session { session_id } => session_id.as_uuid().as_u128(),
        AggregateKey::Mail { mail_id } => mail_id.as_uuid().as_u128(),
        AggregateKey::Account { user_id } => user_id.get().into(),
    };
    u16::try_from(number % u128::from(parts)).unwrap()
}

impl PendingEventAges for MemoryTables {
    async fn any_pending_before(&self, at: Timestamp) -> Result<bool, Failure> {
        self.read(Operation::AnyPendingBefore, |rows| {
            let stored: Vec<_> = indexed(rows).filter_map(|key| find(rows, key)).collect();
            let mut entries = stored.iter().flat_map(|stored| stored.pending().iter());
            entries.any(|(_, entry)| entry.since < at)
        })
        .await
    }
}

impl PendingAggregates for MemoryTables {
    type Position = AggregateKey;

    async fn page(
        &self,
        after: Option<AggregateKey>,
    ) -> Result<Page<AggregateKey, AggregateKey>, Failure> {
        self.read(Operation::PageOfPendingAggregates, |rows| {
            page_of(&indexed(rows).map(|key| (key, key)).collect(), after)
        })
        .await
    }
}

impl StoredAggregates for MemoryTables {
    type Position = AggregateKey;

    async fn page(
        &self,
        segment: Segment,
        after: Option<AggregateKey>,
    ) -> Result<Page<StoredAggregate, AggregateKey>, Failure> {
        self.read(Operation::PageOfAggregates, |rows| {
            let keys = index_entries(rows).map(|(key, _)| key).filter(|key| {
                Topic::of_aggregate(*key) == segment.topic
                    && segment_index(*key, segment.count) == segment.index
            });
            let in_segment: BTreeMap<_, _> =
                keys.filter_map(|key| Some((key, find(rows, key)?))).collect();
            page_of(&in_segment, after)
        })
        .await
    }
}
