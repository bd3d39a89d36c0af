//! transaction-check finds nothing that is due.

use application::deadline::Deadline;
use application::events::StoredAggregate;
use application::outcome::{Failure, WriteTry};
use application::ports::Topic;
use application::ports::pending::{
    AggregateChange, DueAggregate, DueAggregates, Found, PendingEventIndex, PendingEventStore,
};
use domain::aggregate::AggregateKey;
use domain::timestamp::Timestamp;
use dynamodb::DynamoAggregates;

/// Finds no aggregate that is due.
#[derive(Clone)]
struct WithoutSweep(DynamoAggregates);

impl PendingEventIndex for WithoutSweep {
    async fn due(
        &self,
        _topic: Topic,
        _now: Timestamp,
        _limit: usize,
    ) -> Result<DueAggregates, Failure> {
        Ok(DueAggregates::default())
    }

    async fn postpone(&self, due: &DueAggregate, until: Timestamp) -> Result<(), Failure> {
        self.0.postpone(due, until).await
    }
}

impl PendingEventStore for WithoutSweep {
    async fn find(&self, key: AggregateKey) -> Result<Option<StoredAggregate>, Failure> {
        self.0.find(key).await
    }

    async fn change(&self, change: &AggregateChange<'_>, deadline: Deadline) -> WriteTry<Found> {
        self.0.change(change, deadline).await
    }
}

pub(super) async fn run() -> anyhow::Result<()> {
    super::check(|orders| orders, WithoutSweep).await
}
