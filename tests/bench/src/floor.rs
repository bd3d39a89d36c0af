//! The floor: the least cost of an order. The same half message, `PutItem` and end as
//! create-order's, by bare client calls.
//!
//! Message and item are copies of an order that create-order created, read from the topic and the
//! table, with new identifiers. So they have the right size even if the item's attributes change.
//!
//! [`Frames`] has a lower floor: the same three calls as bytes on two sockets, without the RocketMQ
//! client and the AWS SDK.

mod broker;
mod frames;
mod sample;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use tokio::time::Instant;

use crate::load::Call;
use crate::rig::Site;
use broker::BareBroker;
pub(crate) use frames::Frames;
use sample::{Identifiers, Sample};

const FREE_FOR_ATTEMPT: &str = "attribute_not_exists(#pk) OR \
                                (attribute_exists(#fenced) AND NOT contains(#fenced, :attempt))";

/// The duration of each call of one order.
pub(crate) struct Steps {
    pub(crate) half_message: Duration,
    pub(crate) put: Duration,
    pub(crate) commit: Duration,
}

impl Steps {
    pub(crate) fn total(&self) -> Duration {
        self.half_message + self.put + self.commit
    }
}

pub(crate) struct Floor {
    table: Client,
    broker: BareBroker,
    sample: Sample,
}

impl Floor {
    /// For `workers` concurrent workers.
    pub(crate) async fn connect(site: &Site, workers: usize) -> anyhow::Result<Self> {
        let sample = Sample::take(site).await?;
        let broker = BareBroker::connect(site, workers).await?;
        Ok(Self { table: site.table(), broker, sample })
    }

    pub(crate) async fn close(self) {
        self.broker.close().await;
    }

    async fn put(&self, new: &Identifiers) -> anyhow::Result<()> {
        let item = self.sample.item(new);
        let attempt = AttributeValue::B(Blob::new(new.transaction_id.as_bytes()));
        let put = self.table.put_item().table_name(&self.sample.table).set_item(Some(item));
        put.condition_expression(FREE_FOR_ATTEMPT)
            .expression_attribute_names("#pk", "pk")
            .expression_attribute_names("#fenced", "fenced")
            .expression_attribute_values(":attempt", attempt)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await?;
        Ok(())
    }
}

impl Floor {
    pub(crate) async fn steps(&self, worker: usize) -> anyhow::Result<Steps> {
        let started = Instant::now();
        let new = Identifiers::new();
        let half = self.broker.half_message(worker, self.sample.message(&new)).await?;
        let half_message = started.elapsed();
        self.put(&new).await?;
        let put = started.elapsed() - half_message;
        self.broker.commit(worker, &half).await?;
        let commit = started.elapsed() - half_message - put;
        Ok(Steps { half_message, put, commit })
    }
}

impl Call for Floor {
    async fn call(&self, worker: usize) -> anyhow::Result<Duration> {
        Ok(self.steps(worker).await?.total())
    }
}
