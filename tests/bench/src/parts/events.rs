//! The rate at which event-consumer drains waiting events, and the table's limit for it.

mod ceiling;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use tokio::time::Instant;

use crate::consumer::{EVENT_CONSUMER, keep_live};
use crate::load;
use crate::orders::{Invoked, PRODUCTS};
use crate::rig::{Rig, Site};
use crate::samples::Samples;

/// Orders that are created at once to make the events.
const CREATED_AT_ONCE: usize = 8;

/// The pause between two reads of the stock of all ten products.
const READ_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// The measurement fails after this time without progress.
const STUCK_AFTER: Duration = Duration::from_secs(60);

pub(crate) struct EventFigures {
    /// Waiting `OrderCreated`.
    pub(crate) events: u64,
    /// The time until every order was confirmed or rejected.
    pub(crate) decided: Duration,
    /// The time until the `OrderConfirmed` of every order was handled, too.
    pub(crate) all_handled: Duration,
    /// The same transaction and update for each order by bare calls. A sample is one order.
    pub(crate) ceiling: Samples,
    pub(crate) peak_bytes: Option<u64>,
}

/// Creates `events` waiting events, and then starts a consumer.
pub(crate) async fn measure(rig: &Rig, events: u64) -> anyhow::Result<EventFigures> {
    let ceiling = ceiling::measure(rig, events).await?;
    let site = rig.site(CREATED_AT_ONCE).await?;
    rig.progress().step(&format!("creating {events} orders with waiting events"));
    let stock = Stock::new(&site)?;
    let full = stock.total().await?;
    let invoked = Arc::new(Invoked::new(rig, &site)?);
    load::run(&invoked, CREATED_AT_ONCE, events).await?;
    rig.progress().step(&format!("draining {events} events"));
    let sold_out = full.checked_sub(events).context("the stock is too small")?;
    let (decided, all_handled) = tokio::select! {
        drained = drain(&site, &stock, sold_out) => drained?,
        Err(error) = keep_live(&site.system.host) => return Err(error),
    };
    let peak_bytes = site.peak_memory(EVENT_CONSUMER)?;
    site.stop().await;
    Ok(EventFigures { events, decided, all_handled, ceiling, peak_bytes })
}

/// Waits until the stock is down to `sold_out`, and then until no event is pending. Every order is
/// for one unit, so the stock shows how many orders are decided.
async fn drain(site: &Site, stock: &Stock, sold_out: u64) -> anyhow::Result<(Duration, Duration)> {
    let started = Instant::now();
    let mut last = (u64::MAX, started);
    loop {
        let units = stock.total().await?;
        if units <= sold_out {
            break;
        }
        if units != last.0 {
            last = (units, Instant::now());
        }
        let waiting = units - sold_out;
        anyhow::ensure!(last.1.elapsed() < STUCK_AFTER, "{waiting} events are not drained");
        tokio::time::sleep(READ_AGAIN_AFTER).await;
    }
    let decided = started.elapsed();
    while any_pending(site, &stock.client).await? {
        let passed = started.elapsed();
        anyhow::ensure!(passed < decided * 2 + STUCK_AFTER, "events stay pending");
        tokio::time::sleep(READ_AGAIN_AFTER).await;
    }
    Ok((decided, started.elapsed()))
}

/// Whether any event is not handled yet.
pub(crate) async fn any_pending(site: &Site, client: &Client) -> anyhow::Result<bool> {
    let orders = site.table_name("OrdersTable")?;
    let page = client.scan().table_name(orders).index_name("pending").limit(1).send().await?;
    Ok(page.count() > 0)
}

struct Stock {
    client: Client,
    catalog: String,
}

impl Stock {
    fn new(site: &Site) -> anyhow::Result<Self> {
        Ok(Self { client: site.table(), catalog: site.table_name("CatalogTable")? })
    }

    async fn total(&self) -> anyhow::Result<u64> {
        let keys = (1..=PRODUCTS).map(|product_id| {
            let key = AttributeValue::S(format!("PRODUCT#{product_id}"));
            std::collections::HashMap::from([("pk".to_owned(), key)])
        });
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(keys.collect()))
            .consistent_read(true)
            .build()?;
        let answer = self.client.batch_get_item().request_items(&self.catalog, wanted);
        let answer = answer.send().await?.responses.context("the catalog's answer is empty")?;
        answer.into_values().flatten().try_fold(0, |sum, item| {
            let stock = item.get("stock").and_then(|stock| stock.as_n().ok());
            let stock: u64 = stock.context("a product has no stock")?.parse()?;
            Ok(sum + stock)
        })
    }
}
