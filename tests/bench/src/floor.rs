//! The floor: what an order costs at the least. The same half message, `TransactWriteItems` and end
//! as create-order's, through bare client calls.
//!
//! Message and items are those of an order that create-order took, read back from the topic and the
//! table, with new identifiers in them. So they have the right size whatever becomes of the
//! records.

mod broker;
mod sample;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use tokio::time::Instant;

use crate::load::Call;
use crate::rig::{Item, Site};
use broker::BareBroker;
use sample::{Identifiers, Sample};

/// Places orders by bare calls.
pub(crate) struct Floor {
    table: Client,
    broker: BareBroker,
    sample: Sample,
}

impl Floor {
    /// Connects for `workers` at once.
    pub(crate) async fn connect(site: &Site, workers: usize) -> anyhow::Result<Self> {
        let sample = Sample::take(site).await?;
        let broker = BareBroker::connect(site, workers).await?;
        Ok(Self { table: site.table(), broker, sample })
    }

    /// Ends the connections.
    pub(crate) async fn close(self) {
        self.broker.close().await;
    }

    async fn transaction(&self, new: &Identifiers) -> anyhow::Result<()> {
        let mut request = self.table.transact_write_items();
        for (table, item) in &self.sample.items {
            request =
                request.transact_items(put(table, sample::renamed(item, &self.sample.ids, new))?);
        }
        request.client_request_token(&new.transaction_id).send().await?;
        Ok(())
    }
}

impl Call for Floor {
    async fn call(&self, worker: usize) -> anyhow::Result<Duration> {
        let started = Instant::now();
        let new = Identifiers::new();
        let half = self.broker.half_message(worker, self.sample.message(&new)).await?;
        self.transaction(&new).await?;
        self.broker.commit(worker, &half).await?;
        Ok(started.elapsed())
    }
}

fn put(table: &str, item: Item) -> anyhow::Result<TransactWriteItem> {
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(item))
        .condition_expression("attribute_not_exists(#pk)")
        .expression_attribute_names("#pk", "pk")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()?;
    Ok(TransactWriteItem::builder().put(put).build())
}
