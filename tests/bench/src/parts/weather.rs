//! The cost and the time of an order with a table that behaves like DynamoDB in a region.

use std::sync::Arc;

use anyhow::Context;
use harness::weather::{Units, WeatherSettings};
use serde_json::json;
use tokio::time::{Duration, Instant};

use super::confirmations::{self, ConfirmationFigures};
use super::events::any_pending;
use crate::consumer::keep_live;
use crate::load;
use crate::orders::{Invoked, Posted};
use crate::rig::{Rig, Site};
use crate::samples::Samples;

/// Orders that are counted until both their events are handled. All cost the same.
const COUNTED: u32 = 50;

/// Orders before the measurement.
const WARM_UP: u64 = 50;

/// The pause between two looks for pending events.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// The measurement fails if events are still pending after this time.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// List prices of us-east-1 in USD per million units, as in docs/operations.md.
const USD_PER_MILLION_WRITES: f64 = 0.625;
const USD_PER_MILLION_READS: f64 = 0.125;

pub(crate) struct WeatherFigures {
    /// The units that one order of two products consumed, as the table counts them.
    pub(crate) units: Units,
    /// create-order, invoked for one order at a time.
    pub(crate) created: Samples,
    /// From POST to CONFIRMED, one order after another.
    pub(crate) confirmations: ConfirmationFigures,
}

impl WeatherFigures {
    /// Of the DynamoDB requests alone.
    pub(crate) fn usd_per_million_orders(&self) -> f64 {
        self.units.write * USD_PER_MILLION_WRITES + self.units.read * USD_PER_MILLION_READS
    }
}

/// Counts the units of orders, and creates and follows `orders` orders with AWS's latencies.
pub(crate) async fn measure(rig: &Rig, orders: u64) -> anyhow::Result<WeatherFigures> {
    let units = units(rig).await?;
    let site = rig.site_in(Some(WeatherSettings::AWS), 1).await?;
    let invoked = Arc::new(Invoked::new(rig, &site)?);
    rig.progress().step("creating orders with AWS's latencies");
    load::run(&invoked, 1, WARM_UP).await?;
    let created = load::run(&invoked, 1, orders).await?;
    site.stop().await;
    let confirmations = confirmations::measure(rig, Some(WeatherSettings::AWS), orders).await?;
    Ok(WeatherFigures { units, created, confirmations })
}

/// The units that one order of two products consumes until both its events are handled.
async fn units(rig: &Rig) -> anyhow::Result<Units> {
    // Without latency, on which the units of an order do not depend.
    let site = rig.site_in(Some(WeatherSettings::CALM), 1).await?;
    rig.progress().step("counting the units of orders");
    let body = json!({"items": [
        {"product_id": 1, "quantity": 2}, {"product_id": 2, "quantity": 1},
    ]});
    let posted = Posted::of(Arc::clone(&site.user), body);
    let counted = async {
        // Each process reads keys and prices once and then caches them.
        posted.post().await?;
        all_handled(&site).await?;
        let weather = site.weather()?;
        weather.reset_consumption();
        // One after another: orders that are confirmed together share the write of a product.
        for _ in 0..COUNTED {
            posted.post().await?;
            all_handled(&site).await?;
        }
        anyhow::Ok(weather.consumption())
    };
    let consumed = tokio::select! {
        counted = counted => counted?,
        Err(error) = keep_live(&site.system.host) => return Err(error),
    };
    anyhow::ensure!(consumed.throttles == 0, "a partition exceeded its limit: {consumed:?}");
    // The sweep's reads belong to the deployment, not to an order.
    let orders = site.table_name("OrdersTable")?;
    let looks: f64 = consumed
        .consumers()
        .filter(|(consumer, _)| consumer.table == orders && consumer.operation == "Query")
        .map(|(_, units)| units.read)
        .sum();
    let total = consumed.total();
    let each = f64::from(COUNTED);
    site.stop().await;
    Ok(Units { read: (total.read - looks) / each, write: total.write / each })
}

async fn all_handled(site: &Site) -> anyhow::Result<()> {
    let client = site.table();
    let started = Instant::now();
    while any_pending(site, &client).await? {
        let remaining = STUCK_AFTER.checked_sub(started.elapsed());
        remaining.context("events stay pending")?;
        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
    }
    Ok(())
}
