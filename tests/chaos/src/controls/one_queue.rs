//! transaction-check sweeps the events of both topics in one queue.

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

/// Finds the events of orders once no user's event is due: those that cannot be sent stay at the
/// head of the queue.
#[derive(Clone)]
struct OneQueue(DynamoAggregates);

impl PendingEventIndex for OneQueue {
    async fn due(
        &self,
        topic: Topic,
        now: Timestamp,
        limit: usize,
    ) -> Result<DueAggregates, Failure> {
        if topic == Topic::Orders {
            let ahead = self.0.due(Topic::Users, now, 1).await?;
            if !ahead.aggregates.is_empty() {
                return Ok(DueAggregates::default());
            }
        }
        self.0.due(topic, now, limit).await
    }

    async fn postpone(&self, due: &DueAggregate, until: Timestamp) -> Result<(), Failure> {
        self.0.postpone(due, until).await
    }
}

impl PendingEventStore for OneQueue {
    async fn find(&self, key: AggregateKey) -> Result<Option<StoredAggregate>, Failure> {
        self.0.find(key).await
    }

    async fn change(&self, change: &AggregateChange<'_>, deadline: Deadline) -> WriteTry<Found> {
        self.0.change(change, deadline).await
    }
}

pub(super) async fn run() -> anyhow::Result<()> {
    super::check(|orders| orders, OneQueue).await
}
